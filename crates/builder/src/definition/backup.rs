//! Backup rules and presets of components, as written in `release.yaml`.

use std::collections::BTreeMap;

use landfall_release_document::BackupLogField;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::CommandExpectationDefinition;

/// The written form of a backup rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupEntry {
    /// Name, a DNS label, unique within the component.
    pub name: Spanned<String>,
    /// Workload whose pods hold the data, such as `StatefulSet/postgres`.
    pub workload: Spanned<String>,
    /// Name of the container; by default the pod's first one.
    #[serde(default)]
    pub container: Option<Spanned<String>>,
    /// Volume of the pod with the data.
    pub volume: Spanned<String>,
    /// Time limit in seconds for `save`, and separately for `load`.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// Preset that provides the programs.
    #[serde(default)]
    pub preset: Option<Spanned<String>>,
    /// Parameters of the preset.
    #[serde(default)]
    pub with: Option<Spanned<BTreeMap<String, Value>>>,
    /// True if the preset's log is saved as well; the default if it has one.
    #[serde(default)]
    pub points_in_time: Option<Spanned<bool>>,
    /// The program that writes the backup to its standard output, with its arguments.
    #[serde(default)]
    pub save: Option<Spanned<Vec<String>>>,
    /// The program that reads the backup from its standard input, with its arguments.
    #[serde(default)]
    pub load: Option<Spanned<Vec<String>>>,
    /// Log of the changes between two backups.
    #[serde(default)]
    pub log: Option<LogDefinition>,
    /// Programs that hold writers while the data is captured.
    #[serde(default)]
    pub hold: Option<HoldDefinition>,
    /// The program that prints the counts of the data, with its arguments.
    #[serde(default)]
    pub counts: Option<Spanned<Vec<String>>>,
    /// True if the preset's program for counts runs; the default if it has one.
    #[serde(default)]
    pub counted: Option<Spanned<bool>>,
    /// Marker that must return with the backup.
    #[serde(default)]
    pub marker: Option<MarkerDefinition>,
    /// Checks after a restore.
    #[serde(default)]
    pub checks: Vec<CheckDefinition>,
}

/// The preset from which a rule was made.
#[derive(Debug, Clone)]
pub struct AppliedPreset {
    /// Name of the preset.
    pub(crate) name: Spanned<String>,
    /// Requirements for the rule's container.
    pub(crate) needs: ContainerNeeds,
}

/// Requirements of a preset's rule for its container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerNeeds {
    /// Programs that the container must have.
    pub(crate) programs: Vec<String>,
    /// Variables that must be set, each with the parameter that sets it instead.
    pub(crate) variables: BTreeMap<String, String>,
    /// Paths that must be on the rule's volume, by parameter.
    pub(crate) paths: BTreeMap<String, String>,
}

/// A backup rule with all its programs, from the vendor or a preset.
#[derive(Debug, Clone)]
pub struct BackupDefinition {
    /// Name, a DNS label, unique within the component.
    pub name: Spanned<String>,
    /// Workload whose pods hold the data, such as `StatefulSet/postgres`.
    pub workload: Spanned<String>,
    /// Name of the container; by default the pod's first one.
    pub container: Option<Spanned<String>>,
    /// Volume of the pod with the data.
    pub volume: Spanned<String>,
    /// Time limit in seconds for `save`, and separately for `load`.
    pub limit_seconds: Option<Spanned<u64>>,
    /// Preset that provided the programs, if any.
    pub preset: Option<AppliedPreset>,
    /// The program that writes the backup to its standard output, with its arguments.
    pub save: Spanned<Vec<String>>,
    /// The program that reads the backup from its standard input, with its arguments.
    pub load: Spanned<Vec<String>>,
    /// Log of the changes between two backups.
    pub log: Option<LogDefinition>,
    /// Programs that hold writers while the data is captured.
    pub hold: Option<HoldDefinition>,
    /// The program that prints the counts of the data, with its arguments.
    pub counts: Option<Spanned<Vec<String>>>,
    /// Marker that must return with the backup.
    pub marker: Option<MarkerDefinition>,
    /// Checks after a restore.
    pub checks: Vec<CheckDefinition>,
}

/// Programs that save the changes between two backups, and apply them to a loaded backup.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogDefinition {
    /// The program that makes the software retain its log until it is saved, with its arguments.
    pub keep: Spanned<Vec<String>>,
    /// The program that writes the log since the last `saved` to its standard output.
    pub save: Spanned<Vec<String>>,
    /// The program that runs after that is stored.
    pub saved: Spanned<Vec<String>>,
    /// The program that reads one log backup from its standard input.
    pub load: Spanned<Vec<String>>,
    /// The program that applies the log up to a time; `%{time}` in its arguments stands for that time.
    pub recover: Spanned<Vec<String>>,
}

impl LogDefinition {
    /// The program of a field.
    pub(crate) fn program(&self, field: BackupLogField) -> &Spanned<Vec<String>> {
        match field {
            BackupLogField::Keep => &self.keep,
            BackupLogField::Save => &self.save,
            BackupLogField::Saved => &self.saved,
            BackupLogField::Load => &self.load,
            BackupLogField::Recover => &self.recover,
        }
    }
}

/// Programs that briefly hold all writers of the data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldDefinition {
    /// The program after which nothing is written, with its arguments. `%{seconds}` in them stands for the time after
    /// which the hold ends automatically.
    pub begin: Spanned<Vec<String>>,
    /// The program that ends the hold earlier.
    pub end: Spanned<Vec<String>>,
    /// Seconds after which the hold ends automatically.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// End of the hold; by default the end of `save`.
    #[serde(default)]
    pub until: Option<HoldUntilDefinition>,
}

/// Time at which the data is captured, so that writers may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HoldUntilDefinition {
    /// The first byte that `save` writes.
    FirstByte,
    /// The end of `save`.
    End,
}

/// Programs that write a marker into the data, and read it from restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MarkerDefinition {
    /// The program that writes the marker, with its arguments; `%{marker}` in them stands for it.
    pub write: Spanned<Vec<String>>,
    /// The program that prints the marker, with its arguments.
    pub read: Spanned<Vec<String>>,
}

/// A program that checks restored data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckDefinition {
    /// One sentence that states what a pass shows.
    pub shows: Spanned<String>,
    /// The program and its arguments.
    pub arguments: Spanned<Vec<String>>,
    /// Time limit in seconds, after which the check fails.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// The required result.
    #[serde(default)]
    pub expect: Option<Spanned<CommandExpectationDefinition>>,
}

/// A claim that no backup includes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsavedDefinition {
    /// `PersistentVolumeClaim/NAME`, or `StatefulSet/NAME/TEMPLATE` for the claims of all pods.
    pub volume: Spanned<String>,
    /// One sentence on why a site can do without it.
    pub because: Spanned<String>,
}
