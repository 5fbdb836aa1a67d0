//! Judge of arrived data for the slot: a separate process, or a test.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_peer::{MediumRelease, Problem};
use serde::{Deserialize, Serialize};

use crate::operations::ArrivedBundle;

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
