//! A backup's description of itself: its streams and their rules.

use std::io::Read;

use landfall_backup::{OpenBackup, StreamName};
use landfall_cluster::Cluster;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::progress::Progress;
use landfall_release_document::{BackupRule, ReleaseDocument};
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{ETCD, OBJECTS, SavedCluster};
use super::error::unusable;
use super::singly::FailedStreams;
use crate::pods::object_name;

/// Schema number of the manifest.
const SCHEMA: u32 = 1;

/// Document with the manifest. Components' names have no capital letters.
const DOCUMENT: &str = "LANDFALL/manifest.json";

/// Maximum size of a manifest in bytes, far above the rules of a release.
const LARGEST_BYTES: u64 = 16 << 20;

/// Length of the random word that marks a backup.
const WORD_LENGTH: usize = 24;

/// First document of every backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema: u32,
    /// Name of the release.
    pub release: String,
    /// Its version.
    pub version: String,
    /// Streams, in the order of the release's components.
    pub streams: Vec<SavedStream>,
    /// The backup's cluster data; `None` in backups of an earlier `landfall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<SavedCluster>,
}

/// One stream of a backup, with everything for loading and checking it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedStream {
    /// Component.
    pub component: String,
    /// Its namespace.
    pub namespace: String,
    /// Seconds until its workload counts as failed if it is not ready.
    pub ready_seconds: u64,
    /// The rule.
    pub rule: BackupRule,
    /// Marker's word that was written into the data, if the rule has a marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Link that the log backups of this stream follow, if its log is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The workload as it was in the cluster.
    pub workload: Value,
}

impl SavedStream {
    /// Returns its name within the backup: `COMPONENT/RULE`.
    pub fn name(&self) -> String {
        self.rule.stream(&self.component)
    }

    /// Returns its name in the repository.
    pub(crate) fn stream_name(&self) -> Result<StreamName, StepError> {
        self.name().parse().map_err(unusable)
    }
}

/// Returns true if a release declares any backup rules.
pub fn has_rules(release: &ReleaseDocument) -> bool {
    release.components.iter().any(|component| !component.backup.is_empty())
}

impl Manifest {
    /// Creates the manifest of a new backup of a site with this release. A stream whose workload does not exist has
    /// failed.
    pub(super) fn new(
        release: &ReleaseDocument,
        cluster: &Cluster,
        failed: &FailedStreams,
        progress: &dyn Progress,
    ) -> Result<Self, StepError> {
        let mut streams = Vec::new();
        for component in &release.components {
            for rule in &component.backup {
                let workload = object_name(&component.namespace, &rule.workload);
                let Some(found) = cluster.get(&workload)? else {
                    let missing = StepError::new(codes::BACKUP_POD, format!("{workload} does not exist"));
                    failed.note(&rule.stream(&component.name), missing, progress)?;
                    continue;
                };
                streams.push(SavedStream {
                    component: component.name.clone(),
                    namespace: component.namespace.clone(),
                    ready_seconds: component.ready_seconds,
                    word: rule.marker.as_ref().map(|_| word()),
                    link: None,
                    rule: rule.clone(),
                    workload: strip_live_fields(found),
                });
            }
        }
        let (release, version) = (release.name.clone(), release.version.clone());
        Ok(Self { schema: SCHEMA, release, version, streams, cluster: None })
    }

    /// Reads the manifest of a backup.
    pub fn read(backup: &OpenBackup) -> Result<Self, StepError> {
        let unknown = |what: String| StepError::new(codes::BACKUP_DAMAGED, what);
        let name: StreamName = DOCUMENT.parse().map_err(unusable)?;
        let mut bytes = Vec::new();
        let read = backup.read(&name).map_err(unusable)?.take(LARGEST_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| unknown(format!("{DOCUMENT} cannot be read")).because(error))?;
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| unknown(format!("{DOCUMENT} cannot be understood")).because(error))?;
        if manifest.schema != SCHEMA {
            return Err(unknown(format!("{DOCUMENT} has schema {}, not {SCHEMA}", manifest.schema)));
        }
        Ok(manifest)
    }

    /// Fails if the backup is of another release, because only the software that wrote data certainly reads it.
    pub fn refuse_other(&self, installed: &ReleaseDocument) -> Result<(), StepError> {
        if (&self.release, &self.version) == (&installed.name, &installed.version) {
            return Ok(());
        }
        let what = format!(
            "the backup is of {} {}, and {} {} is installed",
            self.release, self.version, installed.name, installed.version
        );
        Err(StepError::new(codes::RESTORE_OTHER_VERSION, what))
    }

    /// Returns the manifest of a backup without these streams.
    pub(super) fn without(&self, failed: &FailedStreams) -> Self {
        let mut left = self.clone();
        left.streams.retain(|saved| !failed.has(&saved.name()));
        left.cluster = left.cluster.filter(|_| !failed.has(OBJECTS));
        if let Some(cluster) = left.cluster.as_mut().filter(|_| failed.has(ETCD)) {
            cluster.etcd = None;
        }
        left
    }

    /// Returns the manifest as a document of a backup.
    pub(super) fn document(&self) -> Result<Vec<u8>, StepError> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| StepError::new(codes::BUG, "the manifest of a backup cannot be written").because(error))
    }

    /// Returns the name of that document.
    pub(super) fn stream_name() -> Result<StreamName, StepError> {
        DOCUMENT.parse().map_err(unusable)
    }
}

/// Returns the parts of a live object that a later pod needs, without its status.
fn strip_live_fields(mut workload: Value) -> Value {
    if let Value::Object(fields) = &mut workload {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = workload.get_mut("metadata") {
        metadata.retain(|field, _| ["name", "namespace", "labels"].contains(&field.as_str()));
    }
    workload
}

/// Returns a random word of lower-case letters and digits, which need no quoting in any shell.
pub(super) fn word() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), WORD_LENGTH).to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn random_words_are_shell_safe() {
        let (one, other) = (word(), word());
        assert_ne!(one, other);
        assert!(one.len() == WORD_LENGTH && one.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let stream = json!({
            "component": "db", "namespace": "db", "readySeconds": 60, "workload": {},
            "rule": {"name": "rows", "workload": {"kind": "StatefulSet", "name": "db"}, "volume": "data",
                "limit_seconds": 60, "save": ["a"], "load": ["b"]},
        });
        let mut document = json!({"schema": SCHEMA, "release": "starter", "version": "1.1.0", "streams": [stream],
            "cluster": {}});
        let known: Manifest = serde_json::from_value(document.clone()).unwrap();
        for object in ["", "/streams/0", "/cluster"] {
            document.pointer_mut(object).unwrap()["later"] = json!([1]);
        }
        assert_eq!(serde_json::from_value::<Manifest>(document).unwrap(), known);
    }

    #[test]
    fn workload_description_omits_state() {
        let live = json!({"kind": "StatefulSet", "spec": {"replicas": 1}, "status": {"replicas": 1},
            "metadata": {"name": "db", "namespace": "shop", "labels": {"a": "b"}, "uid": "1", "managedFields": []}});
        let expected = json!({"kind": "StatefulSet", "spec": {"replicas": 1},
            "metadata": {"name": "db", "namespace": "shop", "labels": {"a": "b"}}});
        assert_eq!(strip_live_fields(live), expected);
    }
}
