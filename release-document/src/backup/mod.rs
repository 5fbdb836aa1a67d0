//! Data of components, and backup rules: how data leaves a pod as a stream of bytes, how it returns, and what shows that
//! it returned whole.

use serde::{Deserialize, Serialize};

use crate::{CommandExpectation, Workload};

mod check;
#[cfg(test)]
mod tests;

/// Whether a component keeps data in volumes of its own, and what an upgrade does with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentData {
    /// It keeps none.
    #[default]
    None,
    /// An upgrade leaves the data as it is, and the component continues to write it.
    Kept,
    /// An upgrade changes the data.
    Migrated,
}

impl ComponentData {
    /// Whether there is none, which is the default.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// One stream of a component's data: out of a pod, and back into one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRule {
    /// Name, a DNS label, unique within the component.
    pub name: String,
    /// Whose pods.
    pub workload: Workload,
    /// Which container; the pod's first where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The volume of the pod that holds the data. It is empty when `load` starts.
    pub volume: String,
    /// Seconds until `save` counts as failed, and seconds until `load` does; of the log, `save`, `load` and `recover`, too.
    pub limit_seconds: u64,
    /// The program that writes the backup to its standard output, with its arguments. It runs in a ready pod.
    pub save: Vec<String>,
    /// The program that reads the backup from its standard input and fills the volume, with its arguments. It runs in a pod
    /// of the workload's template in which the container's own program does not run.
    pub load: Vec<String>,
    /// The log of what is written between two backups, if the software has one: with it, any point in time comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<BackupLog>,
    /// How writers are held while the data is captured, so that the data of several components is as of one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<BackupHold>,
    /// The program that prints what the data counts, with its arguments: a line `NAME=NUMBER` for each table, for example. It runs in a ready
    /// pod as of the cut of a backup, and in the pod that has the restored data, which must count the same in a drill. A rule with a log has the lines
    /// `from=` and `until=` before, with the microseconds since 1970 between which its numbers were true; others need a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<String>>,
    /// A word that must return with the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<BackupMarker>,
    /// What is checked after a restore, in the pod that has the restored data and runs its own program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<BackupCheck>,
}

impl BackupRule {
    /// Maximum number of rules of a component.
    pub const PER_COMPONENT: usize = 16;

    /// The component that has no rules: its streams would have the names of those that every backup has of its cluster.
    pub const RESERVED_COMPONENT: &str = "cluster";

    /// Name of the stream within the release, such as `postgres/database`.
    pub fn stream(&self, component: &str) -> String {
        format!("{component}/{}", self.name)
    }
}

/// How what is written between two backups is saved, and how it is applied to a backup that was loaded. Programs without a place
/// of their own run in a ready pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupLog {
    /// The program after which the software keeps everything that it writes to its log, until it was saved. What it kept before is
    /// of no use then.
    pub keep: Vec<String>,
    /// The program that writes to its standard output everything of the log since the last `saved`, or since `keep`. It fails where
    /// some of that is lost.
    pub save: Vec<String>,
    /// The program that runs once what the last `save` wrote is stored: the software need not keep it. Where it is cut off, a part
    /// is saved twice.
    pub saved: Vec<String>,
    /// The program that reads what one `save` wrote from its standard input, and places it beside the data. It runs where the rule's
    /// `load` does, after that, once for each log backup, oldest first.
    pub load: Vec<String>,
    /// The program that applies what was placed up to a time, for which [`BackupLog::PLACEHOLDER`] stands in its arguments. It runs
    /// after the last `load`, in the same place, and ends when the data is as of that time.
    pub recover: Vec<String>,
}

impl BackupLog {
    /// What stands for the time in the arguments of `recover`: RFC 3339 with microseconds and the offset `+00:00`.
    pub const PLACEHOLDER: &str = "%{time}";

    /// Seconds until `keep` or `saved` counts as failed.
    pub const LIMIT_SECONDS: u64 = 300;

    /// The program that applies the log up to this time, with its arguments.
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
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 5] = [Self::Keep, Self::Save, Self::Saved, Self::Load, Self::Recover];

    /// Its name in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Save => "save",
            Self::Saved => "saved",
            Self::Load => "load",
            Self::Recover => "recover",
        }
    }

    /// The program, with its arguments.
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

/// How whatever writes the data is held for a moment. Both programs run in a ready pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupHold {
    /// The program after whose end nothing is written, with its arguments, in which [`BackupHold::PLACEHOLDER`] stands for
    /// `limit_seconds`. After these seconds the hold ends by itself, whatever became of who began it.
    pub begin: Vec<String>,
    /// The program that ends the hold sooner.
    pub end: Vec<String>,
    /// Seconds after which the hold ends by itself, and seconds until `begin` or `end` counts as failed.
    pub limit_seconds: u64,
    /// How long writers are held.
    pub until: HoldUntil,
}

/// When the data of a hold's rule is captured, so that writers may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldUntil {
    /// When `save` writes its first byte: what it writes is of then, or of before.
    FirstByte,
    /// When `save` has ended.
    End,
}

impl BackupHold {
    /// What stands for the seconds in the arguments of `begin`.
    pub const PLACEHOLDER: &str = "%{seconds}";

    /// The program that begins it, with its arguments.
    pub fn begin(&self) -> Vec<String> {
        let seconds = self.limit_seconds.to_string();
        self.begin.iter().map(|argument| argument.replace(Self::PLACEHOLDER, &seconds)).collect()
    }
}

/// A field of a hold that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupHoldField {
    /// `begin`.
    Begin,
    /// `end`.
    End,
    /// The limit.
    Limit,
}

/// How a random word is written into the data before a save, and read from the data after a restore: what was restored is then
/// what was saved, and not an earlier backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupMarker {
    /// The program that writes the word, with its arguments, in which [`BackupMarker::PLACEHOLDER`] stands for it.
    pub write: Vec<String>,
    /// The program that prints the word, with its arguments. White space at the end of the output does not count.
    pub read: Vec<String>,
}

impl BackupMarker {
    /// What stands for the word in the arguments of `write`.
    pub const PLACEHOLDER: &str = "%{marker}";

    /// Seconds until `write` or `read` counts as failed.
    pub const LIMIT_SECONDS: u64 = 300;

    /// The program that writes this word, with its arguments. The word should be lower-case letters and digits alone, which
    /// mean themselves to every shell.
    pub fn write_word(&self, word: &str) -> Vec<String> {
        self.write.iter().map(|argument| argument.replace(Self::PLACEHOLDER, word)).collect()
    }
}

/// A program that looks at restored data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupCheck {
    /// What a pass shows, in a sentence for people.
    pub shows: String,
    /// The program and its arguments, as they are: no shell reads them.
    pub arguments: Vec<String>,
    /// Seconds until the check counts as failed.
    pub limit_seconds: u64,
    /// The required result.
    pub expect: CommandExpectation,
}

/// What is wrong with a backup rule, and in which field of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFault {
    /// The field.
    pub field: BackupField,
    /// What it has: `the name …`.
    pub what: String,
}

/// A field of a backup rule that may be wrong.
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

/// A field of a check that may be wrong.
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
