//! Validation of amounts of resources: the published types accept any text, but the API server accepts only numbers
//! with a unit.

use serde_json::Value;

use super::{Fault, amount, escape};

/// Kinds with containers, claims or quotas, in which these fields contain amounts.
const KINDS: [&str; 11] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "ResourceQuota",
    "StatefulSet",
];

/// Returns an error for a malformed amount in the resources of containers and claims, in quotas, and in limits of
/// volumes.
pub(super) fn check(kind: &str, object: &Value) -> Result<(), Fault> {
    if !KINDS.contains(&kind) {
        return Ok(());
    }
    if kind == "ResourceQuota" {
        return check_all(&object["spec"]["hard"], "/spec/hard");
    }
    walk(object, "")
}

fn walk(value: &Value, pointer: &str) -> Result<(), Fault> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(key, field)| {
            let pointer = format!("{pointer}/{}", escape(key));
            match key.as_str() {
                "resources" => ["limits", "requests"]
                    .into_iter()
                    .try_for_each(|part| check_all(&field[part], &format!("{pointer}/{part}"))),
                "sizeLimit" => check_one(field, &pointer),
                // People choose these keys, so they do not indicate amounts.
                "annotations" | "labels" | "matchLabels" => Ok(()),
                _ => walk(field, &pointer),
            }
        }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| walk(item, &format!("{pointer}/{index}")))
        }
        _ => Ok(()),
    }
}

fn check_all(amounts: &Value, pointer: &str) -> Result<(), Fault> {
    let mut amounts = amounts.as_object().into_iter().flatten();
    amounts.try_for_each(|(key, amount)| check_one(amount, &format!("{pointer}/{}", escape(key))))
}

fn check_one(amount: &Value, pointer: &str) -> Result<(), Fault> {
    match amount.as_str() {
        Some(text) if !is_amount(text) => {
            Err(Fault::field(pointer, format!("`{text}` is not an amount such as 500m or 2Gi")))
        }
        _ => Ok(()),
    }
}

/// Returns true for a number with a unit or an exponent, in Kubernetes' notation of amounts.
fn is_amount(text: &str) -> bool {
    amount::split(text.strip_prefix(['+', '-']).unwrap_or(text)).is_some()
}

#[cfg(test)]
mod tests {
    use super::is_amount;

    #[test]
    fn amounts_need_number_and_unit() {
        for amount in ["1", "0", "500m", "2Gi", "1.5", ".5", "1.", "-1", "+3k", "1e3", "12E6", "1E", "5e-3", "0.1Ti"] {
            assert!(is_amount(amount), "{amount}");
        }
        for other in ["", "plenty", "Gi", "2 Gi", "2GB", "2gi", "1.2.3", ".", "1e", "e3", "0x10", "1Gi "] {
            assert!(!is_amount(other), "{other}");
        }
    }
}
