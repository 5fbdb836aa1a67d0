//! Restore from a copy: first copies the backup to the site's own repository. The restore can then be continued and
//! undone without access to the copies.

use std::path::Path;

use landfall_media::progress::Event;

use super::Operations;
use super::error::Result;
use super::restore::RestoreRequest;
use super::restore_choice::RestoreChoice;
use landfall_site::backups::{BackupFolder, summarize, unusable};

impl Operations {
    /// Copies the backup that a request chooses among the copies in this place, with its log backups, to the site's own
    /// repository. Returns the request for it. Existing data is not copied again. On the disk on return. The site's
    /// data is unchanged.
    pub fn take_from_copy(&self, place: &Path, request: &RestoreRequest) -> Result<RestoreRequest> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?;
        let copies = self.copies(pins).open(place)?;
        let choice = RestoreChoice::of(&copies, Vec::new(), request, pins)?;
        let backup = summarize(&choice.backup);
        let text = format!("copying backup {} of {} from {}", backup.short_id(), backup.time, place.display());
        self.progress.event(Event::Note(text));
        let own = BackupFolder::of(&self.paths).open_or_create()?;
        copies.copy_all_to(&choice.ids(), &own).map_err(unusable)?;
        Ok(RestoreRequest { backup: Some(backup.id), ..request.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use landfall_backup::{BackupKind, NewBackup, Proof, Retention};
    use landfall_media::durable;
    use serde_json::json;

    use super::*;
    use crate::operations::testing::{installed_site, other_disk, with_data};

    #[test]
    fn backup_returns_from_copy() {
        let (fixture, disk) = (installed_site(&with_data(), json!({})), other_disk());
        let operations = &fixture.operations;
        let history = operations.history().unwrap();
        let pins = operations.changeable(&history).unwrap();
        durable::create_folder(&operations.paths.data()).unwrap();
        let uuid = "00000000-0000-0000-0000-000000000007\n";
        durable::write_file(&operations.paths.data_uuid(), uuid.as_bytes(), 0o644).unwrap();
        let own = BackupFolder::of(&operations.paths).open_or_create().unwrap();
        let manifest = json!({"schema": 1, "release": pins.release, "version": pins.version, "streams": []});
        let documents = vec![("LANDFALL/manifest.json".parse().unwrap(), manifest.to_string().into_bytes())];
        let facts = [("release", &pins.release), ("version", &pins.version)];
        let facts = facts.map(|(key, value)| (key.to_owned(), value.clone())).into();
        let facts: BTreeMap<String, String> = facts;
        let proven = |at: &str| {
            let (kind, time) = (BackupKind::Full, at.parse().unwrap());
            let (facts, documents) = (facts.clone(), documents.clone());
            let saved = own.save(NewBackup { kind, time, facts, streams: Vec::new(), documents }).unwrap();
            own.mark_proven(saved.id, Proof { time, report: String::new() }).unwrap()
        };
        let first = proven("2026-11-20T02:00:00Z");
        operations.copies(pins).bring_up_to_date(&own, disk.path()).unwrap();
        let second = proven("2026-11-21T02:00:00Z");
        own.forget(Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 0 }).unwrap();
        assert_eq!(own.backups().unwrap(), std::slice::from_ref(&second));

        let request = operations.take_from_copy(disk.path(), &RestoreRequest::default()).unwrap();
        assert_eq!(request.backup, Some(first.id.to_string()), "the newest proven one of the copies");
        let both = [first, second];
        assert_eq!(own.backups().unwrap(), both);
        operations.take_from_copy(disk.path(), &request).unwrap();
        assert_eq!(own.backups().unwrap(), both, "once");
    }
}
