//! A machine that is off at the time of its nightly backup would never make one. The agent starts the backup that is overdue.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use serde::Deserialize;

use super::units::{BACKUP, BACKUP_TIMER, UnitState, systemctl};

/// Time since the latest try from which a backup is overdue: a day, the timer's own delay, and an hour.
const OVERDUE: SignedDuration = SignedDuration::from_hours(26);
/// How long the agent leaves a machine alone after its start.
const SETTLED: Duration = Duration::from_mins(15);
/// Between two starts by the agent, whatever the clock says.
const AGAIN: Duration = Duration::from_hours(6);

/// What the agent reads of the record of the latest try.
#[derive(Deserialize)]
struct Tried {
    at: Timestamp,
}

/// When backups were started for being overdue.
#[derive(Debug)]
pub(crate) struct Overdue {
    begun: Instant,
    started: Option<Instant>,
}

impl Overdue {
    /// From the agent's start on.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), started: None }
    }

    /// Starts a backup if one is overdue.
    pub(crate) fn tend(&mut self, paths: &SitePaths, commands: &dyn CommandRunner) -> Result<(), StepError> {
        let may_start = self.started.map_or(self.begun.elapsed() >= SETTLED, |last| last.elapsed() >= AGAIN);
        if !may_start || !is_overdue(paths, Timestamp::now())? || !UnitState::of(BACKUP_TIMER, commands).is_on() {
            return Ok(());
        }
        self.started = Some(Instant::now());
        tracing::info!("the nightly backup is overdue: starting it");
        let start = systemctl(&["start", "--no-block", BACKUP]);
        start.checked(commands.run(&start, None)).map(drop)
    }
}

/// Whether the latest try is too long ago. Without one, the site is as old as its UUID; a try in the future counts for nothing: the
/// clock was wrong then.
fn is_overdue(paths: &SitePaths, now: Timestamp) -> Result<bool, StepError> {
    let tried = files::read(&paths.backup_try())?.and_then(|bytes| serde_json::from_slice::<Tried>(&bytes).ok());
    let since = match tried {
        Some(tried) => Some(tried.at),
        None => paths
            .data_uuid()
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok()),
    };
    Ok(since.is_some_and(|since| since > now || now.duration_since(since) > OVERDUE))
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn a_backup_is_overdue_a_day_after_the_latest_try() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let is_overdue = |now| super::is_overdue(&paths, now).unwrap();
        assert!(!is_overdue(at("2026-11-23T08:00:00Z")), "there is no site");
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), b"", 0o644).unwrap();
        assert!(!is_overdue(Timestamp::now()), "it has just been installed");
        assert!(is_overdue(Timestamp::now() + SignedDuration::from_hours(27)), "it never made one");
        durable::write_file(&paths.backup_try(), br#"{"at": "2026-11-23T02:00:00Z", "failure": null}"#, 0o600).unwrap();
        for (now, expected) in [
            ("2026-11-23T20:00:00Z", false),
            ("2026-11-24T03:59:00Z", false),
            ("2026-11-24T04:01:00Z", true),
            ("2015-01-01T00:00:00Z", true),
        ] {
            assert_eq!(is_overdue(at(now)), expected, "{now}");
        }
    }
}
