//! Data of components, and backup rules: how data leaves a pod as a stream of bytes, how it returns, and how a site
//! checks that it returned whole.

use serde::{Deserialize, Serialize};

use crate::{CommandExpectation, Workload};

mod check;
#[cfg(test)]
mod tests;

/// A component's use of its own volumes, and the effect of an upgrade on their data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentData {
    /// The component keeps no data.
    #[default]
    None,
    /// An upgrade leaves the data as it is, and the component continues to write it.
    Kept,
    /// An upgrade changes the data.
    Migrated,
}

impl ComponentData {
    /// Returns true if the component keeps no data, which is the default.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// A stream of a component's data, out of a pod and back into one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRule {
    /// Name of the rule, a DNS label, unique within the component.
    pub name: String,
    /// Workload of the pods.
    pub workload: Workload,
    /// Name of the container; by default, the pod's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Volume of the pod that holds the data. It is empty when `load` starts.
    pub volume: String,
    /// Seconds until `save` or `load` counts as failed; also for `save`, `load` and `recover` of the log.
    pub limit_seconds: u64,
    /// The program that writes the backup to its standard output, with its arguments. It runs in a ready pod.
    pub save: Vec<String>,
    /// The program that reads the backup from its standard input and fills the volume, with its arguments. It runs in a
    /// pod of the workload's template in which the container's own program does not run.
    pub load: Vec<String>,
    /// Log of the writes between two backups, if the software has one. With it, the data of any point in time can be
    /// restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<BackupLog>,
    /// Hold of the writers while the data is captured, so that the data of several components is as of one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<BackupHold>,
    /// Program, with its arguments, that prints counts of the data: for example, a line `NAME=NUMBER` for each table.
    /// It runs in a ready pod as of the cut of a backup, and in the pod with the restored data; a drill requires both
    /// outputs to have the same counts. For a rule with a log, the lines `from=` and `until=` come first: microseconds
    /// since 1970 between which the numbers were true. Other rules need a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<String>>,
    /// Word that must return with the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<BackupMarker>,
    /// Checks after a restore, in the pod that has the restored data and runs its own program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<BackupCheck>,
}

impl BackupRule {
    /// Maximum number of rules of a component.
    pub const PER_COMPONENT: usize = 16;

    /// Name of a component that cannot have rules: its streams would have the names of the cluster's streams, which
    /// every backup contains.
    pub const RESERVED_COMPONENT: &str = "cluster";

    /// Name of the stream within the release, such as `postgres/database`.
    pub fn stream(&self, component: &str) -> String {
        format!("{component}/{}", self.name)
    }
}

/// The programs that save the writes between two backups, and apply them to a loaded backup. Unless stated otherwise, a
/// program runs in a ready pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupLog {
    /// Program that makes the software keep everything that it writes to its log, until it is saved. Earlier parts of
    /// the log are of no use.
    pub keep: Vec<String>,
    /// Program that writes to its standard output the whole log since the last `saved`, or since `keep`. It fails if a
    /// part of that is lost.
    pub save: Vec<String>,
    /// Program that runs after the output of the last `save` is stored: the software no longer needs to keep that part.
    /// If it is interrupted, a part is saved twice.
    pub saved: Vec<String>,
    /// Program that reads the output of one `save` from its standard input, and places it next to the data. It runs
    /// where the rule's `load` does, after it, once for each log backup, oldest first.
    pub load: Vec<String>,
    /// Program that applies the placed log up to a time, given by [`BackupLog::PLACEHOLDER`] in its arguments. It runs
    /// after the last `load`, in the same place, and ends when the data is as of that time.
    pub recover: Vec<String>,
}

impl BackupLog {
    /// Placeholder of the time in the arguments of `recover`: RFC 3339 with microseconds and the offset `+00:00`.
    pub const PLACEHOLDER: &str = "%{time}";

    /// Seconds until `keep` or `saved` counts as failed.
    pub const LIMIT_SECONDS: u64 = 300;

    /// Returns the program that applies the log up to this time, with its arguments.
    pub fn recover_to(&self, time: &str) -> Vec<String> {
        self.recover.iter().map(|argument| argument.replace(Self::PLACEHOLDER, time)).collect()
    }
}

/// A program of a rule's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupLogField {
    /// `keep`.
    Keep,
    /// `save`.
    Save,
    /// `saved`.
    Saved,
    /// `load`.
    Load,
    /// `recover`.
    Recover,
}

