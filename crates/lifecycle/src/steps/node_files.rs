//! Programs of the node pack: hard links into the content store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;
use landfall_site::content::{NodeParts, PlacedFile, observe_placed, place_all};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFiles {
    /// Pack that names the folder.
    pub pack: PackId,
    /// The programs.
    pub files: Vec<PlacedFile>,
}

impl NodeFiles {
    fn folder(&self, context: &NodeContext) -> PathBuf {
        context.host.paths.node_programs(&self.pack)
    }
}

impl Step<NodeContext> for NodeFiles {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(observe_placed(&context.content, &self.folder(context), &self.files))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        place_all(&context.content, &*context.progress, &self.files, &self.folder(context), 0o755)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        // The other release of a change keeps its own pack.
        let kept =
            context.releases.kept.iter().map(|kept| NodeParts::of(&kept.release)).collect::<Result<Vec<_>, _>>()?;
        if context.undo.removing_cluster || kept.iter().all(|kept| kept.id != self.pack) {
            landfall_host::mounts::remove_tree(&context.host.paths.node_pack(&self.pack))?;
        }
        files::remove_folder_if_empty(&context.host.paths.node())
    }
}
