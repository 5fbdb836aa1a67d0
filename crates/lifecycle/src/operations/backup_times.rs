//! Times of scheduled backups and drills, and backups and drills that the console requests.

use landfall_agent::daily_backup;
use landfall_agent::units::{BACKUP, BACKUP_TIMER, DRILL, FOLDER, LOG_BACKUP_TIMER, TimerState, UnitState, systemctl};
use landfall_documents::backups::{BackupTimes, BackupTry};
use landfall_host::command::{CommandRunner, HostCommand, Subprocesses};
use landfall_host::files;

use super::Operations;
use super::backup::{chosen_backup, refuse_without_rules};
use super::error::Result;
use crate::steps::agent::unit_files::BACKUP_LIMITS;
use landfall_site::backups::last_try;

impl Operations {
    /// Returns the times of scheduled backups; `None` if nothing is backed up. Queries systemd, and changes nothing.
    pub fn backup_times(&self) -> Result<Option<BackupTimes>> {
        self.times_by(&Subprocesses)
    }

    fn times_by(&self, commands: &dyn CommandRunner) -> Result<Option<BackupTimes>> {
        let Some(daily) = daily_backup(&self.paths)? else { return Ok(None) };
        let logs = files::read_text(&self.paths.host(FOLDER).join(LOG_BACKUP_TIMER))?;
        let timer = TimerState::of(BACKUP_TIMER, commands);
        Ok(Some(BackupTimes {
            daily: daily.time.strftime("%H:%M").to_string(),
            active: timer.is_active,
            next: next_of(&timer),
            delay_minutes: daily.delay.as_mins(),
            log_minutes: logs.as_deref().and_then(minutes_between),
        }))
    }

    /// Returns the outcome of the latest attempt at a backup outside of an upgrade, if any.
    pub fn last_backup(&self) -> Option<BackupTry> {
        last_try::read_backup(&self.paths)
    }

    /// Returns the outcome of the latest drill that a person requested, if any.
    pub fn last_drill(&self) -> Option<BackupTry> {
        last_try::read_drill(&self.paths)
    }

    /// Returns the latest backup that did not begin because another operation ran; `None` after a later attempt.
    pub fn refused_backup(&self) -> Option<BackupTry> {
        last_try::read_refusal(&self.paths)
    }

    /// Starts the unit of backups; false if it already runs. Its outcome is the latest attempt in the status, or
    /// [`Self::refused_backup`] if another operation began in between. Fails if another operation runs or nothing is
    /// backed up.
    pub fn begin_backup(&self) -> Result<bool> {
        if UnitState::of(BACKUP, &Subprocesses).is_on() {
            return Ok(false);
        }
        self.check_backup()?;
        let start = systemctl(&["start", "--no-block", BACKUP]);
        start.check_output(Subprocesses.run(&start, None))?;
        Ok(true)
    }

    /// Fails unless a backup can begin now. Changes nothing.
    fn check_backup(&self) -> Result<()> {
        let history = self.idle_history()?;
        refuse_without_rules(&self.release_of(self.changeable(&history)?)?)
    }

    /// Begins a drill of the newest backup in a separate unit; false if one already runs. Its outcome is
    /// [`Self::last_drill`]. Fails if another operation runs or the installed release has no backup.
    pub fn begin_drill(&self) -> Result<bool> {
        if UnitState::of(DRILL, &Subprocesses).is_on() {
            return Ok(false);
        }
        self.check_drill()?;
        let start = drill_unit(&self.paths.command().display().to_string());
        start.check_output(Subprocesses.run(&start, None))?;
        Ok(true)
    }

    /// Fails unless a drill of the newest backup can begin now. Changes nothing.
    fn check_drill(&self) -> Result<()> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?;
        refuse_without_rules(&self.release_of(pins)?)?;
        chosen_backup(&self.repository()?, None, pins).map(drop)
    }
}

/// Returns the time when a timer next starts its service, RFC 3339 in UTC.
pub(super) fn next_of(timer: &TimerState) -> Option<String> {
    timer.next.map(|next| format!("{next:.0}"))
}

/// Returns the pause between log backups in minutes, from the text of its timer's unit.
fn minutes_between(unit: &str) -> Option<u32> {
    unit.lines().find_map(|line| line.strip_prefix("OnUnitInactiveSec=")?.strip_suffix("min")?.parse().ok())
}

