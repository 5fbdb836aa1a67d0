//! What an administrator, or another manager, has edited of Landfall's objects, and what an apply does with it.
//!
//! The API server reports a field as a conflict if another manager has set it to another value than the one that is applied. A field
//! that is left out of what is applied stays as that manager set it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::apply::Applied;
use super::fields::{passes_list, pointer_of, remove};
use super::labels::{FIELD_MANAGER, is_managed, manager_of};
use super::{Cluster, ClusterError, FieldConflict, ObjectName};

/// How often fields are left out of one object: each time the API server may name others.
const ROUNDS: usize = 20;

/// What an apply does with fields that another manager has set to another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edits {
    /// It fails.
    #[default]
    Refuse,
    /// It leaves them as they are.
    Leave,
    /// It takes them over.
    Overwrite,
}

impl Edits {
    /// Whether it is what applies by default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An object, and what becomes of edits of it.
#[derive(Debug, Clone, Copy)]
pub struct Edited<'a> {
    /// The object as the release has it.
    pub object: &'a Value,
    /// JSON Pointers to the fields that the site may change: an edit of one of them, or below it, always stays.
    pub editable: &'a [String],
    /// What becomes of other edits.
    pub edits: Edits,
}

/// A field that another manager has set to another value than the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldEdit {
    /// The field, as the API server names it, such as `.spec.replicas`.
    pub field: String,
    /// The manager that has set it, such as `kubectl-edit`.
    pub manager: String,
    /// What it is now; none where it is not found, or secret.
    pub now: Option<Value>,
    /// What the release would set; none where it is secret, or where the release has no such object.
    pub new: Option<Value>,
    /// Whether it stays, because the release lets the site change it.
    pub stays: bool,
    /// JSON Pointer to it where no list is on the way, so that it can be made again also where what is around it is missing.
    #[serde(skip)]
    #[schemars(skip)]
    pub pointer: Option<String>,
}

impl Edited<'_> {
    /// Whether the release lets the site change the field at this pointer.
    fn is_editable(&self, pointer: &str) -> bool {
        let is_at = |declared: &String| {
            pointer.strip_prefix(declared.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.editable.iter().any(is_at)
    }

    /// Whether an edit of this field stays.
    fn stays(&self, pointer: &str) -> bool {
        self.edits == Edits::Leave || self.is_editable(pointer)
    }
}

impl Cluster {
    /// Applies an object as [`Cluster::apply`] does, with this for edits of it. Returns the object as it is afterwards; the API server
    /// has written it to etcd by then.
    pub fn apply_edited(&self, edited: &Edited<'_>) -> Result<Value, ClusterError> {
        let left = |object: &Value| self.apply(object);
        Self::leaving(edited, left, |name, object| self.patch_over(name, object, false))
    }

    /// How a live object compares to what [`Cluster::apply_edited`] would make of it. Changes nothing.
    pub fn compare_edited(&self, edited: &Edited<'_>) -> Result<Applied, ClusterError> {
        let overwritten =
            |name: &ObjectName, object: &Value| self.patch_over(name, object, true).map(|_| Applied::Different);
        Self::leaving(edited, |object| self.compare(object), overwritten)
    }

    /// Every field that another manager has set to another value than this object, and whether it stays. Changes nothing. An object
    /// that does not exist has none, and one that is not Landfall's is [`ClusterError::Foreign`].
    pub fn edits(&self, edited: &Edited<'_>) -> Result<Vec<FieldEdit>, ClusterError> {
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

    /// Does something with an object, without the fields whose edits stay.
    fn leaving<T>(
        edited: &Edited<'_>,
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
                // Items of lists move up when one before them is left out.
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
