//! Releases that the site keeps, as far as pages show them.

use serde::Deserialize;

/// Output of `landfall releases`.
#[derive(Debug, Clone, Deserialize)]
pub struct Releases {
    pub releases: Vec<KeptRelease>,
    /// Difference between them.
    #[serde(default)]
    pub difference: Option<ReleaseDifference>,
}

/// Difference between two releases.
#[derive(Debug, Clone, Deserialize)]
pub struct ReleaseDifference {
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub components: Differences<String, String>,
    #[serde(default)]
    pub images: Differences<ImageState, ImageChange>,
}

/// Items only in the later release, only in the earlier one, and different in both.
#[derive(Debug, Clone, Deserialize)]
pub struct Differences<One, Change> {
    #[serde(default = "Vec::new")]
    pub added: Vec<One>,
    #[serde(default = "Vec::new")]
    pub removed: Vec<One>,
    #[serde(default = "Vec::new")]
    pub changed: Vec<Change>,
}

impl<One, Change> Default for Differences<One, Change> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<One, Change> Differences<One, Change> {
    /// Returns true if there is no difference.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// An image of a release.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageState {
    pub reference: String,
}

/// An image of both releases.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageChange {
    pub from: ImageState,
    pub to: ImageState,
}

/// A release that the site keeps.
#[derive(Debug, Clone, Deserialize)]
pub struct KeptRelease {
    pub name: String,
    pub version: String,
    pub counter: u64,
    pub bundle: String,
    pub installed: bool,
    #[serde(default)]
    pub notes: Option<String>,
}
