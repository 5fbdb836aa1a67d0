//! Begins new points in time, with a new backup, after the commit of a change of release or data.
//!
//! Earlier logs belong to data that no longer exists.

use landfall_engine::causes::with_causes;
use landfall_media::progress::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::back_up::saving;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::backups::{BackupFolder, LogRecords, NextOfBackup, Reason};
use landfall_site::configuration::BackupSettings;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginLogs {
    /// The site's settings of backups.
    #[serde(default, skip_serializing_if = "BackupSettings::is_default")]
    pub settings: BackupSettings,
    /// Streams whose data was replaced, as `COMPONENT/RULE`.
    pub streams: Vec<String>,
}

impl BeginLogs {
    fn back_up(&self, site: &Site) -> Result<String, StepError> {
        let (cluster, own) = (site.cluster.connect()?, site.releases.own.clone());
        let repository = BackupFolder::of(&site.data.paths).open_or_create()?;
        let why = (Reason::Change, NextOfBackup::Nothing);
        // A failed stream was noted: its points in time begin with the next backup.
        let saved = saving(site, &cluster, &own, &self.settings, why)?.save(&repository)?;
        Ok(saved.backup.id.to_string())
    }
}

impl Step<Site> for BeginLogs {
    /// Only `act` knows whether a backup was made for this change.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    /// Does not fail if no backup can be made, because the change is committed. Points in time then begin with the next
    /// night's backup.
    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        {
            let records = LogRecords::of(&site.data.paths);
            let _lock = records.lock()?;
            records.end(&self.streams)?;
        }
        match self.back_up(site) {
            Ok(backup) => Ok(json!({"backup": backup})),
            Err(error) => {
                let text = format!("points in time begin with the next backup: {}", with_causes(&error));
                site.progress.event(Event::Note(text));
                Ok(Value::Null)
            }
        }
    }

    /// A step after the commit is never undone.
    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
