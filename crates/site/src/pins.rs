//! Pins of a site's journals, and the types of journals with these pins.

use std::path::PathBuf;

use landfall_bundle_spec::Sha256;
use landfall_documents::operation::Operation;
use landfall_documents::warning::AcceptedWarning;
use landfall_engine::journal::{self, OperationPins};
use landfall_engine::plan::StepId;
use serde::{Deserialize, Serialize};

use crate::configuration::{ResolvedValues, SiteConfiguration};
use crate::place::Place;

/// The journals of a site.
pub type JournalFolder = journal::JournalFolder<Pins>;
/// A journal, open for writing.
pub type Journal = journal::Journal<Pins>;
/// A journal that was read.
pub type Replay = journal::Replay<Pins>;
/// A record of a journal.
pub type Entry = journal::Entry<Pins>;
/// Content of a record.
pub type Event = journal::Event<Pins>;
/// State that results from a journal's records.
pub type State = journal::State<Pins>;

/// Everything to which an operation is pinned: record 0 of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Kind of the operation.
    pub operation: Operation,
    /// ID of the bundle.
    pub bundle: Sha256,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// The site's settings after the commit of the operation.
    pub settings: SiteConfiguration,
    /// SHA-256 of the `landfall` that planned. Only that program may resume.
    pub engine: Sha256,
    /// Source of first trust.
    pub trust: PinnedTrust,
    /// Path of the bundle.
    #[serde(rename = "media")]
    pub media_path: PathBuf,
    /// Place of the operation. The stored name is that of the only kind so far.
    #[serde(rename = "node")]
    pub place: Place,
    /// IDs of the plan's steps, in order.
    pub steps: Vec<StepId>,
    /// Number of steps that follow the commit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closing: usize,
    /// The plan, as the original JSON text.
    pub plan: String,
    /// Releases that the site keeps when the operation begins, the installed one first. An upgrade replaces that one,
    /// and its undo restores it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptRelease>,
    /// Warnings that were accepted before the release came to the site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedWarning>,
    /// Figures of models that were fitted to the host, by the names of the release's values.
    #[serde(default, skip_serializing_if = "ResolvedValues::is_empty")]
    pub fitted: ResolvedValues,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A release whose content a site keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRelease {
    /// ID of the bundle.
    pub bundle: Sha256,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// Trust by which its head was verified.
    pub trust: PinnedTrust,
}

impl From<&Pins> for KeptRelease {
    fn from(pins: &Pins) -> Self {
        Self {
            bundle: pins.bundle,
            release: pins.release.clone(),
            version: pins.version.clone(),
            counter: pins.counter,
            trust: pins.trust.clone(),
        }
    }
}

impl OperationPins for Pins {
    fn operation(&self) -> Operation {
        self.operation
    }

    fn steps(&self) -> &[StepId] {
        &self.steps
    }

    fn closing(&self) -> usize {
        self.closing
    }
}

/// Root of trust of an operation, with its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedTrust {
    /// Fingerprint of the last root document in the chain.
    pub fingerprint: Sha256,
    /// Number of the root document.
    pub number: u64,
    /// True if it is for development only.
    pub development: bool,
    /// Source of the trust with which the chain began: `file PATH` or `fingerprint on the command line`.
    #[serde(rename = "came")]
    pub source: String,
    /// The document itself, which later operations trust.
    pub root: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site may be resumed by the `landfall` that began, and read by a later one: names in its journal never change.
    #[test]
    fn first_journal_record_keeps_field_names() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let trust =
            serde_json::json!({"fingerprint": digest, "number": 1, "development": false, "came": "file", "root": "{}"});
        let stored = serde_json::json!({
            "operation": "install", "bundle": digest, "release": "starter", "version": "1.0.0", "counter": 7,
            "settings": {"node": {}, "network": {}, "values": {"postgres.memory": "2Gi"}}, "engine": digest,
            "trust": trust, "media": "/media/stick",
            "node": {"name": "node", "address": "192.0.2.1"}, "steps": ["stage"], "plan": "{}",
        });
        let pins: Pins = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(
            (pins.media_path.as_path(), pins.trust.source.as_str()),
            (std::path::Path::new("/media/stick"), "file")
        );
        assert_eq!(serde_json::to_value(&pins).unwrap(), stored);
    }
}
