//! Drill of a backup's cluster data: objects are read and counted, and etcd's snapshot is restored into a folder.

use landfall_backup::OpenBackup;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::CodedError;

use super::super::cluster::{self, ETCD, EtcdTrial, OBJECTS, ReadObjects, read_objects};
use super::super::error::unusable;
use super::trial::Trial;
use super::workload::FAILURES;
use super::{CheckResult, Drill, DrilledStream, load};
use crate::etcd_tools::SnapshotStatus;

const LISTED: &str = "Every object of the cluster that was listed is read from the backup";

const WHOLE: &str = "etcd's snapshot is read from the backup, and is the one that was taken";

const OPENS: &str = "The snapshot is restored into an empty folder, and its data opens at the revision that was saved";

impl Drill<'_> {
    /// Tries a backup's cluster data; returns nothing for a backup without it, or in a drill of only its log.
    pub(super) fn streams_of_cluster(&self, trial: &Trial<'_>) -> Result<Vec<DrilledStream>, StepError> {
        let Some(saved) = trial.cluster() else { return Ok(Vec::new()) };
        let backup = trial.backup;
        let drilled = |stream: &str, checks| DrilledStream {
            stream: stream.to_owned(),
            size_bytes: load::stream_bytes(backup.backup(), stream),
            recovered_to: None,
            checks,
        };
        self.note(OBJECTS);
        let mut streams = vec![drilled(OBJECTS, vec![objects(backup)?])];
        if let Some(saved) = &saved.etcd {
            self.note(ETCD);
            streams.push(drilled(ETCD, self.etcd(backup, saved)?));
        }
        Ok(streams)
    }

    fn etcd(&self, backup: &OpenBackup, saved: &SnapshotStatus) -> Result<Vec<CheckResult>, StepError> {
        let trial = EtcdTrial::begin(self.paths, self.commands, self.progress)?;
        let whole = check_result(WHOLE, "the snapshot that was taken", trial.is_whole(backup, saved))?;
        if !whole.passed {
            return Ok(vec![whole]);
        }
        let opens = check_result(OPENS, "data at the saved revision", trial.opens(saved))?;
        Ok(vec![whole, opens])
    }
}

fn objects(backup: &OpenBackup) -> Result<CheckResult, StepError> {
    let read = read_objects(backup.read(&cluster::name(OBJECTS)?).map_err(unusable)?, |_| Ok(()))?;
    Ok(match read.difference() {
        None => CheckResult::pass(describe_objects(&read)),
        Some(found) => CheckResult::fail(LISTED, "as many objects of each kind as were listed", found),
    })
}

/// Describes a complete list of objects.
fn describe_objects(read: &ReadObjects) -> String {
    let (objects, kinds) = read.totals();
    let unreadable: Vec<&str> = read.unreadable().collect();
    let without = match unreadable.as_slice() {
        [] => String::new(),
        kinds => format!("; without {}, which could not be listed", kinds.join(", ")),
    };
    format!("{LISTED}: {objects} of {kinds} kinds{without}")
}

/// Returns the result of a check; fails on an error that says nothing about the backup.
fn check_result(shows: &str, expected: &str, outcome: Result<(), StepError>) -> Result<CheckResult, StepError> {
    match outcome {
        Ok(()) => Ok(CheckResult::pass(shows)),
        Err(error) if FAILURES.contains(&error.code()) => Ok(CheckResult::fail(shows, expected, with_causes(&error))),
        Err(error) => Err(error),
    }
}
