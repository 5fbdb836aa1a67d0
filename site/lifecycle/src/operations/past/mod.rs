//! What was done to a site: its operations, as their journals record them.

use std::time::Duration;

use jiff::Timestamp;
use landfall_engine::journal::Phase;
use landfall_engine::plan::Operation;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::Result;
use super::history::Past;
use super::status::step_report;
use crate::pins::Pins;

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationOutcome {
    /// It is done, and what it changed counts.
    Committed,
    /// Everything that it did is undone.
    Undone,
    /// It was interrupted, and only a person can remove the cause.
    Stuck,
    /// It runs, or was interrupted and can be resumed.
    Open,
}

impl OperationOutcome {
    /// Its name, as documents have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Undone => "undone",
            Self::Stuck => "stuck",
            Self::Open => "open",
        }
    }

    fn of(past: &Past) -> Self {
        let state = &past.replay.state;
        match state.phase {
            Phase::Undone { .. } => Self::Undone,
            Phase::Committed if state.is_closed() => Self::Committed,
            _ if step_report(&past.replay).is_some_and(|step| step.stuck) => Self::Stuck,
            _ => Self::Open,
        }
    }
}

/// A release that an operation began with, or was to lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRelease {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Counter.
    pub counter: u64,
}

impl From<&Pins> for PastRelease {
    fn from(pins: &Pins) -> Self {
        Self { name: pins.release.clone(), version: pins.version.clone(), counter: pins.counter }
    }
}

/// An operation of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastOperation {
    /// Number of its journal. The install has 1.
    pub number: u64,
    /// What it does.
    pub operation: Operation,
    /// The release that was installed when it began; none for an install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PastRelease>,
    /// The release that it leads to, which is the same one where it changes settings or restores data.
    pub to: PastRelease,
    /// When it began, by the host's clock.
    pub began: String,
    /// When it ended; none while something is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long that took, interruptions included; none before it ended, and where the clock was set back meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// What came of it.
    pub outcome: OperationOutcome,
}

impl PastOperation {
    /// The operation of this journal, which began when `from` was installed; none where its journal pins nothing.
    fn of(past: &Past, from: Option<PastRelease>) -> Option<Self> {
        let pins = past.pins()?;
        let entries = &past.replay.entries;
        let began = entries.first()?.at;
        let ended = past.replay.state.is_closed().then(|| entries.last().map(|entry| entry.at)).flatten();
        let took = ended.and_then(|ended| Duration::try_from(ended.duration_since(began)).ok());
        Some(Self {
            number: past.file.number,
            operation: pins.operation,
            from,
            to: pins.into(),
            began: time(began),
            ended: ended.map(time),
            duration_seconds: took.map(|took| took.as_secs()),
            outcome: OperationOutcome::of(past),
        })
    }
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// These operations, which are in the order of their journals, newest first.
fn newest_first(operations: &[Past]) -> Vec<PastOperation> {
    let mut installed = None;
    let mut described = Vec::new();
    for past in operations {
        described.extend(PastOperation::of(past, installed.clone()));
        if past.replay.state.phase == Phase::Committed {
            installed = past.pins().map(PastRelease::from);
        }
    }
    described.reverse();
    described
}

impl Operations {
    /// The operations of the site, newest first; none on a machine without a site. Changes nothing.
    pub fn past_operations(&self) -> Result<Vec<PastOperation>> {
        let history = self.history()?;
        if history.first().is_none() {
            self.check_not_missing()?;
        }
        Ok(newest_first(history.all()))
    }
}

#[cfg(test)]
mod tests;
