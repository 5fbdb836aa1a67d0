//! `landfall-gpu` as an artifact of a release that needs GPUs. It calls NVIDIA's library, which a static program cannot
//! load. At a site, `landfall` runs it from the artifact's files. No registry needs to hold it.

use std::path::Path;

use landfall_bundle_spec::{Sha256, to_canonical};
use landfall_error_codes::codes;
use landfall_media::store::ContentStore;
use landfall_release_document::{ArtifactEntry, ArtifactFile, ArtifactKind, Descriptor, GPU_ARTIFACT, GPU_REPOSITORY};
use serde_json::json;

use crate::definition::Definition;
use crate::error::{BuildError, Place, Result};
use crate::executables::check_gpu_program;
use crate::files::TITLE;
use crate::manifest::OCI_MANIFEST;

/// File name of the program, next to `landfall`.
pub const GPU_PROGRAM: &str = "landfall-gpu";

/// License of Landfall's own programs.
pub const OWN_LICENSE: &str = "Apache-2.0";

const ARTIFACT: &str = "application/vnd.landfall.files.v1";
const FILE: &str = "application/vnd.landfall.file.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The artifact in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuProgram {
    /// Its entry in the release document.
    pub entry: ArtifactEntry,
    /// SHA-256 of the program.
    pub program: Sha256,
}

/// Creates the artifact if the release needs GPUs, unless it has an artifact with this name. On return, manifest,
/// configuration and program are in the store and synced to disk. The same program gives the same artifact.
pub fn make(definition: &Definition, program: &Path, store: &ContentStore) -> Result<Option<GpuProgram>> {
    let release = &definition.release;
    let is_brought = release.artifacts.iter().any(|artifact| artifact.name.value == GPU_ARTIFACT);
    if release.requirements.gpus.is_none() || is_brought {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| {
        let what = "the program that reads facts about GPUs cannot be read";
        let hint = format!("Put `{GPU_PROGRAM}` beside `landfall`, or name its path with --gpu-program.");
        BuildError::at(codes::TOOL_MISSING, Place::file(program), what).because(error).hint(hint)
    };
    let bytes = fs_err::read(program).map_err(unreadable)?;
    let unfit = |error: BuildError| error.hint("Name a `landfall-gpu` for the release's platform with --gpu-program.");
    check_gpu_program(program, &release.platform.value).map_err(unfit)?;
    artifact(&bytes, store).map(Some)
}

fn artifact(bytes: &[u8], store: &ContentStore) -> Result<GpuProgram> {
    let file = store.ingest_bytes(bytes)?;
    let config = store.ingest_bytes(b"{}")?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT,
        "config": { "mediaType": EMPTY, "digest": config.sha256, "size": config.size },
        "layers": [{
            "mediaType": FILE, "digest": file.sha256, "size": file.size, "annotations": { TITLE: GPU_PROGRAM },
        }],
    });
    let manifest = store.ingest_bytes(&to_canonical(GPU_REPOSITORY, &manifest)?)?;
    let descriptor =
        |media_type: &str, digest: Sha256, size: u64| Descriptor { media_type: media_type.to_owned(), digest, size };
    let entry = ArtifactEntry {
        name: GPU_ARTIFACT.to_owned(),
        kind: ArtifactKind::Files,
        // The tag contains the program's digest, because two programs may have the same version.
        reference: format!("{GPU_REPOSITORY}:{}-{}", env!("CARGO_PKG_VERSION"), &file.sha256.to_hex()[..12]),
        manifest: descriptor(OCI_MANIFEST, manifest.sha256, manifest.size),
        config: descriptor(EMPTY, config.sha256, config.size),
        files: vec![ArtifactFile {
            path: GPU_PROGRAM.to_owned(),
            blob: descriptor(FILE, file.sha256, file.size),
            links: Vec::new(),
        }],
    };
    Ok(GpuProgram { entry, program: file.sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_depends_on_program_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = |store: &str, bytes: &[u8]| {
            let store = ContentStore::at(folder.path().join(store));
            let made = artifact(bytes, &store).unwrap();
            let ArtifactEntry { manifest, config, files, .. } = &made.entry;
            assert!([manifest, config, &files[0].blob].into_iter().all(|blob| store.contains(blob.digest)));
            assert_eq!((made.program, files[0].path.as_str()), (Sha256::of(bytes), GPU_PROGRAM));
            made
        };
        let first = made("one", b"program");
        assert_eq!(made("two", b"program"), first);
        let other = made("one", b"other");
        assert_ne!(
            (other.entry.manifest.digest, &other.entry.reference),
            (first.entry.manifest.digest, &first.entry.reference)
        );
    }
}
