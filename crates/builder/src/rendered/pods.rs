//! Pods of an object, for Kubernetes' own kinds.

use serde_json::Value;

/// A pod or a pod template.
pub struct Pod<'a> {
    /// JSON Pointer of its `spec` in the object.
    pub pointer: String,
    /// Annotations of the pod.
    pub annotations: &'a Value,
    /// Specification of the pod.
    pub spec: &'a Value,
    /// Names of claims that are created for it.
    pub claims: Vec<&'a str>,
}

/// Containers of a pod, each with its field.
pub fn containers<'a>(pod: &'a Pod<'_>) -> impl Iterator<Item = (String, &'a Value)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |list| {
        let items = pod.spec[list].as_array().into_iter().flatten().enumerate();
        items.map(move |(index, container)| (format!("{}/{list}/{index}", pod.pointer), container))
    })
}

/// JSON Pointer of an object's pod template, if it has one; empty for a pod.
pub(crate) fn template(object: &Value) -> Option<&'static str> {
    let pointer = match object["kind"].as_str()? {
        "Pod" => "",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController" => "/spec/template",
        "PodTemplate" => "/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    if object["apiVersion"]
        .as_str()
        .is_none_or(|version| version.split('/').next().is_some_and(|group| group.contains('.')))
    {
        return None;
    }
    object.pointer(pointer).map(|_| pointer)
}

/// The pod or pod template of an object; `None` for other objects.
pub fn of(object: &Value) -> Option<Pod<'_>> {
    let pointer = template(object)?;
    let template = object.pointer(pointer)?;
    let templates = object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let claims = templates.into_iter().flatten().filter_map(|claim| claim.pointer("/metadata/name")?.as_str());
    Some(Pod {
        pointer: format!("{pointer}/spec"),
        annotations: &template["metadata"]["annotations"],
        spec: &template["spec"],
        claims: claims.collect(),
    })
}
