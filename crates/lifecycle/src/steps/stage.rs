//! The first step that writes: copies every blob of the bundle from the media to its final place in the data folder.
//! Each chunk is verified before it is written, in one pass. Nothing else on the host changes before the last chunk has
//! passed.
//!
//! After damage, good blobs stay, and the same step continues with the missing ones. Afterwards, the media may be
//! disconnected.

use std::io::Read;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::blobs::Place;
use landfall_error_codes::{CodedError, ExitClass, codes, remedy};
use landfall_media::bundle::BundleMedia;
use landfall_media::counters::Counters;
use landfall_media::progress::Event;
use landfall_media::stage::{check_held, stage};
use landfall_media::store::ContentStore;
use landfall_media::{MediaError, Payload, durable};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::paths::SitePaths;
use landfall_site::choice::locate_for_host;
use landfall_site::content::PlacedFile;

/// Name of the release's own installer, in the release's folder.
pub const INSTALLER_NAME: &str = "landfall";

/// Parameters of the step: none. It stages the bundle to which the operation is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {}

/// Finds the bundle at `path` with all its parts. Fails if its head is not the verified one.
pub fn find_media(path: &Path, payload: &Payload, counters: Counters) -> Result<BundleMedia, StepError> {
    let located = locate_for_host(path, &counters).map_err(|error| absent(path, error))?;
    let wanted = payload.verified_head().head_bytes();
    let mut found = Vec::with_capacity(wanted.len());
    located.head().map_err(|error| absent(path, error))?.take(wanted.len() as u64).read_to_end(&mut found).map_err(
        |error| {
            StepError::new(codes::MEDIA_IO, format!("cannot read {}", located.head_path().display())).because(error)
        },
    )?;
    if found != wanted {
        let name = payload.verified_head().bundle_name();
        let what = format!("{} is not the head of {}", located.head_path().display(), name.stem());
        return Err(StepError::new(codes::OTHER_BUNDLE, what));
    }
    let failed = |error: MediaError| {
        let what = format!("the bundle at {} cannot be used", path.display());
        StepError::new(error.code(), what).hint(way(&error, path)).because(error)
    };
    located.assemble(payload.clone(), counters).map_err(failed)
}

/// Fails unless [`find_media`] finds the bundle, or a delta that leaves out only what this site holds.
pub fn check_media(paths: &SitePaths, path: &Path, payload: &Payload, counters: Counters) -> Result<(), StepError> {
    let media = find_media(path, payload, counters)?;
    check_held(&media, &ContentStore::at(paths.registry())).map_err(|error| {
        let what = format!("the delta at {} cannot be used here", path.display());
        StepError::new(error.code(), what).because(error)
    })
}

fn absent(path: &Path, error: MediaError) -> StepError {
    let hint = "Connect the stick, or name its current path. If it was connected again, run `umount --lazy` for its \
        old mount, and mount it again.";
    StepError::new(error.code(), format!("the bundle is not at {}", path.display())).because(error).hint(hint)
}

/// Returns a person's next step for unusable media.
fn way(error: &MediaError, media_path: &Path) -> String {
    match (error.code().class, error.hint()) {
        (ExitClass::Refused, _) => "Bring a good copy of the bundle.".to_owned(),
        (_, Some(hint)) => hint,
        // A reconnected stick is a new device to the kernel, and its old mount looks empty.
        (_, None) if error.code() == codes::MEDIA_IO => format!(
            "Check the media of {0}. If they were disconnected, connect them again, run `umount --lazy` for their old \
             mount, and mount them again.",
            media_path.display()
        ),
        // Repeating the original command would be refused.
        (_, None) => remedy(error.code().fix).unwrap_or_else(|| error.code().fix.to_owned()),
    }
}

/// Adds hints to an error: how to continue the started operation, and how to undo it.
fn in_staging(error: StepError, undo: &str) -> StepError {
    let hint = CodedError::hint(&error).unwrap_or_else(|| error.code().fix.to_owned());
    error.hint(format!(
        "{hint} Staged data is good and stays: continue with `landfall resume`, with `--bundle PATH` if the bundle is \
         in another place now, or undo it with `{undo}`."
    ))
}

