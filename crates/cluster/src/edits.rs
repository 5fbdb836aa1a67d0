//! Edits of Landfall's objects by an administrator or another manager, and their treatment by an apply.
//!
//! The API server reports a field as a conflict if another manager has set it to a value other than the applied one. A
//! field that the applied object leaves out keeps that manager's value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::apply::Comparison;
use super::fields::{passes_list, pointer_of, remove};
use super::labels::{FIELD_MANAGER, is_managed, manager_of};
use super::{Cluster, ClusterError, FieldConflict, ObjectName};

/// Maximum number of rounds of leaving fields out of one object: each time, the API server may name others.
const ROUNDS: usize = 20;

/// Treatment, by an apply, of fields that another manager has set to another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edits {
    /// The apply fails.
    #[default]
    Refuse,
    /// The apply leaves them unchanged.
    Leave,
    /// The apply takes them over.
    Overwrite,
}

impl Edits {
    /// Returns true for the default treatment.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An object, and the treatment of edits to it.
#[derive(Debug, Clone, Copy)]
pub struct EditableObject<'a> {
    /// The object as the release has it.
    pub object: &'a Value,
    /// JSON Pointers to the fields that the site may change: an edit at or below one of them is always kept.
    pub editable: &'a [String],
    /// Treatment of other edits.
    pub edits: Edits,
}

/// Field that another manager has set to another value than the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldEdit {
    /// Field, as the API server names it, such as `.spec.replicas`.
    pub field: String,
    /// Manager that has set the field, such as `kubectl-edit`.
    pub manager: String,
    /// Current value; null if it is not found, or secret.
    pub now: Option<Value>,
    /// Value that the release would set; null if it is secret, or if the release has no such object.
    pub new: Option<Value>,
    /// True if the edit stays, because the release lets the site change the field.
    pub stays: bool,
    /// JSON Pointer to the field if its path crosses no list. With it, the field can be restored even if its parents
    /// are missing.
    #[serde(skip)]
    #[schemars(skip)]
    pub pointer: Option<String>,
}

impl EditableObject<'_> {
    /// Returns true if the release lets the site change the field at this pointer.
    fn is_editable(&self, pointer: &str) -> bool {
        let is_at = |declared: &String| {
            pointer.strip_prefix(declared.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.editable.iter().any(is_at)
    }

    /// Returns true if an edit of this field is kept.
    fn stays(&self, pointer: &str) -> bool {
        self.edits == Edits::Leave || self.is_editable(pointer)
    }
}

impl Cluster {
    /// Applies an object as [`Cluster::apply`] does, with the given treatment of edits. Returns the result, which the
    /// API server has written to etcd.
    pub fn apply_edited(&self, edited: &EditableObject<'_>) -> Result<Value, ClusterError> {
        let left = |object: &Value| self.apply(object);
        Self::leaving(edited, left, |name, object| self.patch_over(name, object, false))
    }

    /// Compares a live object to the result of [`Cluster::apply_edited`]. Changes nothing.
    pub fn compare_edited(&self, edited: &EditableObject<'_>) -> Result<Comparison, ClusterError> {
        let overwritten =
            |name: &ObjectName, object: &Value| self.patch_over(name, object, true).map(|_| Comparison::Different);
        Self::leaving(edited, |object| self.compare(object), overwritten)
    }

    /// Returns every field that another manager has set to another value than this object, and whether that edit is
    /// kept. Changes nothing. An object that does not exist has none; one that is not Landfall's is
    /// [`ClusterError::Foreign`].
    pub fn edits(&self, edited: &EditableObject<'_>) -> Result<Vec<FieldEdit>, ClusterError> {
        let name = ObjectName::of(edited.object)?;
        let Some(live) = self.get(&name)? else { return Ok(Vec::new()) };
        if !is_managed(&live) {
            return Err(ClusterError::Foreign { object: name.into(), manager: manager_of(&live) });
        }
        let conflicts = match self.compare(edited.object) {
            Err(ClusterError::Conflict { conflicts, .. }) => conflicts,
            compared => return compared.map(|_| Vec::new()),
        };
        let is_secret = name.kind == "Secret";
        let value = |object: &Value, field: &str| {
            let found = pointer_of(object, field).and_then(|pointer| object.pointer(&pointer).cloned());
            found.filter(|_| !is_secret)
        };
        let edit = |FieldConflict { manager, field }: FieldConflict| FieldEdit {
            now: value(&live, &field),
            new: value(edited.object, &field),
            pointer: pointer_of(&live, &field).filter(|pointer| !passes_list(&live, pointer)),
            stays: pointer_of(edited.object, &field).is_some_and(|pointer| edited.stays(&pointer)),
            manager,
            field,
        };
        Ok(conflicts.into_iter().filter(|conflict| conflict.manager != FIELD_MANAGER).map(edit).collect())
    }

    /// Runs an action on an object without the fields whose edits are kept.
    fn leaving<T>(
        edited: &EditableObject<'_>,
        act: impl Fn(&Value) -> Result<T, ClusterError>,
        overwrite: impl Fn(&ObjectName, &Value) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        let (name, mut object) = (ObjectName::of(edited.object)?, edited.object.clone());
        for _ in 0..ROUNDS {
            let conflicts = match act(&object) {
                Err(ClusterError::Conflict { conflicts, .. }) => conflicts,
                answer => return answer,
            };
            let mut is_less = false;
            for conflict in conflicts.iter().filter(|conflict| conflict.manager != FIELD_MANAGER) {
                // Later items of a list move up when an earlier one is left out.
                let pointer = pointer_of(&object, &conflict.field);
                let kept = pointer.filter(|_| {
                    pointer_of(edited.object, &conflict.field).is_some_and(|pointer| edited.stays(&pointer))
                });
                is_less |= kept.is_some_and(|pointer| remove(&mut object, &pointer));
            }
            match edited.edits {
                _ if is_less => {}
                Edits::Overwrite => return overwrite(&name, &object),
                _ => return Err(ClusterError::Conflict { object: name.into(), conflicts }),
            }
        }
        act(&object)
    }
}
