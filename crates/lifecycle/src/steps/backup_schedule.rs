//! Timers of the daily backup and of log backups, on a site whose release declares backup rules.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{Agent, unit_files};
use crate::context::NodeContext;
use landfall_agent::units::{BACKUP, BACKUP_TIMER, LOG_BACKUP, LOG_BACKUP_TIMER, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::files::OwnFile;
use landfall_site::backups::{LogRecords, has_logs, has_rules};
use landfall_site::configuration::BackupSettings;

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
    fn exists(&self, context: &NodeContext) -> bool {
        unit_files::path(context, self.name).exists()
    }

    fn observe(&self, context: &NodeContext) -> Result<ObservedState, StepError> {
        if !self.is_wanted {
            // An earlier release or earlier settings may have left it.
            let is_left = self.exists(context);
            return Ok(if is_left {
                ObservedState::Partial(format!("{} exists", self.name))
            } else {
                ObservedState::Done
            });
        }
        match files::observe(&self.files)? {
            ObservedState::Done => {
                Ok(Agent::lack(context, self.name).map_or(ObservedState::Done, ObservedState::Partial))
            }
            other => Ok(other),
        }
    }

    fn start(&self, context: &NodeContext) -> Result<(), StepError> {
        files::write(&self.files)?;
        context.host.run(&systemctl(&["daemon-reload"]))?;
        context.host.run(&systemctl(&["enable", self.name]))?;
        context.host.run(&systemctl(&["restart", self.name]))?;
        Ok(())
    }

    fn remove(&self, context: &NodeContext) -> Result<(), StepError> {
        if self.exists(context) {
            context.host.run(&systemctl(&["disable", self.name]))?;
            context.host.run(&systemctl(&["stop", self.name]))?;
            // A service that just started must not write while its folders are removed.
            context.host.run(&systemctl(&["stop", self.service]))?;
        }
        files::remove(&self.files)?;
        context.host.run(&systemctl(&["daemon-reload"]))?;
        // systemd has nothing to reset if the unit has not failed.
        let _ = context.host.run(&systemctl(&["reset-failed", self.service]));
        Ok(())
    }
}

impl BackupSchedule {
    fn timers(&self, context: &NodeContext) -> [Timer; 2] {
        let program = Agent::program(context);
        [
            Timer {
                name: BACKUP_TIMER,
                service: BACKUP,
                is_wanted: has_rules(&context.releases.own.release),
                files: unit_files::backup_files(context, &program, self.settings.time),
            },
            Timer {
                name: LOG_BACKUP_TIMER,
                service: LOG_BACKUP,
                is_wanted: has_logs(&context.releases.own.release, &self.settings),
                files: unit_files::log_backup_files(context, &program),
            },
        ]
    }
}

impl Step<NodeContext> for BackupSchedule {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let [nightly, logs] = self.timers(context).map(|timer| timer.observe(context));
        Ok(match (nightly?, logs?) {
            (ObservedState::Done, other) | (other, _) if other != ObservedState::Absent => other,
            (ObservedState::Done, ObservedState::Absent) => {
                ObservedState::Partial(format!("{LOG_BACKUP_TIMER} is missing"))
            }
            _ => ObservedState::Absent,
        })
    }

    fn prepare(&self, _context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        for timer in self.timers(context) {
            if timer.is_wanted { timer.start(context)? } else { timer.remove(context)? }
        }
        if !has_logs(&context.releases.own.release, &self.settings) {
            // Without log backups, no later point in time can be restored.
            LogRecords::of(&context.host.paths).end_all()?;
        }
        context.host.sync_filesystem(&context.host.paths.host("/etc"))?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        self.timers(context).iter().try_for_each(|timer| timer.remove(context))?;
        LogRecords::of(&context.host.paths).end_all()
    }
}