/// Returns the command for a drill as a transient unit, with the limits of the units of backups.
fn drill_unit(program: &str) -> HostCommand {
    let unit = format!("--unit={DRILL}");
    let begun = HostCommand::new("/usr/bin/systemd-run").arguments([
        unit.as_str(),
        "--quiet",
        "--no-block",
        "--collect",
        "--description=Landfall: a drill of the newest backup",
    ]);
    let limited = begun.arguments(BACKUP_LIMITS.map(|limit| format!("--property={limit}")));
    limited.arguments([program, "drill"])
}

#[cfg(test)]
mod tests {
    use landfall_engine::step::StepError;
    use landfall_error_codes::{CodedError as _, codes};
    use landfall_media::durable;
    use serde_json::json;

    use super::*;
    use crate::operations::install::tests::release;
    use crate::operations::testing::{Systemd, installed_site, operations, with_data};

    #[test]
    fn backup_times_come_from_timers() {
        let (_root, operations) = operations();
        assert_eq!(operations.times_by(&Systemd).unwrap(), None);
        let units = operations.paths.host(FOLDER);
        durable::create_folder(&units).unwrap();
        let daily = units.join(BACKUP_TIMER);
        durable::write_file(&daily, b"[Timer]\nOnCalendar=*-*-* 03:15\n", 0o644).unwrap();
        let times = operations.times_by(&Systemd).unwrap().unwrap();
        assert_eq!((times.active, times.next.as_deref()), (true, Some("2026-11-27T03:15:00Z")), "systemd knows");
        assert_eq!((times.daily.as_str(), times.delay_minutes, times.log_minutes), ("03:15", 0, None));
        let logs = b"[Timer]\nOnActiveSec=4min\nOnUnitInactiveSec=4min\nAccuracySec=10s\n";
        durable::write_file(&units.join(LOG_BACKUP_TIMER), logs, 0o644).unwrap();
        assert_eq!(operations.times_by(&Systemd).unwrap().unwrap().log_minutes, Some(4));
    }

    #[test]
    fn drill_is_noted_beside_backups() {
        let (_root, operations) = operations();
        durable::create_folder(&operations.paths.data()).unwrap();
        assert_eq!(operations.last_drill(), None);
        let error = StepError::new(codes::BACKUP_STREAM, "postgres/database broke off");
        let now = "2026-11-20T08:00:00Z".parse().unwrap();
        last_try::note_drill(&operations.paths, Err(&error), now).unwrap();
        let last = operations.last_drill().unwrap();
        assert_eq!(
            (last.at.as_str(), last.failure.unwrap().what.as_str()),
            ("2026-11-20T08:00:00Z", "postgres/database broke off")
        );
        assert_eq!(last_try::read_backup(&operations.paths), None, "it is no backup");
    }

    #[test]
    fn impossible_drill_is_refused() {
        let fixture = installed_site(&with_data(), json!({}));
        let code = || fixture.operations.check_drill().unwrap_err().code();
        assert_eq!(code(), codes::BACKUP_UNKNOWN);
        let lock = fixture.operations.journals().lock("backup").unwrap();
        assert_eq!(code(), codes::SITE_BUSY);
        drop(lock);
        let without = installed_site(&release(3), json!({}));
        assert_eq!(without.operations.check_drill().unwrap_err().code(), codes::BACKUP_NO_RULES);
    }

    #[test]
    fn impossible_backup_is_refused() {
        let fixture = installed_site(&with_data(), json!({}));
        fixture.operations.check_backup().unwrap();
        let lock = fixture.operations.journals().lock("drill").unwrap();
        let refused = fixture.operations.check_backup().unwrap_err();
        assert_eq!(refused.code(), codes::SITE_BUSY);
        assert!(refused.to_string().contains("drill"), "it names what runs: {refused}");
        drop(lock);
        let without = installed_site(&release(3), json!({}));
        assert_eq!(without.operations.check_backup().unwrap_err().code(), codes::BACKUP_NO_RULES);
    }

    #[test]
    fn drill_unit_runs_site_command() {
        let command = drill_unit("/usr/local/bin/landfall").to_string();
        assert!(command.contains("--unit=landfall-drill.service"), "{command}");
        assert!(command.contains(" --property=Nice=10 ") && command.contains(" --property=UMask=0077 "), "{command}");
        assert!(command.ends_with(" /usr/local/bin/landfall drill"), "{command}");
    }
}
