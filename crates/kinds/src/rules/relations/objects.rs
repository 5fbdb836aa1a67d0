//! Relations in Services, Ingresses, volumes, roles and definitions.

use serde_json::Value;

use super::{absent, different, items, word};
use crate::amount;
use crate::rules::{RuleResult, wrong};

const RIGHTS: &str = "rbac.authorization.k8s.io";

/// Checks that several ports of a Service have distinct names.
pub fn service_port_names(ports: &Value) -> RuleResult {
    let ports = || ports.as_array().into_iter().flatten().enumerate();
    if let Some((index, _)) = ports().find(|(_, port)| word(port, "name").is_empty())
        && ports().nth(1).is_some()
    {
        return Err(wrong(format!("/{index}/name"), "it is required where a Service has several ports"));
    }
    let named = ports().map(|(index, port)| (format!("/{index}/name"), word(port, "name")));
    different(named.filter(|(_, name)| !name.is_empty()))
}

pub fn service(service: &Value) -> RuleResult {
    let kind = Some(word(service, "type")).filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP");
    let is_headless = service["clusterIP"] == "None";
    let is_reached = matches!(kind, "NodePort" | "LoadBalancer");
    let has_addresses = items(service, "externalIPs").next().is_some();
    if kind == "ExternalName" {
        if word(service, "externalName").is_empty() {
            return Err(wrong("/externalName", "it is required in a Service of the type ExternalName"));
        }
        return Ok(());
    }
    if items(service, "ports").next().is_none() && !is_headless {
        return Err(wrong("/ports", "it is required and must not be empty, unless clusterIP is None"));
    }
    if is_headless && is_reached {
        return Err(wrong("/clusterIP", format!("a Service of the type {kind} cannot have None")));
    }
    if !word(service, "externalTrafficPolicy").is_empty() && !is_reached && !has_addresses {
        return Err(wrong("/externalTrafficPolicy", "only Services that are reached from outside have this field"));
    }
    if kind == "ClusterIP" {
        let taken = items(service, "ports").find(|(_, port)| port["nodePort"].as_i64().is_some_and(|port| port != 0));
        if let Some((index, _)) = taken {
            return Err(wrong(format!("/ports/{index}/nodePort"), "a Service of the type ClusterIP has no such port"));
        }
    }
    if kind != "LoadBalancer" {
        let why = "only a Service of the type LoadBalancer has this field";
        absent(service, "allocateLoadBalancerNodePorts", why)?;
        absent(service, "loadBalancerClass", why)?;
    }
    Ok(())
}

/// Checks that session affinity by client IP lasts at most a day. Without this affinity, the API server drops the
/// field.
pub fn affinity_of_clients(service: &Value) -> RuleResult {
    let pointer = "/sessionAffinityConfig/clientIP/timeoutSeconds";
    match service.pointer(pointer).and_then(Value::as_i64) {
        Some(seconds) if service["sessionAffinity"] == "ClientIP" && !(1..=86400).contains(&seconds) => {
            Err(wrong(pointer, format!("{seconds} is not between 1 and 86400")))
        }
        _ => Ok(()),
    }
}

pub fn ingress(ingress: &Value) -> RuleResult {
    if ingress["defaultBackend"].is_null() && items(ingress, "rules").next().is_none() {
        return Err(wrong("/rules", "an Ingress has rules or a defaultBackend"));
    }
    Ok(())
}

/// Checks that paths which are compared as text are absolute and contain no parts that would change their meaning.
pub fn ingress_path(path: &Value) -> RuleResult {
    if !matches!(word(path, "pathType"), "Exact" | "Prefix") {
        return Ok(());
    }
    let text = word(path, "path");
    let is_clean = ["//", "/./", "/../", "%2f", "%2F"].iter().all(|part| !text.contains(part))
        && !text.ends_with("/..")
        && !text.ends_with("/.");
    if text.starts_with('/') && is_clean {
        return Ok(());
    }
    Err(wrong("/path", format!("`{text}` is not an absolute path without //, /. and /..")))
}

pub fn backend_port(service: &Value) -> RuleResult {
    let port = &service["port"];
    let has_number = port["number"].as_i64().is_some_and(|number| number != 0);
    if has_number == word(port, "name").is_empty() {
        return Ok(());
    }
    Err(wrong("/port", "it has either a name or a number"))
}

pub fn port_range(port: &Value) -> RuleResult {
    let Some(end) = port["endPort"].as_i64() else { return Ok(()) };
    match port["port"].as_i64() {
        Some(first) if first <= end => Ok(()),
        Some(first) => Err(wrong("/endPort", format!("{end} is less than port, which is {first}"))),
        None => Err(wrong("/endPort", "it is only there beside a port with a number")),
    }
}

pub fn peer(peer: &Value) -> RuleResult {
    let others = ["podSelector", "namespaceSelector"].iter().any(|selector| !peer[selector].is_null());
    match (others, !peer["ipBlock"].is_null()) {
        (false, false) => Err(wrong("", "it must have one of podSelector, namespaceSelector, ipBlock")),
        (true, true) => Err(wrong("/ipBlock", "a peer has either selectors or ipBlock")),
        _ => Ok(()),
    }
}

