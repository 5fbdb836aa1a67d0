//! Removes after the commit all content that neither the new nor the previous release refers to, and the new release's
//! upload.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::node_images::NodeImages;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::content::{Content, NodeParts};
use landfall_site::uploads;

/// Parameters of the step: none. The operation pins the releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {}

impl Step<Site> for Collect {
    /// Only a walk through the store, which is the act itself, shows whether anything is left.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Partial("content that nothing refers to may be left".to_owned()))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let (node, own) = (site.node_context()?, site.releases.own.clone());
        let kept = [&own, site.releases.earlier()?];
        let packs: Vec<NodeParts<'_>> =
            kept.iter().map(|kept| NodeParts::of(&kept.release)).collect::<Result<_, _>>()?;
        let images: Vec<NodeImages> = packs.iter().map(NodeImages::of_pack).collect();
        NodeImages::keep_only(&node, &packs[0].id, images.iter())?;
        uploads::remove_used_upload(&node.host.paths, own.payload.verified_head().id())?;
        let collected = Content::of(kept).collect(&site.content, &node.host.paths.node())?;
        Ok(json!({"blobs": collected.blobs, "bytes": collected.bytes, "links": collected.links}))
    }

    /// A step after the commit is never undone.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
