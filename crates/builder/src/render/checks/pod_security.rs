//! Pod Security checks, equal to those of the API server for the label of a namespace.
//!
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>: the checks follow the fields of the
//! standards, in their order.

use landfall_error_codes::codes;
use landfall_release_document::PodSecurity;
use serde_json::Value;

use super::items;
use crate::definition::{ComponentDefinition, Definition};
use crate::error::{BuildError, Result};
use crate::rendered::RenderedComponent;
use crate::rendered::pods::{Pod, containers};

/// Capabilities that `baseline` allows containers to add.
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// SELinux types that `baseline` allows.
const SELINUX_TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Sysctls that only affect the pod itself.
const SAFE_SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];

/// Kinds of volumes that `restricted` allows.
const RESTRICTED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Returns one error with all violations of a pod against the level of its namespace.
pub fn check(definition: &Definition, component: &RenderedComponent, object: &Value, pod: &Pod<'_>) -> Result<()> {
    let (level, broken) = violations(definition, component, object, pod);
    if broken.is_empty() {
        return Ok(());
    }
    let what = format!("the level `{}` of its namespace forbids it:\n  {}", name(level), broken.join("\n  "));
    let error = BuildError::at(codes::POD_REFUSED, component.place(object, ""), what);
    let lowest = super::lowest_pod_security(definition, component);
    if lowest == definition.release.components[component.index].pod_security {
        return Err(error);
    }
    Err(error.hint(format!(
        "Correct the named fields, or write `podSecurity: {}` for the component, the strictest level that allows all \
         of its pods.",
        name(lowest)
    )))
}

/// The level as written in a definition.
fn name(level: PodSecurity) -> &'static str {
    match level {
        PodSecurity::Restricted => "restricted",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Privileged => "privileged",
    }
}

/// The level of a pod's namespace, and the pod's violations of it.
pub fn violations(
    definition: &Definition,
    component: &RenderedComponent,
    object: &Value,
    pod: &Pod<'_>,
) -> (PodSecurity, Vec<String>) {
    let own = &definition.release.components[component.index];
    let is_here = |other: &&ComponentDefinition| {
        object["metadata"]["namespace"].as_str().is_some_and(|namespace| namespace == other.namespace.value)
    };
    // The level of a namespace is that of the component that owns it.
    let level = [own].into_iter().chain(&definition.release.components).find(is_here).unwrap_or(own).pod_security;
    let mut broken = Vec::new();
    if level != PodSecurity::Privileged {
        baseline(pod, &mut broken);
    }
    if level == PodSecurity::Restricted {
        restricted(pod, &mut broken);
    }
    (level, broken)
}

fn baseline(pod: &Pod<'_>, broken: &mut Vec<String>) {
    let at = &pod.pointer;
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.spec[field] == true {
            broken.push(format!("{at}/{field} is true"));
        }
    }
    for (index, _) in items(pod.spec, "volumes").enumerate().filter(|(_, volume)| !volume["hostPath"].is_null()) {
        broken.push(format!("{at}/volumes/{index} is a hostPath"));
    }
    let security = &pod.spec["securityContext"];
    for setting in items(security, "sysctls").filter_map(|setting| setting["name"].as_str()) {
        if !SAFE_SYSCTLS.contains(&setting) {
            broken.push(format!("{at}/securityContext/sysctls sets {setting}"));
        }
    }
    profiles(security, &format!("{at}/securityContext"), broken);
    let annotations = pod.annotations.as_object().into_iter().flatten();
    for (key, value) in
        annotations.filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
    {
        let value = value.as_str().unwrap_or_default();
        if value != "runtime/default" && !value.starts_with("localhost/") {
            broken.push(format!("the annotation {key} is {value}"));
        }
    }
    for (at, container) in containers(pod) {
        let security = &container["securityContext"];
        let at_security = format!("{at}/securityContext");
        if security["privileged"] == true {
            broken.push(format!("{at_security}/privileged is true"));
        }
        for capability in capabilities(security, "add").filter(|name| !BASELINE_CAPABILITIES.contains(name)) {
            broken.push(format!("{at_security}/capabilities/add has {capability}"));
        }
        for (index, port) in items(container, "ports").enumerate() {
            if port["hostPort"].as_u64().is_some_and(|port| port != 0) {
                broken.push(format!("{at}/ports/{index}/hostPort is set"));
            }
        }
        if security["procMount"].as_str().is_some_and(|mount| mount != "Default") {
            broken.push(format!("{at_security}/procMount is not Default"));
        }
        profiles(security, &at_security, broken);
    }
}

/// Checks of fields that pods and containers have in common.
fn profiles(security: &Value, at: &str, broken: &mut Vec<String>) {
    for field in ["seccompProfile", "appArmorProfile"] {
        if security[field]["type"] == "Unconfined" {
            broken.push(format!("{at}/{field} is Unconfined"));
        }
    }
    let selinux = &security["seLinuxOptions"];
    if !SELINUX_TYPES.contains(&selinux["type"].as_str().unwrap_or_default()) {
        broken.push(format!("{at}/seLinuxOptions/type is not a container's"));
    }
    for field in ["user", "role"] {
        if selinux[field].as_str().is_some_and(|text| !text.is_empty()) {
            broken.push(format!("{at}/seLinuxOptions/{field} is set"));
        }
    }
    if security["windowsOptions"]["hostProcess"] == true {
        broken.push(format!("{at}/windowsOptions/hostProcess is true"));
    }
}

fn restricted(pod: &Pod<'_>, broken: &mut Vec<String>) {
    let at = &pod.pointer;
    for (index, volume) in items(pod.spec, "volumes").enumerate() {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        for kind in kinds.filter(|key| *key != "name" && *key != "hostPath" && !RESTRICTED_VOLUMES.contains(key)) {
            broken.push(format!("{at}/volumes/{index} is of the kind {kind}"));
        }
    }
    let of_pod = &pod.spec["securityContext"];
    if of_pod["runAsUser"] == 0 {
        broken.push(format!("{at}/securityContext/runAsUser is 0"));
    }
    for (at, container) in containers(pod) {
        let security = &container["securityContext"];
        let at = format!("{at}/securityContext");
        if security["allowPrivilegeEscalation"] != false {
            broken.push(format!("{at}/allowPrivilegeEscalation is not false"));
        }
        if inherited_field(security, of_pod, "runAsNonRoot") != true {
            broken.push(format!("{at}/runAsNonRoot is not true"));
        }
        if security["runAsUser"] == 0 {
            broken.push(format!("{at}/runAsUser is 0"));
        }
        let profile = &inherited_field(security, of_pod, "seccompProfile")["type"];
        if profile != "RuntimeDefault" && profile != "Localhost" {
            broken.push(format!("{at}/seccompProfile is neither RuntimeDefault nor Localhost"));
        }
        if !capabilities(security, "drop").any(|name| name == "ALL") {
            broken.push(format!("{at}/capabilities/drop lacks ALL"));
        }
        for capability in capabilities(security, "add").filter(|name| *name != "NET_BIND_SERVICE") {
            // Capabilities that baseline forbids were reported above.
            if BASELINE_CAPABILITIES.contains(&capability) {
                broken.push(format!("{at}/capabilities/add has {capability}"));
            }
        }
    }
}

/// A field of the container, or otherwise of its pod.
fn inherited_field<'a>(container: &'a Value, pod: &'a Value, field: &str) -> &'a Value {
    if container[field].is_null() { &pod[field] } else { &container[field] }
}

fn capabilities<'a>(security: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    items(&security["capabilities"], list).filter_map(Value::as_str)
}
