//! Readiness of volume claims, which may legitimately wait for the first pod that uses them.

use serde_json::Value;

use super::Readiness;

/// Evaluates a claim, given the object of its storage class if known.
///
/// A class that binds with the first consumer leaves the claim Pending until a pod uses it. Such a claim counts as
/// ready, and the pod reports if its volume fails.
pub fn evaluate_claim(claim: &Value, storage_class: Option<&Value>) -> Readiness {
    match claim.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Readiness::Ready,
        Some("Lost") => Readiness::Failed("the volume it was bound to is lost".to_owned()),
        _ if waits_for_consumer(storage_class) => Readiness::Ready,
        _ => Readiness::InProgress(match claim.pointer("/spec/volumeName").and_then(Value::as_str) {
            Some(volume) => format!("it is not bound to the volume {volume} yet"),
            None => "it has no volume yet".to_owned(),
        }),
    }
}

fn waits_for_consumer(storage_class: Option<&Value>) -> bool {
    storage_class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer")
}
