//! Timers of the daily backup and of log backups, on a site whose release declares backup rules.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{Agent, unit_files};
use crate::backups::{LogRecords, has_logs, has_rules};
use crate::configuration::BackupSettings;
use crate::site::Site;
use landfall_agent::units::{BACKUP, BACKUP_TIMER, LOG_BACKUP, LOG_BACKUP_TIMER, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::files::OwnFile;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// The site's settings. The timers use the times; backups read the rest themselves.
    pub settings: BackupSettings,
}

/// A timer and the service that it starts.
struct Timer {
    name: &'static str,
    service: &'static str,
    /// True if the release and the site require it.
    is_wanted: bool,
    files: Vec<OwnFile>,
}

impl Timer {
    fn exists(&self, site: &Site) -> bool {
        unit_files::path(site, self.name).exists()
    }

    fn observe(&self, site: &Site) -> Result<ObservedState, StepError> {
        if !self.is_wanted {
            // An earlier release or earlier settings may have left it.
            let is_left = self.exists(site);
            return Ok(if is_left {
                ObservedState::Partial(format!("{} exists", self.name))
            } else {
                ObservedState::Done
            });
        }
        match files::observe(&self.files)? {
            ObservedState::Done => Ok(Agent::lack(site, self.name).map_or(ObservedState::Done, ObservedState::Partial)),
            other => Ok(other),
        }
    }

    fn start(&self, site: &Site) -> Result<(), StepError> {
        files::write(&self.files)?;
        site.run(&systemctl(&["daemon-reload"]))?;
        site.run(&systemctl(&["enable", self.name]))?;
        site.run(&systemctl(&["restart", self.name]))?;
        Ok(())
    }

    fn remove(&self, site: &Site) -> Result<(), StepError> {
        if self.exists(site) {
            site.run(&systemctl(&["disable", self.name]))?;
            site.run(&systemctl(&["stop", self.name]))?;
            // A service that just started must not write while its folders are removed.
            site.run(&systemctl(&["stop", self.service]))?;
        }
        files::remove(&self.files)?;
        site.run(&systemctl(&["daemon-reload"]))?;
        // systemd has nothing to reset if the unit has not failed.
        let _ = site.run(&systemctl(&["reset-failed", self.service]));
        Ok(())
    }
}

impl BackupSchedule {
    fn timers(&self, site: &Site) -> [Timer; 2] {
        let program = Agent::program(site);
        [
            Timer {
                name: BACKUP_TIMER,
                service: BACKUP,
                is_wanted: has_rules(&site.release),
                files: unit_files::backup_files(site, &program, self.settings.time),
            },
            Timer {
                name: LOG_BACKUP_TIMER,
                service: LOG_BACKUP,
                is_wanted: has_logs(&site.release, &self.settings),
                files: unit_files::log_backup_files(site, &program),
            },
        ]
    }
}

impl Step<Site> for BackupSchedule {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let [nightly, logs] = self.timers(site).map(|timer| timer.observe(site));
        Ok(match (nightly?, logs?) {
            (ObservedState::Done, other) | (other, _) if other != ObservedState::Absent => other,
            (ObservedState::Done, ObservedState::Absent) => {
                ObservedState::Partial(format!("{LOG_BACKUP_TIMER} is missing"))
            }
            _ => ObservedState::Absent,
        })
    }

    fn prepare(&self, _site: &mut Site) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        for timer in self.timers(site) {
            if timer.is_wanted { timer.start(site)? } else { timer.remove(site)? }
        }
        if !has_logs(&site.release, &self.settings) {
            // Without log backups, no later point in time can be restored.
            LogRecords::of(&site.paths).end_all()?;
        }
        site.sync_filesystem(&site.paths.host("/etc"))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        self.timers(site).iter().try_for_each(|timer| timer.remove(site))?;
        LogRecords::of(&site.paths).end_all()
    }
}
