//! Whoever judges what has arrived, for the slot: a process of its own, or a test.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_peer::{MediumRelease, Problem};
use serde::{Deserialize, Serialize};

use crate::operations::ArrivedBundle;

/// Whether an upload fits what the site does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadUse {
    /// Nothing reads it.
    None,
    /// An open change reads it, or it is not known whether one does.
    Open,
    /// Its release is installed: it has been used.
    Over,
}

/// What a judgment of what has arrived came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadVerdict {
    /// Bytes that need no further check.
    pub checked_bytes: u64,
    /// Id of the bundle, once its signatures were verified.
    pub bundle: Option<Sha256>,
    /// The release, once verified.
    pub release: Option<MediumRelease>,
    /// Why it is refused.
    pub problem: Option<Problem>,
}

/// Judges bundles as they arrive.
pub trait UploadJudge: Send + Sync {
    /// Judges what has arrived. An error says nothing of the bundle: the judgment failed, and is asked for again.
    fn judge(&self, arrived: &ArrivedBundle<'_>) -> Result<UploadVerdict, Problem>;

    /// Whether this upload fits what the site does.
    fn use_of(&self, path: &Path, bundle: Option<Sha256>) -> UploadUse;
}
