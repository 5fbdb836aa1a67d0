//! Releases of an operation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::Payload;
use landfall_media::counters::IoCounters;
use landfall_release_document::ReleaseDocument;

/// A release whose head the site stores.
#[derive(Debug, Clone)]
pub struct SiteRelease {
    /// First 12 hexadecimal digits of the bundle's ID, which name the release's folder.
    pub bundle: String,
    /// Its document.
    pub release: Arc<ReleaseDocument>,
    /// Small documents of the verified head, by name: rendered objects, schema and the like.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// The verified head, which lists the staged content.
    pub payload: Payload,
}

/// The release of an operation, and those that the site keeps.
#[derive(Debug, Clone)]
pub struct Releases {
    /// The release of the operation.
    pub own: SiteRelease,
    /// Releases that the site keeps when the operation begins, the installed one first.
    pub kept: Vec<SiteRelease>,
}

impl Releases {
    /// Returns the release that was installed when the operation began.
    pub fn earlier(&self) -> Result<&SiteRelease, StepError> {
        self.kept.first().ok_or_else(|| StepError::new(codes::BUG, "the operation keeps no earlier release"))
    }

    /// Returns the same releases with the one that was installed when the operation began as the operation's own.
    pub fn as_they_were(&self) -> Result<Self, StepError> {
        Ok(Self { own: self.earlier()?.clone(), kept: self.kept.clone() })
    }
}

/// Media from which an operation's release is staged.
#[derive(Debug, Clone)]
pub struct Medium {
    /// Path of the bundle.
    pub path: PathBuf,
    /// Counters of the bytes that staging moved.
    pub io: IoCounters,
}
