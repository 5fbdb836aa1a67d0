//! Overdue backups: a machine that is off at the time of its nightly backup would never make one. The agent starts it
//! instead.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::civil::Time;
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use serde::Deserialize;

use super::units::{BACKUP, BACKUP_TIMER, FOLDER, RANDOM_DELAY_HOURS, UnitState, systemctl};

/// Time from the scheduled time of each day's backup until it is overdue. The timer's own delay is up to an hour, and
/// the backup itself takes time.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);
/// Time after a machine's start for which the agent leaves it alone.
const SETTLED: Duration = Duration::from_mins(15);
/// Time between two starts by the agent, whatever the clock says.
const AGAIN: Duration = Duration::from_hours(6);

/// Fields that the agent reads from the record of the latest attempt.
#[derive(Deserialize)]
struct LatestTry {
    #[serde(default)]
    succeeded: Option<Timestamp>,
}

/// Times at which overdue backups were started.
#[derive(Debug)]
pub(crate) struct OverdueBackups {
    begun: Instant,
    started: Option<Instant>,
}

impl OverdueBackups {
    /// Starts the schedule at the agent's start.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), started: None }
    }

    /// Starts a backup if one is overdue.
    pub(crate) fn tend(&mut self, paths: &SitePaths, commands: &dyn CommandRunner) -> Result<(), StepError> {
        let may_start = self.started.map_or(self.begun.elapsed() >= SETTLED, |last| last.elapsed() >= AGAIN);
        if !may_start || !is_overdue(paths, &Zoned::now())? || !UnitState::of(BACKUP_TIMER, commands).is_on() {
            return Ok(());
        }
        self.started = Some(Instant::now());
        tracing::info!("the nightly backup is overdue: starting it");
        let start = systemctl(&["start", "--no-block", BACKUP]);
        start.check_output(commands.run(&start, None)).map(drop)
    }
}

/// Returns true if no backup has succeeded since the last scheduled one. A site without any backup is as old as its
/// UUID. A success in the future is ignored: the clock was wrong then.
fn is_overdue(paths: &SitePaths, now: &Zoned) -> Result<bool, StepError> {
    let Some(time) = files::read_text(&timer(paths))?.as_deref().and_then(time_of_day) else { return Ok(false) };
    let tried = files::read(&paths.backup_try())?.and_then(|bytes| serde_json::from_slice::<LatestTry>(&bytes).ok());
    let Some(since) = tried.and_then(|tried| tried.succeeded).or_else(|| birth(paths)) else { return Ok(false) };
    let Some(due) = last_due(now, time) else { return Ok(false) };
    Ok(since < due || since > now.timestamp())
}

fn birth(paths: &SitePaths) -> Option<Timestamp> {
    let modified = paths.data_uuid().metadata().and_then(|metadata| metadata.modified()).ok()?;
    Timestamp::try_from(modified).ok()
}

/// Schedule of the daily backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyBackup {
    /// Time of day, in the machine's time zone.
    pub time: Time,
    /// Maximum delay of the start.
    pub delay: SignedDuration,
}

/// Returns the schedule of the daily backup, from the unit of its timer; `None` without a timer. Changes nothing.
pub fn daily_backup(paths: &SitePaths) -> Result<Option<DailyBackup>, StepError> {
    let Some(unit) = files::read_text(&timer(paths))? else { return Ok(None) };
    let random = format!("RandomizedDelaySec={RANDOM_DELAY_HOURS}h");
    let hours = if unit.lines().any(|line| line == random) { RANDOM_DELAY_HOURS } else { 0 };
    Ok(time_of_day(&unit).map(|time| DailyBackup { time, delay: SignedDuration::from_hours(hours.into()) }))
}

/// Returns the path of the timer's unit.
fn timer(paths: &SitePaths) -> PathBuf {
    paths.host(FOLDER).join(BACKUP_TIMER)
}

