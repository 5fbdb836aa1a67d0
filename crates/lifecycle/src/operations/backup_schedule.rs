//! The schedule of backups and drills: the site's settings, the next run by systemd, and the latest outcomes.

use landfall_agent::units::{BACKUP_TIMER, LOG_BACKUP_TIMER, TimerState};
use landfall_backup::Retention;
use landfall_documents::backups::{BackupTry, BackupsStatus};
use landfall_host::command::{CommandRunner, Subprocesses};
use schemars::JsonSchema;
use serde::Serialize;

use landfall_cluster::Edits;

use super::Operations;
use super::backup::refuse_without_rules;
use super::backup_times::next_of;
use super::configure::PreparedConfigure;
use super::error::Result;
use super::secrets::SecretInput;
use super::status::backups_status;
use landfall_site::backups::has_logs;

/// Schedule and retention of backups. A drill proves each daily backup as soon as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledBackups {
    /// Time of the daily backup that the site has set, in the host's time zone, such as `03:15`. It is null if the site
    /// sets none: then the backup begins between 01:30 and 02:30.
    pub time: Option<String>,
    /// True if the timer of the daily backup is active.
    pub active: bool,
    /// Start of the next daily backup, RFC 3339 in UTC; null if the timer is not active.
    pub next: Option<String>,
    /// True if the timer of log backups, every four minutes, is active; null if the release or the site has no points
    /// in time.
    pub logs_active: Option<bool>,
    /// Numbers of kept backups.
    pub keep: KeptBackups,
    /// Status of the latest backups; null before the first attempt.
    pub backups: Option<BackupsStatus>,
    /// Latest backup that did not begin because another operation ran; absent after a later attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<BackupTry>,
}

/// Numbers of kept backups: the newest of each hour, day, week and month (UTC) with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptBackups {
    /// Number of hours with a backup.
    pub hourly: u16,
    /// Number of days with a backup.
    pub daily: u16,
    /// Number of weeks (ISO 8601) with a backup.
    pub weekly: u16,
    /// Number of months with a backup.
    pub monthly: u16,
    /// Number of days in which every point in time can be restored, for components with a log.
    pub point_in_time_days: u16,
}

impl From<Retention> for KeptBackups {
    fn from(retention: Retention) -> Self {
        let Retention { hourly, daily, weekly, monthly, log_days } = retention;
        Self { hourly, daily, weekly, monthly, point_in_time_days: log_days }
    }
}

impl Operations {
    /// Returns the schedule of the installed release's backups. Queries systemd, and changes nothing.
    pub fn backup_schedule(&self) -> Result<ScheduledBackups> {
        self.schedule_by(&Subprocesses)
    }

    fn schedule_by(&self, commands: &dyn CommandRunner) -> Result<ScheduledBackups> {
        let history = self.history()?;
        let pins = self.changeable(&history)?;
        let release = self.release_of(pins)?;
        refuse_without_rules(&release)?;
        let settings = &pins.settings.backups;
        let timer = TimerState::of(BACKUP_TIMER, commands);
        let logs = has_logs(&release.release, settings).then(|| TimerState::of(LOG_BACKUP_TIMER, commands));
        Ok(ScheduledBackups {
            time: settings.time.map(|time| time.to_string()),
            active: timer.is_active,
            next: next_of(&timer),
            logs_active: logs.map(|logs| logs.is_active),
            keep: settings.retention().into(),
            backups: backups_status(&self.paths, &settings.copy_places()),
            last_refusal: self.refused_backup(),
        })
    }

    /// Plans a change of the daily backup's time: such as `03:15` in the host's time zone, or `default`. All other
    /// settings stay. Changes nothing.
    pub fn prepare_backup_time(&self, time: &str) -> Result<PreparedConfigure<'_>> {
        let prepared = self.at_backup_time(time)?;
        refuse_without_rules(prepared.release())?;
        Ok(prepared)
    }

    fn at_backup_time(&self, time: &str) -> Result<PreparedConfigure<'_>> {
        self.prepare_settings(Edits::Refuse, SecretInput::none(), |present, _| Ok(present.with_backup_time(time)?))
    }
}

#[cfg(test)]
mod tests {
    use landfall_engine::step::StepError;
    use landfall_error_codes::{CodedError, codes};
    use landfall_media::durable;
    use landfall_site::backups::last_try;
    use serde_json::json;

    use super::*;
    use crate::operations::install::tests::release;
    use crate::operations::testing::{Systemd, installed_site, with_data};
    use landfall_site::configuration::ChangedValues;
    use landfall_site::site_secrets::NO_SECRETS;

