//! Relations between fields of pods.

use std::collections::HashSet;

use serde_json::Value;

use super::{absent, different, items, word};
use crate::amount;
use crate::rules::{RuleResult, wrong};

/// Lists of containers whose names must be unique together.
const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

pub fn container_names(pod: &Value) -> RuleResult {
    let named = |list: &'static str| {
        items(pod, list).map(move |(index, container)| (format!("/{list}/{index}/name"), word(container, "name")))
    };
    different(CONTAINERS.into_iter().flat_map(named))
}

/// Checks that only containers that run as long as the pod have probes and hooks.
pub fn init_container(container: &Value) -> RuleResult {
    if container["restartPolicy"] == "Always" {
        return Ok(());
    }
    ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"].into_iter().try_for_each(|field| {
        absent(container, field, "an init container has this field only with the restart policy Always")
    })
}

pub fn port_names(ports: &Value) -> RuleResult {
    let named = ports.as_array().into_iter().flatten().enumerate();
    let named = named.map(|(index, port)| (format!("/{index}/name"), word(port, "name")));
    different(named.filter(|(_, name)| !name.is_empty()))
}

/// Checks that host ports are distinct, and equal to the container's ports on the host's network.
pub fn host_ports(pod: &Value) -> RuleResult {
    let mut seen = HashSet::new();
    let is_on_host = pod["hostNetwork"] == true;
    for (index, container) in items(pod, "containers") {
        for (number, port) in items(container, "ports") {
            let pointer = format!("/containers/{index}/ports/{number}/hostPort");
            let Some(on_host) = port["hostPort"].as_i64().filter(|port| *port != 0) else { continue };
            let protocol = Some(word(port, "protocol")).filter(|word| !word.is_empty()).unwrap_or("TCP");
            if is_on_host && port["containerPort"] != on_host {
                return Err(wrong(pointer, format!("{on_host} is not the container port, as on the host's network")));
            }
            if !seen.insert((on_host, protocol, word(port, "hostIP"))) {
                return Err(wrong(pointer, format!("another container port has the host's port {on_host}/{protocol}")));
            }
        }
    }
    Ok(())
}

pub fn dns(pod: &Value) -> RuleResult {
    let servers = pod.pointer("/dnsConfig/nameservers").and_then(Value::as_array);
    if pod["dnsPolicy"] == "None" && servers.is_none_or(Vec::is_empty) {
        return Err(wrong("/dnsConfig/nameservers", "it is required with the DNS policy None, and not be empty"));
    }
    Ok(())
}

/// Checks that a container mounts only volumes of its pod.
pub fn mounts(pod: &Value) -> RuleResult {
    mounts_of(pod, &items(pod, "volumes").map(|(_, volume)| word(volume, "name")).collect())
}

/// Checks that a container of a `StatefulSet` mounts only volumes of the template or of a claim.
pub fn mounts_of_set(set: &Value) -> RuleResult {
    let pod = &set["template"]["spec"];
    let claims = items(set, "volumeClaimTemplates").map(|(_, claim)| word(&claim["metadata"], "name"));
    let volumes = items(pod, "volumes").map(|(_, volume)| word(volume, "name"));
    let found = mounts_of(pod, &claims.chain(volumes).collect());
    found.map_err(|wrong| wrong.below("spec").below("template"))
}

