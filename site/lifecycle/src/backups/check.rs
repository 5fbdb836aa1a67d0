//! Whether restored data is what was saved: the word that was written before the backup, and the checks of its rule.

use std::time::Duration;

use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_release_document::{BackupMarker, CommandExpectation, TextExpectation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SavedStream;
use crate::pods::Container;
use crate::proofs::Mismatch;
use crate::proofs::judge;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// What a pass shows.
    pub shows: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was expected and what came instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Mismatch>,
}

impl CheckResult {
    pub(super) fn passed(shows: impl Into<String>) -> Self {
        Self { shows: shows.into(), passed: true, failure: None }
    }

    pub(super) fn failed(shows: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let failure = Mismatch { expected: expected.into(), found: found.into() };
        Self { shows: shows.into(), passed: false, failure: Some(failure) }
    }
}

/// Checks the data of a stream in the container that has restored it and runs its own program. Every check is done, whatever
/// the others show.
pub(crate) fn check(cluster: &Cluster, saved: &SavedStream, at: &Container) -> Vec<CheckResult> {
    let marker = saved.rule.marker.as_ref().zip(saved.word.as_ref()).map(|(marker, word)| {
        let expect = CommandExpectation { exit_code: 0, stdout: Some(TextExpectation::Equals(word.clone())) };
        let shows = "The word that was written before the backup is read from the restored data";
        run(cluster, at, shows, &marker.read, BackupMarker::LIMIT_SECONDS, &expect)
    });
    let declared = saved.rule.checks.iter();
    let declared =
        declared.map(|check| run(cluster, at, &check.shows, &check.arguments, check.limit_seconds, &check.expect));
    marker.into_iter().chain(declared).collect()
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
        None => CheckResult::passed(shows),
        Some(found) => CheckResult::failed(shows, judge::command_expectation(expect), found),
    }
}
