//! Marks of a backup with the verdict of a drill: proven, or disproved. The mark is a tag of the snapshot, so restic
//! shows and copies it, and it is encrypted and authenticated like the backup itself.

use crate::backup::{Backup, BackupId, Proof};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::library;
use crate::repository::Repository;
use crate::snapshot;

impl Repository {
    /// Marks a backup as proven, replacing the mark of an earlier drill. The marked snapshot is durable before the
    /// unmarked one is removed: a power cut leaves both, which are the same backup.
    pub fn mark_proven(&self, id: BackupId, proof: Proof) -> Result<Backup> {
        self.mark(id, |backup| Backup { proof: Some(proof), disproof: None, ..backup })
    }

    /// Marks a backup as disproved, because a check of its drill failed. Replaces the mark of an earlier drill, as
    /// [`Repository::mark_proven`] does.
    pub fn mark_disproved(&self, id: BackupId, disproof: Proof) -> Result<Backup> {
        self.mark(id, |backup| Backup { proof: None, disproof: Some(disproof), ..backup })
    }

    fn mark(&self, id: BackupId, verdict: impl FnOnce(Backup) -> Backup) -> Result<Backup> {
        let mut change = Change::begin(self)?;
        let (backup, old) = self.find(id)?;
        let mut marked = old.clone();
        marked.original.get_or_insert(old.id);
        snapshot::clear_verdict(&mut marked);
        let backup = verdict(backup);
        backup.describe(&mut marked)?;
        let (folder, opened) = self.session(View::default())?;
        let failure = |error| library::failure(&folder, "mark a backup with the result of a drill", error);
        opened.save_snapshots(vec![marked]).map_err(failure)?;
        let new = folder.last_snapshot().ok_or_else(|| BackupError::Bug("no snapshot was written".to_owned()))?.into();
        change.add(new, &backup)?;
        if new != old.id {
            change.remove(&[old.id])?;
            opened.delete_snapshots(&[old.id]).map_err(failure)?;
        }
        change.finish()?;
        Ok(backup)
    }
}