    #[test]
    fn schedule_reports_settings_next_and_latest() {
        let fixture = installed_site(&with_data(), json!({ "time": "03:15", "keep": { "daily": 14, "monthly": 6 } }));
        let schedule = fixture.operations.schedule_by(&Systemd).unwrap();
        let keep = KeptBackups { hourly: 0, daily: 14, weekly: 0, monthly: 6, point_in_time_days: 7 };
        assert_eq!((schedule.time.as_deref(), schedule.active), (Some("03:15"), true));
        assert_eq!((schedule.next.as_deref(), schedule.keep), (Some("2026-11-27T03:15:00Z"), keep));
        assert_eq!((schedule.logs_active, schedule.backups), (None, None), "no log, and no try yet");
        let tried = br#"{"at": "2026-11-26T03:16:00Z", "succeeded": "2026-11-26T03:16:00Z"}"#;
        durable::write_file(&fixture.operations.paths.backup_try(), tried, 0o600).unwrap();
        let schedule = fixture.operations.schedule_by(&Systemd).unwrap();
        let last = schedule.backups.and_then(|backups| backups.last_try).unwrap();
        assert_eq!(last.succeeded.as_deref(), Some("2026-11-26T03:16:00Z"));
        assert_eq!(schedule.last_refusal, None);
        let busy = StepError::new(codes::SITE_BUSY, "an upgrade runs");
        last_try::note_refusal(&fixture.operations.paths, &busy, "2026-11-26T09:00:00Z".parse().unwrap()).unwrap();
        let refused = fixture.operations.schedule_by(&Systemd).unwrap().last_refusal.unwrap();
        assert_eq!(refused.failure.unwrap().code, codes::SITE_BUSY);
    }

    #[test]
    fn schedule_names_interrupted_drill() {
        let fixture = installed_site(&with_data(), json!({}));
        let paths = &fixture.operations.paths;
        durable::create_folder(&paths.backup_repository()).unwrap();
        durable::write_file(&paths.drill_running(), br#"{"at": "2026-11-26T09:00:00Z", "pid": 1, "boot": "x"}"#, 0o600)
            .unwrap();
        let backups = fixture.operations.schedule_by(&Systemd).unwrap().backups.unwrap();
        let failure = backups.last_drill.and_then(|last| last.failure).unwrap();
        assert_eq!(failure.code, codes::BACKUP_INTERRUPTED);
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let fixture = installed_site(&release(3), json!({ "copies": ["/mnt/vault"] }));
        let operations = &fixture.operations;
        let journals = operations.journals().list().unwrap().len();
        let code = |time: &str| operations.prepare_backup_time(time).err().unwrap().code();
        assert_eq!(operations.schedule_by(&Systemd).err().unwrap().code(), codes::BACKUP_NO_RULES);
        assert_eq!(code("03:15"), codes::BACKUP_NO_RULES);
        // The console changes it together with values, and gets the same reasons.
        let sent = |time: &str| {
            let none = ChangedValues::new();
            operations.prepare_values(&none, Some(time), &NO_SECRETS, Edits::Refuse).err().unwrap().code()
        };
        assert_eq!(sent("03:15"), codes::BACKUP_NO_RULES);
        for time in ["", "25:00", "nightly"] {
            assert_eq!((code(time), sent(time)), (codes::SITE_VALUE, codes::SITE_VALUE), "{time}");
        }
        let lock = operations.journals().lock("backup").unwrap();
        assert_eq!(code("03:15"), codes::SITE_BUSY);
        drop(lock);
        assert_eq!(operations.journals().list().unwrap().len(), journals);
    }

    #[test]
    fn only_new_time_is_a_change() {
        let fixture = installed_site(&release(3), json!({ "copies": ["/mnt/vault"] }));
        let prepare = |time: &str| {
            let change = fixture.operations.at_backup_time(time).unwrap();
            let settings = change.settings().iter();
            let changed = settings.map(|setting| (setting.setting.clone(), setting.to.clone())).collect::<Vec<_>>();
            (changed, change.plan().all().count())
        };
        let (changed, steps) = prepare("03:15");
        // In this fixture, no step has made the timer, so all settings are new to it.
        assert!(changed.contains(&("backups.time".to_owned(), Some("03:15".into()))), "{changed:?}");
        assert_eq!(steps, 1);
        assert!(prepare("default").0.iter().all(|(setting, _)| setting != "backups.time"));
    }
}
