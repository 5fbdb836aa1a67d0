//! Durations of the last install's steps on this machine. The record stays after an uninstall, next to the logs, so
//! that the next plan for this machine need not guess.

use std::collections::BTreeMap;
use std::io::Read;

use landfall_engine::step::StepError;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::paths::SitePaths;

/// Maximum number of bytes of the record: no install writes a larger one.
const RECORD_BYTES: u64 = 1 << 20;

/// Duration of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepTime {
    /// Duration in milliseconds.
    pub milliseconds: u64,
    /// Planned size of its writes in bytes.
    pub bytes: u64,
}

/// Durations of steps, by their IDs.
pub type StepTimes = BTreeMap<String, StepTime>;

/// Reads the record; empty if it cannot be read.
pub fn read(paths: &SitePaths) -> StepTimes {
    let mut bytes = Vec::new();
    let read = fs_err::File::open(paths.step_times()).and_then(|file| file.take(RECORD_BYTES).read_to_end(&mut bytes));
    read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Replaces the record, durably.
pub fn record(paths: &SitePaths, times: &StepTimes) -> Result<(), StepError> {
    // A map of strings and numbers always has a JSON form.
    let text = serde_json::to_string_pretty(times).unwrap_or_default() + "\n";
    durable::create_folder(&paths.logs())?;
    Ok(durable::write_file(&paths.step_times(), text.as_bytes(), 0o644)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_times_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        durable::create_folder(&paths.host("/var/log")).unwrap();
        assert_eq!(read(&paths), StepTimes::new());
        let times = StepTimes::from([("stage".to_owned(), StepTime { milliseconds: 1500, bytes: 7 })]);
        record(&paths, &times).unwrap();
        assert_eq!(read(&paths), times);
        durable::write_file(&paths.step_times(), b"{\"stage\": 7}", 0o644).unwrap();
        assert_eq!(read(&paths), StepTimes::new());
    }
}
