//! Checks for the programs that give GPUs to containers, in the node pack of a release with a device plugin.

use landfall_error_codes::codes;
use landfall_release_document::{ArtifactEntry, GPU_TOOLS, NodePack, ReleaseDocument};

use crate::definition::Definition;
use crate::error::{BuildError, Result};

/// Returns an error for a release with a device plugin whose node pack lacks one of the programs.
pub fn check(definition: &Definition, release: &ReleaseDocument) -> Result<()> {
    let plugin = release.requirements.gpu_plugin();
    let (Some(gpus), Some(_), Some(pack)) = (&definition.release.requirements.gpus, plugin, release.node_packs.last())
    else {
        return Ok(());
    };
    let missing: Vec<&str> = GPU_TOOLS.into_iter().filter(|tool| !has(pack, &release.artifacts, tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("no artifact of the node pack {} has {}", pack.kubernetes, missing.join(" or "));
    Err(BuildError::at(codes::GPU_TOOLS_MISSING, definition.place(gpus, "requirements.gpus"), what))
}

/// Returns true if an artifact of the pack has a file or link with this name, which a site places into the pack's
/// folder of programs.
fn has(pack: &NodePack, artifacts: &[ArtifactEntry], tool: &str) -> bool {
    let of_pack = artifacts.iter().filter(|artifact| pack.artifacts.contains(&artifact.name));
    let mut files = of_pack.flat_map(|artifact| &artifact.files);
    files.any(|file| file.path == tool || file.links.iter().any(|link| link == tool))
}
