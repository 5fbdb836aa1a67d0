//! Checks for sufficient disk space, once sizes are known and before hours of fetching and writing.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use landfall_bundle_spec::file_bytes;
use landfall_media::MediaError;
use landfall_media::store::ContentStore;
use landfall_release_document::DataRoom;
use schemars::JsonSchema;
use serde::Serialize;

use super::output::existing_parent;
use crate::definition::Release;
use crate::error::Result;
use crate::fetch::Manifests;
use crate::options::BuildOutput;

/// Space that a release needs in a site's data folder. A site's preflight requires this sum in addition to the space
/// that Kubernetes keeps free. Landfall computes all parts except the bytes of running software, which
/// `requirements.data` of the release states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteRoom {
    /// Bytes of all staged content.
    pub bundle_bytes: u64,
    /// Bytes of unpacked image layers.
    pub unpacked_bytes: u64,
    /// Bytes that unpacking needs temporarily.
    pub unpacking_bytes: u64,
    /// Bytes for data that running software writes.
    pub data_bytes: u64,
    /// Sum of these parts, in bytes.
    pub total_bytes: u64,
}

impl From<DataRoom> for SiteRoom {
    fn from(room: DataRoom) -> Self {
        let DataRoom { staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes } = room;
        let total_bytes = room.total_bytes();
        Self { bundle_bytes: staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes, total_bytes }
    }
}

/// Space that is needed in one folder.
struct NeededSpace<'a> {
    folder: &'a Path,
    bytes: u64,
}

/// Returns an error if the store lacks space for the missing content, or the output for the bundle.
///
/// If the output has a bundle of this release, that bundle may be kept: the space is then checked later.
pub fn check(
    release: &Release,
    manifests: &Manifests,
    store: &ContentStore,
    installer: u64,
    output: &BuildOutput<'_>,
) -> Result<()> {
    let missing = total(manifests.blobs().filter(|blob| !store.contains(blob.digest)).map(|blob| blob.size));
    let mut wanted = vec![NeededSpace { folder: store.root(), bytes: missing }];
    if let BuildOutput::Folder { path, .. } = output
        && !has_bundle(path, release)
    {
        let bytes = total(manifests.travelling().map(|blob| blob.size).chain([installer]).map(file_bytes));
        wanted.push(NeededSpace { folder: path, bytes });
    }
    let device = |folder: &Path| existing_parent(folder).metadata().ok().map(|found| found.dev());
    for (index, one) in wanted.iter().enumerate() {
        let same = wanted.iter().filter(|other| device(other.folder) == device(one.folder));
        let needed = if index == 0 { one.bytes } else { total(same.map(|other| other.bytes)) };
        check_folder(one.folder, needed)?;
    }
    Ok(())
}

/// Sum of sizes that a registry states. On overflow, the result still exceeds any free space.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

fn check_folder(folder: &Path, needed: u64) -> Result<()> {
    let Ok(status) = rustix::fs::statvfs(existing_parent(folder)) else { return Ok(()) };
    let available = status.f_bavail.saturating_mul(status.f_frsize);
    if available < needed {
        return Err(MediaError::NoSpace { folder: folder.to_owned(), needed, available }.into());
    }
    Ok(())
}

fn has_bundle(folder: &Path, release: &Release) -> bool {
    let begin = format!("{}-{}-", release.name.value, release.version.value);
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    entries.any(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin)))
}
