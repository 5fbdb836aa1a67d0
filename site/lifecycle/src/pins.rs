//! What a site's journals pin, and the journal's types with it.

use std::path::PathBuf;

use landfall_bundle_spec::Sha256;
use landfall_engine::journal::{self, Pinned};
use landfall_engine::plan::{Operation, StepId};
use landfall_host::node::NodeIdentity;
use serde::{Deserialize, Serialize};

use crate::configuration::{ResolvedValues, SiteConfiguration};
use crate::preflight::AcceptedWarning;

/// The journals of a site.
pub type JournalFolder = journal::JournalFolder<Pins>;
/// One of them, held for writing.
pub type Journal = journal::Journal<Pins>;
/// One of them, read.
pub type Replay = journal::Replay<Pins>;
/// One of its records.
pub type Entry = journal::Entry<Pins>;
/// What a record holds.
pub type Event = journal::Event<Pins>;
/// The state that its records result in.
pub type State = journal::State<Pins>;

/// Everything an operation is pinned to: record 0 of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// What the operation does.
    pub operation: Operation,
    /// Id of the bundle.
    pub bundle: Sha256,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// The site's settings once the operation is committed.
    pub settings: SiteConfiguration,
    /// SHA-256 of the `landfall` that planned; only that one may resume.
    pub engine: Sha256,
    /// Where first trust came from.
    pub trust: PinnedTrust,
    /// Where the bundle was found.
    #[serde(rename = "media")]
    pub media_path: PathBuf,
    /// The host's name and address in its cluster.
    pub node: NodeIdentity,
    /// Ids of the plan's steps, in order.
    pub steps: Vec<StepId>,
    /// How many of them follow the commit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closing: usize,
    /// The plan, as the very JSON text that was planned.
    pub plan: String,
    /// The releases that the site keeps when the operation begins, the installed one first: an upgrade leaves that one, and
    /// goes back to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptRelease>,
    /// The warnings that were accepted before the release came to the site.
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
    /// Id of the bundle.
    pub bundle: Sha256,
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// What its head was verified with.
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

impl Pinned for Pins {
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

/// The root of trust of an operation, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedTrust {
    /// Fingerprint of the root document that the chain ended at.
    pub fingerprint: Sha256,
    /// Its number.
    pub number: u64,
    /// Whether it is for development only.
    pub development: bool,
    /// Where the trust that the chain began with came from: `file PATH` or `fingerprint on the command line`.
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
    fn the_first_record_of_a_journal_keeps_its_names() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let trust =
            serde_json::json!({"fingerprint": digest, "number": 1, "development": false, "came": "file", "root": "{}"});
        let stored = serde_json::json!({
            "operation": "install", "bundle": digest, "release": "starter", "version": "1.0.0", "counter": 7,
            "settings": {"node": {}, "network": {}, "values": {"postgres.memory": "2Gi"}}, "engine": digest, "trust": trust, "media": "/media/stick",
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
