//! Checks before the commit of a restore that the restored data is the saved data.

use landfall_backup::OpenBackup;
use landfall_error_codes::codes;
use landfall_media::progress::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use landfall_engine::step::{ObservedState, Step, StepError};

use super::load::BackupStream;
use crate::context::Site;
use landfall_site::backups::check::{CheckSubject, check};
use landfall_site::backups::cut_of;
use landfall_site::backups::load::size_bytes;
use landfall_site::backups::{SavedStream, counts};
use landfall_site::pods::ready_container;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRestored {
    /// The loaded stream.
    pub stream: BackupStream,
}

impl CheckRestored {
    /// Returns true if the data is as of the cut of its backup: by its log, or because its writers were held.
    fn is_at_the_cut(&self, backup: &OpenBackup, saved: &SavedStream) -> bool {
        let cut = cut_of(backup.backup()).and_then(|cut| cut.time_of(&saved.name()));
        let Some(cut) = cut else { return false };
        match &self.stream.recovery {
            Some(recovery) => recovery.to == cut,
            None => saved.rule.log.is_none(),
        }
    }
}

impl Step<Site> for CheckRestored {
    /// Checks from before a power cut say nothing about the data after it.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let (cluster, (backup, saved)) = (site.cluster.connect()?, self.stream.open(site)?);
        let counted =
            if self.is_at_the_cut(&backup, &saved) { counts::of(&backup)?.remove(&saved.name()) } else { None };
        // A backup that was interrupted later may have written a newer marker.
        let saved = if self.stream.recovery.is_some() { SavedStream { word: None, ..saved } } else { saved };
        let rule = &saved.rule;
        let container = ready_container(&cluster, &saved.namespace, &rule.workload, rule.container.as_deref());
        let container = container
            .map_err(|error| StepError::new(codes::BACKUP_POD, "restored data cannot be checked").because(error))?;
        let loaded_bytes = size_bytes(backup.backup(), &saved).unwrap_or(0);
        let restored = CheckSubject { saved: &saved, at: &container, counted: counted.as_ref(), loaded_bytes };
        let results = check(&cluster, &restored);
        for result in &results {
            let Some(failure) = &result.failure else {
                site.progress.event(Event::Note(format!("{}: {}", saved.name(), result.shows)));
                continue;
            };
            let (expected, found) = (&failure.expected, &failure.found);
            // Clients may have written since the start, so different counts are only noted. A drill has no clients and
            // would fail.
            if result.is_of_counts() {
                let what = if result.counts_differ() {
                    format!("at the cut of the backup, {expected} was counted; now it is {found}")
                } else {
                    format!("the restored data is not counted: {found}")
                };
                site.progress.event(Event::Note(format!("{}: {what}", saved.name())));
                continue;
            }
            let what = format!("{}: {}: expected {expected}; found {found}", saved.name(), result.shows);
            return Err(StepError::new(codes::RESTORE_CHECK, what));
        }
        Ok(json!({"checks": results.len()}))
    }

    fn undo(&self, _site: &mut Site, _before: &Value) -> Result<(), StepError> {
        Ok(())
    }
}
