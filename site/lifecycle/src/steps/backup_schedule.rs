//! The backup of each day: a timer of systemd, in a site whose release declares what is saved.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{Agent, unit_files};
use crate::backups::has_rules;
use crate::configuration::BackupSettings;
use crate::site::Site;
use landfall_agent::units::{BACKUP, BACKUP_TIMER, systemctl};
use landfall_engine::step::{Observed, Step, StepError};
use landfall_host::files;
use landfall_host::files::OwnFile;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// What the site sets. The timer has the time; the backup itself reads the rest.
    pub settings: BackupSettings,
}

impl BackupSchedule {
    fn files(&self, site: &Site) -> Vec<OwnFile> {
        unit_files::backup_files(site, &Agent::program(site), self.settings.time)
    }
}

impl Step<Site> for BackupSchedule {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        if !has_rules(&site.release) {
            // An earlier release may have left a timer.
            let is_left = unit_files::path(site, BACKUP_TIMER).exists();
            return Ok(if is_left { Observed::Partial(format!("{BACKUP_TIMER} exists")) } else { Observed::Done });
        }
        let observed = files::observe(&self.files(site))?;
        if observed != Observed::Done {
            return Ok(observed);
        }
        Ok(Agent::lack(site, BACKUP_TIMER).map_or(Observed::Done, Observed::Partial))
    }

    fn prepare(&self, _site: &mut Site) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        if !has_rules(&site.release) {
            return self.undo(site, before).map(|()| Value::Null);
        }
        files::write(&self.files(site))?;
        site.run(&systemctl(&["daemon-reload"]))?;
        site.run(&systemctl(&["enable", BACKUP_TIMER]))?;
        site.run(&systemctl(&["restart", BACKUP_TIMER]))?;
        site.sync_filesystem(&site.paths.host("/etc"))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        if unit_files::path(site, BACKUP_TIMER).exists() {
            site.run(&systemctl(&["disable", BACKUP_TIMER]))?;
            site.run(&systemctl(&["stop", BACKUP_TIMER]))?;
        }
        files::remove(&self.files(site))?;
        site.run(&systemctl(&["daemon-reload"]))?;
        // Nothing to reset if none has failed.
        let _ = site.run(&systemctl(&["reset-failed", BACKUP]));
        Ok(())
    }
}
