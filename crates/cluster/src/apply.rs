//! Server-side apply: the API server merges the declared fields and records that Landfall owns them.
//!
//! No other manager is overruled unless a user requests it ([`Edits::Overwrite`](super::Edits)). If another manager set
//! a field to another value, that is a conflict for a user to decide. The API server does not record whether the change
//! was intended. Landfall sets some fields, such as a number of replicas, by other requests. To the API server, these
//! belong to another manager. There, Landfall overrules itself.

use std::fmt;
use std::time::{Duration, Instant};

use http::Method;
use kube::core::Status;
use serde_json::Value;

use super::connection::{Call, parse};
use super::labels::{FIELD_MANAGER, is_managed, manager_of};
use super::retry::{Failure, is_field_conflict};
use super::{Cluster, ClusterError, ObjectName};

/// Time within which a kind becomes known after its definition was established.
const KIND_PATIENCE: Duration = Duration::from_secs(15);

/// Maximum number of times that an object is compared, or applied again, while other managers write to it.
const COMPARISONS: usize = 10;

/// Result of comparing a live object to the one that Landfall would apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The object does not exist.
    Absent,
    /// The object is Landfall's, and applying it again would change nothing.
    Same,
    /// The object is Landfall's, and applying would change it.
    Different,
    /// The object belongs to another manager.
    Foreign {
        /// The other manager.
        manager: String,
    },
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The manager, as the API server names it.
    pub manager: String,
    /// The field, such as `.spec.replicas`.
    pub field: String,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is owned by {}", self.field, self.manager)
    }
}

impl Cluster {
    /// Applies an object and returns the result, which the API server has written to etcd.
    ///
    /// An object that exists without Landfall's label is [`ClusterError::Foreign`]; fields of other managers are
    /// [`ClusterError::Conflict`].
    pub fn apply(&self, object: &Value) -> Result<Value, ClusterError> {
        let name = ObjectName::of(object)?;
        self.wait_for_kind(&name)?;
        if let Some(live) = self.get(&name)?.filter(|live| !is_managed(live)) {
            return Err(ClusterError::Foreign { object: name.into(), manager: manager_of(&live) });
        }
        self.patch(&name, object, false)
    }

    /// Compares a live object to the result of [`Cluster::apply`]. Changes nothing.
    pub fn compare(&self, object: &Value) -> Result<Comparison, ClusterError> {
        let name = ObjectName::of(object)?;
        for _ in 0..COMPARISONS {
            let Some(live) = self.get(&name)? else { return Ok(Comparison::Absent) };
            if !is_managed(&live) {
                return Ok(Comparison::Foreign { manager: manager_of(&live) });
            }
            // An object that is being deleted counts as different: it is applied again once it is gone.
            if live.pointer("/metadata/deletionTimestamp").is_some() {
                return Ok(Comparison::Different);
            }
            let after = self.patch(&name, object, true)?;
            if live.pointer("/metadata/resourceVersion") == after.pointer("/metadata/resourceVersion") {
                return Ok(if compared_fields(live) == compared_fields(after) {
                    Comparison::Same
                } else {
                    Comparison::Different
                });
            }
            // A controller wrote between the two reads, so the difference may be its work.
        }
        Ok(Comparison::Different)
    }

    /// Applies an object and makes it Landfall's, whoever owned it before. For objects that Kubernetes itself creates
    /// under Landfall's names.
    pub fn adopt(&self, object: &Value) -> Result<Value, ClusterError> {
        let name = ObjectName::of(object)?;
        self.wait_for_kind(&name)?;
        self.patch(&name, object, false)
    }

    fn wait_for_kind(&self, name: &ObjectName) -> Result<(), ClusterError> {
        let started = Instant::now();
        loop {
            match self.resource(&name.api_version, &name.kind) {
                Err(ClusterError::UnknownKind { .. }) if started.elapsed() < KIND_PATIENCE.min(self.patience()) => {
                    std::thread::sleep(Duration::from_millis(250));
                }
                known => return known.map(drop),
            }
        }
    }

    fn patch(&self, name: &ObjectName, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        match self.patch_once(name, object, dry_run, false) {
            Err(ClusterError::Conflict { conflicts, .. }) if is_with_landfall(&conflicts) => {
                self.overrule_landfall(name, object, dry_run)
            }
            answer => answer,
        }
    }

