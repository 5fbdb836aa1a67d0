//! Judge of arrived data for the slot: a separate process, or a test.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_peer::{MediumRelease, Problem};
use serde::{Deserialize, Serialize};

/// The arrived part of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct ArrivedBundle<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Bytes that an earlier check has passed; 0 before the first check.
    pub checked_bytes: u64,
    /// Total bytes of the bundle or delta, as announced by its sender.
    pub size_bytes: u64,
}

/// The site's use of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadUse {
    /// Nothing reads it.
    None,
    /// An open change reads it, or that is unknown.
    Open,
    /// Its release is installed, so it has been used.
    Over,
}

/// Result of judging arrived data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadVerdict {
    /// Bytes that need no further check.
    pub checked_bytes: u64,
    /// ID of the bundle, after its signatures were verified.
    pub bundle: Option<Sha256>,
    /// The release, after verification.
    pub release: Option<MediumRelease>,
    /// Reason of a refusal.
    pub problem: Option<Problem>,
}

/// Judges bundles as they arrive.
pub trait UploadJudge: Send + Sync {
    /// Judges the arrived data. An error means that the judgment failed and will be repeated, not that the bundle is
    /// bad.
    fn judge(&self, arrived: &ArrivedBundle<'_>) -> Result<UploadVerdict, Problem>;

    /// Returns the site's use of this upload.
    fn use_of(&self, path: &Path, bundle: Option<Sha256>) -> UploadUse;
}