fn mounts_of(pod: &Value, volumes: &HashSet<&str>) -> RuleResult {
    for list in CONTAINERS {
        for (index, container) in items(pod, list) {
            for mounts in ["volumeMounts", "volumeDevices"] {
                for (number, mount) in items(container, mounts) {
                    let name = word(mount, "name");
                    if !volumes.contains(name) {
                        let pointer = format!("/{list}/{index}/{mounts}/{number}/name");
                        return Err(wrong(
                            pointer,
                            format!("the pod has no volume `{name}`{}", known_volumes(volumes)),
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

fn known_volumes(volumes: &HashSet<&str>) -> String {
    let mut names: Vec<&str> = volumes.iter().copied().collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!(", only {}", names.join(", ")) }
}

/// Checks the mounts of a container. A volume is mounted either as a folder or as a device. Only privileged containers
/// propagate mounts to the host, and a mount has at most one kind of subpath.
pub fn mounts_of_devices(container: &Value) -> RuleResult {
    let devices: HashSet<&str> = items(container, "volumeDevices").map(|(_, device)| word(device, "name")).collect();
    let is_privileged = container.pointer("/securityContext/privileged") == Some(&Value::Bool(true));
    for (index, mount) in items(container, "volumeMounts") {
        if devices.contains(word(mount, "name")) {
            return Err(wrong(format!("/volumeMounts/{index}/name"), "the volume is also mounted as a device"));
        }
        if mount["mountPropagation"] == "Bidirectional" && !is_privileged {
            let pointer = format!("/volumeMounts/{index}/mountPropagation");
            return Err(wrong(pointer, "`Bidirectional` is only for privileged containers"));
        }
        if !word(mount, "subPath").is_empty() && !word(mount, "subPathExpr").is_empty() {
            return Err(wrong(
                format!("/volumeMounts/{index}/subPathExpr"),
                "a mount has either subPath or subPathExpr",
            ));
        }
    }
    Ok(())
}

/// Checks that a container requests no more than its limits. Resources of devices, which must be equal, have a separate
/// check.
pub fn requests(resources: &Value) -> RuleResult {
    let amounts = resources["requests"].as_object().into_iter().flatten();
    for (name, request) in amounts {
        let limit = &resources["limits"][name];
        let [asked, allowed] = [request, limit].map(|amount| amount.as_str().and_then(amount::thousandths));
        if let (Some(asked), Some(allowed)) = (asked, allowed)
            && asked > allowed
        {
            let [asked, allowed] = [request, limit].map(|amount| amount.as_str().unwrap_or_default());
            return Err(wrong("", format!("the request of {asked} {name} is more than the limit of {allowed}"))
                .below(name)
                .below("requests"));
        }
    }
    Ok(())
}

pub fn escalation(context: &Value) -> RuleResult {
    if context["allowPrivilegeEscalation"] == false && context["privileged"] == true {
        return Err(wrong("/allowPrivilegeEscalation", "it cannot be false in a privileged container"));
    }
    Ok(())
}

pub fn value(variable: &Value) -> RuleResult {
    if word(variable, "value").is_empty() {
        return Ok(());
    }
    absent(variable, "valueFrom", "a variable has either a value or a source of it")
}

pub fn toleration(toleration: &Value) -> RuleResult {
    let is_exists = toleration["operator"] == "Exists";
    if word(toleration, "key").is_empty() && !is_exists {
        return Err(wrong("/operator", "it must be Exists where there is no key"));
    }
    if is_exists && !word(toleration, "value").is_empty() {
        return Err(wrong("/value", "the operator Exists has no value"));
    }
    if !toleration["tolerationSeconds"].is_null() && toleration["effect"] != "NoExecute" {
        return Err(wrong("/effect", "it must be NoExecute where there are seconds"));
    }
    Ok(())
}

/// Checks the number of values for an operator.
pub fn expression(expression: &Value) -> RuleResult {
    let count = expression["values"].as_array().map_or(0, Vec::len);
    let operator = word(expression, "operator");
    let what = match operator {
        "In" | "NotIn" if count == 0 => "needs a value",
        "Exists" | "DoesNotExist" if count > 0 => "has no values",
        "Gt" | "Lt" if count != 1 => "needs exactly one value",
        _ => return Ok(()),
    };
    Err(wrong("/values", format!("the operator {operator} {what}")))
}

/// Checks that a volume has at most one source; a volume without a source is an empty folder.
pub fn one_source(volume: &Value) -> RuleResult {
    let fields = volume.as_object().into_iter().flatten().filter(|(name, field)| *name != "name" && !field.is_null());
    let sources: Vec<&str> = fields.map(|(name, _)| name.as_str()).collect();
    match sources.as_slice() {
        [] | [_] => Ok(()),
        [.., last] => Err(wrong("", format!("it has {}: a volume has one source", sources.join(" and "))).below(last)),
    }
}