    /// Applies an object with force if the only conflicts are with Landfall's own fields. Both requests name the
    /// object's version: the second is refused if another manager wrote after the first.
    fn overrule_landfall(&self, name: &ObjectName, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let impatient = self.with_patience(Duration::ZERO);
        let mut pinned = object.clone();
        let mut left = COMPARISONS;
        loop {
            left -= 1;
            let Some(live) = self.get(name)? else { return self.patch_once(name, object, dry_run, false) };
            pinned["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let mut applied = impatient.patch_once(name, &pinned, dry_run, false);
            if matches!(&applied, Err(ClusterError::Conflict { conflicts, .. }) if is_with_landfall(conflicts)) {
                applied = impatient.patch_once(name, &pinned, dry_run, true);
            }
            match applied {
                Err(ClusterError::Refused { status, .. }) if status.code == 409 && left > 0 => {}
                applied => return applied,
            }
        }
    }

    /// Applies an object and takes over fields that other managers have set, as a user requested.
    pub(super) fn patch_over(&self, name: &ObjectName, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        self.patch_once(name, object, dry_run, true)
    }

    fn patch_once(&self, name: &ObjectName, object: &Value, dry_run: bool, force: bool) -> Result<Value, ClusterError> {
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let options = format!("fieldManager={FIELD_MANAGER}&force={force}&fieldValidation=Strict{dry}");
        let path = format!("{}?{options}", self.path(name)?);
        let call = Call {
            method: Method::PATCH,
            path,
            content_type: "application/apply-patch+yaml",
            body: object.to_string().into_bytes(),
            verb: if dry_run { "compare" } else { "apply" },
            what: name,
        };
        match self.attempt(&call) {
            Ok(text) => parse(&call, &text),
            Err(given_up) => match given_up.failure {
                Failure::Status(status) if is_field_conflict(&status) => {
                    Err(ClusterError::Conflict { object: name.clone().into(), conflicts: conflicts(&status) })
                }
                _ => Err(self.error(&call, given_up)),
            },
        }
    }
}

/// Returns the compared part of an object: everything except fields that every write changes.
fn compared_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    object
}

/// Returns true if Landfall itself set every field of a conflict.
fn is_with_landfall(conflicts: &[FieldConflict]) -> bool {
    !conflicts.is_empty() && conflicts.iter().all(|conflict| conflict.manager == FIELD_MANAGER)
}

/// Reads managers and fields from a conflict's causes, whose messages have the form `conflict with "kubectl" using
/// apps/v1`.
fn conflicts(status: &Status) -> Vec<FieldConflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let causes = causes.filter(|cause| cause.reason == "FieldManagerConflict");
    causes
        .map(|cause| FieldConflict {
            manager: cause.message.split('"').nth(1).unwrap_or(&cause.message).to_owned(),
            field: cause.field.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conflicts_name_manager_and_field() {
        let status = json!({"code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-edit\" using apps/v1",
                "field": ".spec.replicas"}
        ]}});
        let status: Status = serde_json::from_value(status).unwrap();
        let shown: Vec<String> = conflicts(&status).iter().map(ToString::to_string).collect();
        assert_eq!(shown, [".spec.replicas is owned by kubectl-edit"]);
    }

    #[test]
    fn only_own_conflicts_are_overruled() {
        let conflicts = |managers: &[&str]| {
            let causes = managers.iter().map(|manager| {
                let message = format!("conflict with \"{manager}\" with subresource \"scale\" using apps/v1");
                json!({"reason": "FieldManagerConflict", "message": message, "field": ".spec.replicas"})
            });
            let status = json!({"code": 409, "reason": "Conflict", "details": {"causes": causes.collect::<Vec<_>>()}});
            conflicts(&serde_json::from_value(status).unwrap())
        };
        assert!(is_with_landfall(&conflicts(&["landfall"])));
        assert!(!is_with_landfall(&conflicts(&["landfall", "kubectl"])));
        assert!(!is_with_landfall(&conflicts(&["landfall-of-another"])) && !is_with_landfall(&[]));
    }

    #[test]
    fn only_declared_fields_are_compared() {
        let live = json!({"metadata": {"name": "a", "resourceVersion": "1", "generation": 1, "managedFields": []},
            "spec": {"a": 1}});
        let same = json!({"metadata": {"name": "a", "resourceVersion": "2", "generation": 2, "managedFields": [1]},
            "spec": {"a": 1}});
        let other = json!({"metadata": {"name": "a"}, "spec": {"a": 2}});
        assert_eq!(compared_fields(live.clone()), compared_fields(same));
        assert_ne!(compared_fields(live), compared_fields(other));
    }
}
