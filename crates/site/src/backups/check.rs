//! Checks of restored data: the marker that was written before the backup, the counts, and the checks of its rule.

use std::time::Duration;

use landfall_cluster::{Cluster, Program, Success};
use landfall_engine::causes::with_causes;
use landfall_release_document::{BackupMarker, CommandExpectation, TextExpectation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SavedStream;
use super::counts::Counts;
use crate::pods::Container;
use crate::proofs::Mismatch;
use crate::proofs::judge;

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Property that a pass demonstrates.
    pub shows: String,
    /// True if the check passed.
    pub passed: bool,
    /// Expected and actual result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Mismatch>,
}

/// Meaning of passed counts.
const COUNTED: &str = "The restored data counts what was counted at the cut of the backup";

/// Expectation if the restored data cannot be counted.
const ITS_COUNTS: &str = "its counts";

impl CheckResult {
    /// Returns true if the check compares counts.
    pub fn is_of_counts(&self) -> bool {
        self.shows == COUNTED
    }

    /// Returns true if the check found different counts; false if counting failed.
    pub fn counts_differ(&self) -> bool {
        self.is_of_counts() && self.failure.as_ref().is_some_and(|failure| failure.expected != ITS_COUNTS)
    }

    pub(super) fn pass(shows: impl Into<String>) -> Self {
        Self { shows: shows.into(), passed: true, failure: None }
    }

    pub(super) fn fail(shows: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let failure = Mismatch { expected: expected.into(), found: found.into() };
        Self { shows: shows.into(), passed: false, failure: Some(failure) }
    }
}

/// Bytes of restored data that add one second to a check's declared limit. Some checks read all data, and this is the
/// speed of a disk that other software also uses.
const BYTES_PER_SECOND: u64 = 16 << 20;

/// Returns the time limit in seconds of a program that reads restored data: the declared limit, and more for large
/// data.
pub(super) fn limit_seconds(declared: u64, loaded_bytes: u64) -> u64 {
    declared.saturating_add(loaded_bytes / BYTES_PER_SECOND)
}

/// Restored data to check.
pub struct CheckSubject<'a> {
    /// Stream of the data.
    pub saved: &'a SavedStream,
    /// Container that runs the component's program on it.
    pub at: &'a Container,
    /// Counts at the cut of the backup, if the data is as of the cut.
    pub counted: Option<&'a Counts>,
    /// Number of loaded bytes.
    pub loaded_bytes: u64,
}

/// Checks restored data by its marker, its counts and the checks of its rule. All checks run, even if some fail. Time
/// limits grow with the size of the data.
pub fn check(cluster: &Cluster, restored: &CheckSubject<'_>) -> Vec<CheckResult> {
    let CheckSubject { saved, at, counted, loaded_bytes } = *restored;
    let marker = saved.rule.marker.as_ref().zip(saved.word.as_ref()).map(|(marker, word)| {
        let expect = CommandExpectation { exit_code: 0, stdout: Some(TextExpectation::Equals(word.clone())) };
        let shows = "The word that was written before the backup is read from the restored data";
        run(cluster, at, shows, &marker.read, BackupMarker::LIMIT_SECONDS, &expect)
    });
    let declared = saved.rule.checks.iter();
    let declared = declared.map(|check| {
        let limit = limit_seconds(check.limit_seconds, loaded_bytes);
        run(cluster, at, &check.shows, &check.arguments, limit, &check.expect)
    });
    let program = saved.rule.counts.as_ref();
    let counts = program.zip(counted).map(|(program, counted)| {
        compare_counts(counted, count(cluster, restored, program).map_err(|error| with_causes(error.as_ref())))
    });
    marker.into_iter().chain(counts).chain(declared).collect()
}

/// Counts the restored data.
fn count(
    cluster: &Cluster,
    restored: &CheckSubject<'_>,
    arguments: &[String],
) -> Result<Counts, Box<dyn std::error::Error>> {
    let Container { namespace, pod, name } = restored.at;
    let program = Program { namespace, pod, container: name, arguments, success: Success::Trailer };
    let limit = limit_seconds(restored.saved.rule.limit_seconds, restored.loaded_bytes);
    let output = cluster.open_stream(&program, Duration::from_secs(limit))?;
    Ok(Counts::read(output)?)
}

/// Compares the counts of restored data.
pub(super) fn compare_counts(counted: &Counts, found: Result<Counts, String>) -> CheckResult {
    match found {
        Err(why) => CheckResult::fail(COUNTED, ITS_COUNTS, why),
        Ok(found) => match counted.difference(&found) {
            None => CheckResult::pass(COUNTED),
            Some((wanted, found)) => CheckResult::fail(COUNTED, wanted, found),
        },
    }
}

fn run(
    cluster: &Cluster,
    at: &Container,
    shows: &str,
    arguments: &[String],
    limit_seconds: u64,
    expect: &CommandExpectation,
) -> CheckResult {
    let limit = Duration::from_secs(limit_seconds);
    let found = match cluster.execute(&at.namespace, &at.pod, &at.name, arguments, limit) {
        Ok(executed) => judge::command(expect, &executed).err(),
        Err(error) => Some(with_causes(&error)),
    };
    match found {
        None => CheckResult::pass(shows),
        Some(found) => CheckResult::fail(shows, judge::command_expectation(expect), found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_time_limit_grows_with_data() {
        assert_eq!(limit_seconds(300, 5 << 20), 300);
        let hour = 60 * 60;
        // At the speed of the slowest measured disk, a terabyte takes most of a day.
        let terabyte = limit_seconds(hour, 1 << 40);
        assert!((18 * hour..=24 * hour).contains(&terabyte), "{terabyte}");
        assert_eq!(limit_seconds(hour, 4 << 40) - hour, 4 * (terabyte - hour));
        assert_eq!(limit_seconds(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn differing_counts_fail_with_both_figures() {
        let counts = |text: &str| Counts::read(text.as_bytes()).unwrap();
        let counted = counts("public.orders=7\n");
        let same = compare_counts(&counted, Ok(counts("public.orders=7\n")));
        assert!(same.passed && same.is_of_counts());
        let lost = compare_counts(&counted, Ok(counts("public.orders=6\n")));
        assert!(lost.counts_differ() && !same.counts_differ());
        let failure = lost.failure.unwrap();
        assert_eq!((failure.expected.as_str(), failure.found.as_str()), ("public.orders: 7", "public.orders: 6"));
        let unread = compare_counts(&counted, Err("psql is missing".to_owned()));
        assert!(unread.is_of_counts() && !unread.counts_differ());
        let unread = unread.failure.unwrap();
        assert_eq!((unread.expected.as_str(), unread.found.as_str()), ("its counts", "psql is missing"));
        assert!(!CheckResult::pass("It answers").is_of_counts());
    }
}