/// Parses the time of the daily backup, in the machine's time zone, from the unit of its timer.
fn time_of_day(unit: &str) -> Option<Time> {
    let text = unit.lines().find_map(|line| line.strip_prefix("OnCalendar=*-*-* "))?;
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.get(..2)?.parse().ok()?, 0, 0).ok()
}

/// Returns the time of the last backup that is overdue by now.
fn last_due(now: &Zoned, time: Time) -> Option<Timestamp> {
    let until = now.checked_sub(PATIENCE).ok()?;
    let today = until.with().time(time).build().ok()?;
    let due = if today <= until { today } else { today.checked_sub(Span::new().days(1)).ok()? };
    Some(due.timestamp())
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn backup_time_comes_from_unit() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        assert_eq!(daily_backup(&paths).unwrap(), None, "there is no timer");
        let timer = timer(&paths);
        durable::create_folder(timer.parent().unwrap()).unwrap();
        let write = |unit: &str| durable::write_file(&timer, unit.as_bytes(), 0o644).unwrap();
        write("[Timer]\nOnCalendar=*-*-* 01:30\nRandomizedDelaySec=1h\n");
        let usual = DailyBackup { time: jiff::civil::time(1, 30, 0, 0), delay: SignedDuration::from_hours(1) };
        assert_eq!(daily_backup(&paths).unwrap(), Some(usual));
        write("[Timer]\nOnCalendar=*-*-* 03:15\n");
        let own = DailyBackup { time: jiff::civil::time(3, 15, 0, 0), delay: SignedDuration::ZERO };
        assert_eq!(daily_backup(&paths).unwrap(), Some(own));
    }

    #[test]
    fn backup_is_overdue_until_success() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let at = |text: &str| text.parse::<Timestamp>().unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let is_overdue = |now: &str| super::is_overdue(&paths, &at(now)).unwrap();
        assert!(!is_overdue("2026-11-23T08:00:00Z"), "there is no timer");
        let timer = timer(&paths);
        durable::create_folder(timer.parent().unwrap()).unwrap();
        durable::write_file(&timer, b"[Timer]\nOnCalendar=*-*-* 01:30\nRandomizedDelaySec=1h\n", 0o644).unwrap();
        durable::create_folder(&paths.data()).unwrap();
        assert!(!is_overdue("2026-11-23T08:00:00Z"), "there is no site");
        let tried = br#"{"at": "2026-11-24T09:00:00Z", "failure": {}, "succeeded": "2026-11-23T01:50:00Z"}"#;
        durable::write_file(&paths.backup_try(), tried, 0o600).unwrap();
        for (now, expected) in [
            ("2026-11-23T20:00:00Z", false),
            ("2026-11-24T01:40:00Z", false),
            ("2026-11-24T04:29:00Z", false),
            ("2026-11-24T04:31:00Z", true),
            ("2026-11-25T00:10:00Z", true),
            ("2015-01-01T00:00:00Z", true),
        ] {
            assert_eq!(is_overdue(now), expected, "{now}");
        }
        // A machine that is on from nine to five makes one each morning.
        let tried = br#"{"at": "2026-11-24T09:20:00Z", "succeeded": "2026-11-24T09:20:00Z"}"#;
        durable::write_file(&paths.backup_try(), tried, 0o600).unwrap();
        assert!(!is_overdue("2026-11-24T17:00:00Z") && is_overdue("2026-11-25T09:15:00Z"));
        durable::remove_file(&paths.backup_try()).unwrap();
        durable::write_file(&paths.data_uuid(), b"", 0o644).unwrap();
        assert!(is_overdue("2100-01-01T12:00:00Z"), "it never made one");
    }

    #[test]
    fn timer_time_is_parsed() {
        let time = |text: &str| time_of_day(text).map(|time| (time.hour(), time.minute()));
        assert_eq!(time("[Timer]\nOnCalendar=*-*-* 03:15\n"), Some((3, 15)));
        assert_eq!(time("OnCalendar=*-*-* 03:15:00\n"), Some((3, 15)));
        assert_eq!(time("OnCalendar=daily\n"), None);
    }
}
