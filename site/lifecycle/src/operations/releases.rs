//! The releases that a site keeps: the installed one, and those to which it can go back without media.

use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::Result;

/// A release that the site keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptReleaseStatus {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Counter.
    pub counter: u64,
    /// Id of its bundle.
    pub bundle: String,
    /// Whether it is the installed one.
    pub installed: bool,
}

impl Operations {
    /// The releases that the site keeps, the installed one first; none on a machine without a site. Changes nothing.
    pub fn releases(&self) -> Result<Vec<KeptReleaseStatus>> {
        let kept = self.history()?.kept();
        let described = kept.into_iter().enumerate().map(|(index, kept)| KeptReleaseStatus {
            name: kept.release,
            version: kept.version,
            counter: kept.counter,
            bundle: kept.bundle.to_string(),
            installed: index == 0,
        });
        Ok(described.collect())
    }
}