pub fn access_modes(specification: &Value) -> RuleResult {
    let modes = specification["accessModes"].as_array().map_or(&[][..], Vec::as_slice);
    if modes.iter().any(|mode| mode == "ReadWriteOncePod") && modes.iter().any(|mode| mode != "ReadWriteOncePod") {
        return Err(wrong("/accessModes", "ReadWriteOncePod is only alone"));
    }
    Ok(())
}

/// Checks that a claim requests storage.
pub fn storage(claim: &Value) -> RuleResult {
    let pointer = "/resources/requests/storage";
    let Some(storage) = claim.pointer(pointer).and_then(Value::as_str) else {
        return Err(wrong(pointer, "it is required"));
    };
    if amount::is_negative(storage) || amount::thousandths(storage) == Some(0) {
        return Err(wrong(pointer, format!("{storage} is not more than 0")));
    }
    Ok(())
}

/// Fields of a volume other than its source.
const APART_FROM_SOURCES: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub fn volume(volume: &Value) -> RuleResult {
    let fields = volume.as_object().into_iter().flatten().filter(|(_, field)| !field.is_null());
    let sources: Vec<&String> =
        fields.map(|(name, _)| name).filter(|name| !APART_FROM_SOURCES.contains(&name.as_str())).collect();
    if volume["capacity"]["storage"].is_null() {
        return Err(wrong("/capacity/storage", "it is required"));
    }
    match sources.as_slice() {
        [_] => Ok(()),
        [] => Err(wrong("", "it must have a source, such as csi, local or nfs")),
        [.., last] => Err(wrong(format!("/{last}"), "a volume has one source, and this is a second one")),
    }
}

/// Checks that a rule of a role is about either resources or paths.
pub fn role_rule(rule: &Value) -> RuleResult {
    let has = |name| items(rule, name).next().is_some();
    if has("nonResourceURLs") {
        let others = ["apiGroups", "resources", "resourceNames"].into_iter().find(|name| has(name));
        return others.map_or(Ok(()), |name| Err(wrong(format!("/{name}"), "the rule is about nonResourceURLs")));
    }
    let missing = ["apiGroups", "resources"].into_iter().find(|name| !has(name));
    missing.map_or(Ok(()), |name| Err(wrong(format!("/{name}"), "it is required and must not be empty")))
}

pub fn subject(subject: &Value) -> RuleResult {
    let group = word(subject, "apiGroup");
    let is_fit = match word(subject, "kind") {
        "ServiceAccount" => group.is_empty(),
        // The API server has a default for a missing group.
        _ => group.is_empty() || group == RIGHTS,
    };
    if is_fit { Ok(()) } else { Err(wrong("/apiGroup", format!("`{group}` is not the group of such a subject"))) }
}

pub fn subject_of_cluster(subject: &Value) -> RuleResult {
    if subject["kind"] == "ServiceAccount" && word(subject, "namespace").is_empty() {
        return Err(wrong("/namespace", "it is required for a ServiceAccount"));
    }
    Ok(())
}

/// Checks that a webhook has a review version that the API server knows.
pub fn review_versions(versions: &Value) -> RuleResult {
    let known = versions.as_array().into_iter().flatten().any(|version| version == "v1" || version == "v1beta1");
    if known { Ok(()) } else { Err(wrong("", "it has neither v1 nor v1beta1")) }
}

/// Prefix of the names of Kubernetes' own classes, which have higher values.
const SYSTEM_CLASS: &str = "system-";

/// Maximum priority of a class.
const GREATEST_PRIORITY: i64 = 1_000_000_000;

pub fn priority(class: &Value) -> RuleResult {
    let is_system = word(&class["metadata"], "name").starts_with(SYSTEM_CLASS);
    match class["value"].as_i64() {
        Some(value) if value > GREATEST_PRIORITY && !is_system => {
            Err(wrong("/value", format!("{value} is more than {GREATEST_PRIORITY}")))
        }
        _ => Ok(()),
    }
}

/// Checks that a key is in only one of the two maps.
pub fn config_keys(config: &Value) -> RuleResult {
    let mut keys = config["binaryData"].as_object().into_iter().flat_map(serde_json::Map::keys);
    match keys.find(|key| !config["data"][key.as_str()].is_null()) {
        Some(key) => Err(wrong("", "the key is also in data").below(key).below("binaryData")),
        None => Ok(()),
    }
}

/// Checks that a definition is named after the kind that it defines, and that one of its versions is stored.
pub fn definition(definition: &Value) -> RuleResult {
    let [plural, group] = ["/spec/names/plural", "/spec/group"].map(|pointer| crate::text(definition, pointer));
    let (name, expected) = (word(&definition["metadata"], "name"), format!("{plural}.{group}"));
    if name != expected {
        return Err(wrong("/metadata/name", format!("`{name}` is not {expected}, which its group and plural make")));
    }
    let stored = items(&definition["spec"], "versions").filter(|(_, version)| version["storage"] == true).count();
    if stored == 1 { Ok(()) } else { Err(wrong("/spec/versions", format!("{stored} versions are stored, not one"))) }
}