/// Copies the missing blobs of the operation's release. `undo` is the command that undoes the operation, for errors.
pub(super) fn copy(site: &Site, undo: &str) -> Result<Value, StepError> {
    let media_path = site.medium.path.clone();
    let media = find_media(&media_path, &site.releases.own.payload, site.medium.io.media.clone());
    let media = media.map_err(|error| in_staging(error, undo))?;
    let failed = |error: MediaError| {
        let staging = StepError::new(error.code(), "the bundle was not fully staged").hint(way(&error, &media_path));
        in_staging(staging.because(error), undo)
    };
    let copied = stage(&media, &store(site), &*site.progress).map_err(failed)?;
    installer(site)?.place(&site.content, &*site.progress, &release_folder(site)?, 0o755)?;
    site.progress.event(Event::SafeToRemove);
    Ok(json!({
        "blobs": copied.blobs,
        "bytes": copied.bytes,
        "present_bytes": copied.present_bytes,
        "media_read_bytes": site.medium.io.media.totals().read_bytes,
        "store_read_bytes": site.medium.io.store.totals().read_bytes,
        "store_written_bytes": site.medium.io.store.totals().written_bytes,
    }))
}

fn store(site: &Site) -> ContentStore {
    site.content.counted_store()
}

/// Returns the installer of the release. It runs the agent and every later operation of this release.
fn installer(site: &Site) -> Result<PlacedFile, StepError> {
    let blobs = site.releases.own.payload.blobs();
    let entry = blobs.iter().find(|blob| blob.place == Some(Place::Installer));
    let entry = entry.ok_or_else(|| StepError::new(codes::BUG, "the bundle carries no landfall"))?;
    Ok(PlacedFile { path: INSTALLER_NAME.to_owned(), blob: entry.sha256, size: entry.size, links: Vec::new() })
}

fn release_folder(site: &Site) -> Result<PathBuf, StepError> {
    Ok(site.hosts.only()?.paths.release(&site.releases.own.bundle))
}

impl Step<Site> for Stage {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let store = store(site);
        let blobs = site.releases.own.payload.blobs();
        let there = (0..blobs.len()).filter(|blob| store.holds(&site.releases.own.payload, *blob)).count();
        Ok(match there {
            _ if there < blobs.len() && there > 0 => {
                ObservedState::Partial(format!("{there} of {} blobs are staged", blobs.len()))
            }
            0 if !store.root().exists() => ObservedState::Absent,
            0 => ObservedState::Partial("staging has begun".to_owned()),
            _ if installer(site)?.is_placed(&site.content, &release_folder(site)?) => ObservedState::Done,
            _ => ObservedState::Partial("the release's installer is not in place".to_owned()),
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        copy(site, "landfall uninstall")
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        durable::remove_file(&release_folder(site)?.join(INSTALLER_NAME))?;
        landfall_host::mounts::remove_tree(&site.content.folder())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn media_error(operation: &'static str, path: &Path, source: io::Error) -> MediaError {
        MediaError::Io { operation, path: path.to_owned(), source }
    }

    #[test]
    fn staging_errors_hint_at_resume() {
        let media_path = Path::new("/media/stick");
        let full = || media_error("write", Path::new("/var/lib/landfall"), io::Error::from_raw_os_error(28));
        let broken = || media_error("read", media_path, io::Error::other("it broke"));
        for error in [full(), broken()] {
            let way = way(&error, media_path);
            let error = in_staging(
                StepError::new(error.code(), "the bundle was not fully staged").hint(way),
                "landfall uninstall",
            );
            let hint = CodedError::hint(&error).unwrap();
            assert!(hint.contains("continue with `landfall resume`"), "{hint}");
            assert!(!hint.contains("same command"), "{hint}");
        }
        assert_eq!(full().code(), codes::NO_SPACE);
    }

    #[test]
    fn reconnected_stick_needs_new_mount() {
        for hint in [
            CodedError::hint(&absent(Path::new("/media/stick"), MediaError::Bug("nothing there".to_owned()))).unwrap(),
            way(
                &media_error("read", Path::new("/media/stick/1"), io::Error::other("it broke")),
                Path::new("/media/stick"),
            ),
        ] {
            assert!(hint.contains("`umount --lazy`"), "{hint}");
        }
    }
}