impl BackupLogField {
    /// All programs, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::Keep, Self::Save, Self::Saved, Self::Load, Self::Recover];

    /// Name of the program in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Save => "save",
            Self::Saved => "saved",
            Self::Load => "load",
            Self::Recover => "recover",
        }
    }

    /// Returns the program, with its arguments.
    pub fn of(self, log: &BackupLog) -> &[String] {
        match self {
            Self::Keep => &log.keep,
            Self::Save => &log.save,
            Self::Saved => &log.saved,
            Self::Load => &log.load,
            Self::Recover => &log.recover,
        }
    }
}

/// A short hold of the data's writers. Both programs run in a ready pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupHold {
    /// Program, with its arguments, after whose end no data is written. [`BackupHold::PLACEHOLDER`] stands for
    /// `limit_seconds`. After that many seconds, the hold ends automatically, even if the program that began it is
    /// gone.
    pub begin: Vec<String>,
    /// Program that ends the hold earlier.
    pub end: Vec<String>,
    /// Seconds after which the hold ends automatically; also the seconds until `begin` or `end` counts as failed.
    pub limit_seconds: u64,
    /// Event that ends the hold.
    pub until: HoldUntil,
}

/// The event after which the data of a hold's rule is captured and writers may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldUntil {
    /// `save` writes its first byte: its output is as of that time or earlier.
    FirstByte,
    /// `save` ends.
    End,
}

impl BackupHold {
    /// Placeholder of the seconds in the arguments of `begin`.
    pub const PLACEHOLDER: &str = "%{seconds}";

    /// Returns the program that begins the hold, with its arguments.
    pub fn begin(&self) -> Vec<String> {
        let seconds = self.limit_seconds.to_string();
        self.begin.iter().map(|argument| argument.replace(Self::PLACEHOLDER, &seconds)).collect()
    }
}

/// A field of a hold that may be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupHoldField {
    /// `begin`.
    Begin,
    /// `end`.
    End,
    /// The field `limit_seconds`.
    Limit,
}

/// The programs that write a random word into the data before a save, and read it from the data after a restore. The
/// word shows that the restored data is from this backup and not from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupMarker {
    /// Program that writes the word, with its arguments. [`BackupMarker::PLACEHOLDER`] stands for the word.
    pub write: Vec<String>,
    /// Program that prints the word, with its arguments. White space at the end of the output is ignored.
    pub read: Vec<String>,
}

impl BackupMarker {
    /// Placeholder of the word in the arguments of `write`.
    pub const PLACEHOLDER: &str = "%{marker}";

    /// Seconds until `write` or `read` counts as failed.
    pub const LIMIT_SECONDS: u64 = 300;

    /// Returns the program that writes this word, with its arguments. The word should consist of lower-case letters and
    /// digits, which no shell interprets.
    pub fn write_word(&self, word: &str) -> Vec<String> {
        self.write.iter().map(|argument| argument.replace(Self::PLACEHOLDER, word)).collect()
    }
}

/// A program that checks restored data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupCheck {
    /// Sentence for people that states what a pass shows.
    pub shows: String,
    /// Program and its arguments, without a shell.
    pub arguments: Vec<String>,
    /// Seconds until the check counts as failed.
    pub limit_seconds: u64,
    /// The required result.
    pub expect: CommandExpectation,
}

/// An invalid field of a backup rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFault {
    /// The field.
    pub field: BackupField,
    /// Description of the invalid value: `the name …`.
    pub what: String,
}

/// A field of a backup rule that may be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupField {
    /// `name`.
    Name,
    /// The workload.
    Workload,
    /// The container.
    Container,
    /// The volume.
    Volume,
    /// The limit.
    Limit,
    /// `save`.
    Save,
    /// `load`.
    Load,
    /// A program of the log.
    Log(BackupLogField),
    /// The hold.
    Hold(BackupHoldField),
    /// `counts`.
    Counts,
    /// `write` of the marker.
    MarkerWrite,
    /// `read` of the marker.
    MarkerRead,
    /// The list of checks.
    Checks,
    /// A field of the check with this index.
    Check(usize, BackupCheckField),
}

/// A field of a check that may be invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupCheckField {
    /// `shows`.
    Shows,
    /// The arguments.
    Arguments,
    /// The limit.
    Limit,
    /// The required result.
    Expect,
}
