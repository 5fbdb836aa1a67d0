//! Folder of the upload: the bundle's file, whose name is fixed, and the record of its progress.
//!
//! Each piece is synced before it counts, and the record names the checked bytes. After a restart, only those count,
//! and the rest is sent again: later bytes may be anything.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_host::paths::SitePaths;
use landfall_media::durable::{self, DurableError};
use landfall_media::growing::GrowingFile;
use landfall_peer::MediumRelease;
use serde::{Deserialize, Serialize};

use super::error::{Result, UploadError};

/// Mode of the folder: only root may read it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

const BUNDLE: &str = "bundle.landfall";
const RECORD: &str = "upload.json";

/// Facts of an upload that survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    /// ID of the upload.
    pub(super) id: String,
    /// File name from the sender.
    pub(super) name: String,
    /// Bytes of the whole bundle, as announced.
    pub(super) size_bytes: u64,
    /// Account that began it.
    pub(super) by: String,
    /// Time of its start, RFC 3339 in UTC.
    pub(super) begun: String,
    /// Bytes that are on the disk and were checked.
    pub(super) checked_bytes: u64,
    /// ID of the bundle, after its signatures were verified.
    pub(super) bundle: Option<Sha256>,
    /// The release, after verification.
    pub(super) release: Option<MediumRelease>,
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct UploadFolder(PathBuf);

impl UploadFolder {
    pub(super) fn of(paths: &SitePaths) -> Self {
        Self(paths.uploads())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the bundle's file.
    pub(super) fn bundle(&self) -> PathBuf {
        self.0.join(BUNDLE)
    }

    /// Reads the stored upload. One that cannot be continued is removed.
    pub(super) fn load(&self) -> Option<UploadRecord> {
        let record = self.read();
        let length = self.bundle().metadata().map(|found| found.len()).ok();
        let is_sound = |record: &UploadRecord| length.is_some_and(|length| record.checked_bytes <= length);
        let sound = record.filter(is_sound);
        if sound.is_none() && self.0.exists() {
            tracing::warn!("an upload cannot be continued, and is removed");
            self.clear().unwrap_or_else(|error| tracing::warn!(%error, "the folder of uploads stays"));
        }
        sound
    }

    fn read(&self) -> Option<UploadRecord> {
        serde_json::from_slice(&fs_err::read(self.0.join(RECORD)).ok()?).ok()
    }

    /// Creates the folder with an empty file and its record. On the disk on return.
    pub(super) fn begin(&self, record: &UploadRecord) -> Result<GrowingFile> {
        self.clear()?;
        durable::create_folder_with_mode(&self.0, FOLDER_MODE)?;
        let file = GrowingFile::create(&self.bundle())?;
        self.write(record)?;
        Ok(file)
    }

    /// Writes the record. On the disk on return.
    pub(super) fn write(&self, record: &UploadRecord) -> Result<()> {
        let bytes = serde_json::to_vec(record).map_err(|error| UploadError::Media(unwritable(&error)))?;
        Ok(durable::write_file(&self.0.join(RECORD), &bytes, FILE_MODE)?)
    }

    /// Removes the folder with its contents.
    pub(super) fn clear(&self) -> Result<(), DurableError> {
        durable::remove_tree(&self.0)
    }

    /// Returns the time when the last piece arrived, by the host's clock.
    pub(super) fn last_arrival(&self) -> Timestamp {
        let modified = self.bundle().metadata().and_then(|found| found.modified()).ok();
        modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn unwritable(error: &serde_json::Error) -> landfall_media::MediaError {
    landfall_media::MediaError::Bug(format!("the record of an upload has no JSON: {error}"))
}

/// Removes any upload and its folder.
pub fn remove_upload(paths: &SitePaths) -> Result<(), DurableError> {
    UploadFolder::of(paths).clear()
}

/// Removes the upload of this bundle, which has been used. Another one stays.
pub fn remove_used_upload(paths: &SitePaths, bundle: Sha256) -> Result<(), DurableError> {
    let folder = UploadFolder::of(paths);
    if folder.read().is_some_and(|record| record.bundle == Some(bundle)) { folder.clear() } else { Ok(()) }
}
