//! Files of an artifact, placed for pods to mount read-only: hard links into the content store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_site::content::{PlacedFile, observe_placed, place_all};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFiles {
    /// Name of the artifact and of its folder.
    pub artifact: String,
    /// The files.
    pub files: Vec<PlacedFile>,
    /// True if they are programs of Landfall that the host runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

impl ArtifactFiles {
    fn folder(&self, context: &ComponentContext) -> PathBuf {
        context.content.files().join(&self.artifact)
    }
}

impl Step<ComponentContext> for ArtifactFiles {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        Ok(observe_placed(&context.content, &self.folder(context), &self.files))
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        let folder = self.folder(context);
        let mode = if self.executable { 0o555 } else { 0o444 };
        place_all(&context.content, &*context.progress, &self.files, &folder, mode)?;
        Ok(json!({ "folder": folder }))
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        landfall_host::mounts::remove_tree(&self.folder(context))?;
        files::remove_folder_if_empty(&context.content.files())
    }
}
