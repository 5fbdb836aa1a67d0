//! Edits that a change overwrote or deleted, restored during the undo.

use std::fmt;

use http::Method;
use serde_json::{Value, json};

use super::connection::Call;
use super::fields::{pointer_of, set_operations};
use super::{Cluster, ClusterError, EditableObject, Edits, FieldEdit, ObjectName};

/// An edit that a change removed.
#[derive(Debug, Clone, Copy)]
pub struct LostEdit<'a> {
    /// The object.
    pub name: &'a ObjectName,
    /// The object as the undo applied it; `None` if that release has no such object.
    pub applied: Option<&'a Value>,
    /// The edit, as it was before the change.
    pub edit: &'a FieldEdit,
}

/// Outcome for a lost edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// The field has its value from before the change.
    Made,
    /// The value is secret or was not found, so it was not kept.
    ValueUnknown,
    /// The object is missing.
    ObjectMissing,
    /// Another manager has set the field since then; its value is kept.
    EditedSince,
    /// The parent of the field is missing.
    PlaceMissing,
}

impl fmt::Display for RestoreOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Made => "it is as it was before",
            Self::ValueUnknown => "its value was not kept",
            Self::ObjectMissing => "the object is missing",
            Self::EditedSince => "it has been set again",
            Self::PlaceMissing => "its parent field is missing",
        })
    }
}

impl Cluster {
    /// Restores an edit under its manager's name, unless another manager has set the field since then. On
    /// [`RestoreOutcome::Made`], the API server has written it to etcd.
    pub fn restore_edit(&self, lost: &LostEdit<'_>) -> Result<RestoreOutcome, ClusterError> {
        let LostEdit { name, edit, .. } = lost;
        let Some(value) = &edit.now else { return Ok(RestoreOutcome::ValueUnknown) };
        let Some(live) = self.get(name)? else { return Ok(RestoreOutcome::ObjectMissing) };
        let found = pointer_of(&live, &edit.field);
        let now = found.as_ref().and_then(|pointer| live.pointer(pointer));
        if now == Some(value) {
            return Ok(RestoreOutcome::Made);
        }
        if now.is_some() && !self.is_as_applied(lost)? {
            return Ok(RestoreOutcome::EditedSince);
        }
        let Some(pointer) = found.or_else(|| edit.pointer.clone()) else { return Ok(RestoreOutcome::PlaceMissing) };
        let what = format!("{} of {name}", edit.field);
        let is_safe = |found: char| found.is_ascii_alphanumeric() || "-_.".contains(found);
        let manager = edit.manager.replace(|found: char| !is_safe(found), "-");
        let call = Call {
            method: Method::PATCH,
            path: format!("{}?fieldManager={manager}&fieldValidation=Strict", self.path(name)?),
            content_type: "application/json-patch+json",
            body: json!(set_operations(&live, &pointer, value)).to_string().into_bytes(),
            verb: "restore",
            what: &what,
        };
        self.call(&call).map(|_| RestoreOutcome::Made)
    }

    /// Returns true if the field is as the undo applied it. The API server compares, because it recognizes equal values
    /// in other forms.
    fn is_as_applied(&self, lost: &LostEdit<'_>) -> Result<bool, ClusterError> {
        let Some(applied) = lost.applied.filter(|applied| pointer_of(applied, &lost.edit.field).is_some()) else {
            return Ok(false);
        };
        let found = self.edits(&EditableObject { object: applied, editable: &[], edits: Edits::Leave })?;
        let field = &lost.edit.field;
        let is_of = |other: &str| field.starts_with(other) || other.starts_with(field.as_str());
        Ok(!found.iter().any(|edit| is_of(&edit.field)))
    }
}
