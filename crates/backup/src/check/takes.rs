//! Mapping from damage to the backups and streams that it affects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustic_core::FileType;
use rustic_core::repofile::{BlobType, SnapshotFile, SnapshotId};

use super::blobs::BadBlobs;
use super::damage::{BackupLoss, Damage, DamageKind, Part};
use super::survey::Survey;
use crate::backup::{Backup, BackupId};
use crate::error::Result;
use crate::folder::View;
use crate::layout::{self, CONFIG};
use crate::ledger::Entry;
use crate::library::IndexedRepository;
use crate::names::StreamName;
use crate::repository::{Repository, latest_of};
use crate::snapshot;
use crate::walk::{self, TreeFile};

/// Streams of one backup, and its time.
#[derive(Default)]
struct Streams {
    time: Option<Timestamp>,
    names: BTreeSet<StreamName>,
}

/// Losses caused by each damaged file.
pub(super) struct Takes {
    /// Backups whose snapshots can be read.
    backups: Vec<(Backup, SnapshotFile)>,
    taken: BTreeMap<PathBuf, BTreeMap<BackupId, Streams>>,
}

/// Placeholder for index files: which of them named a blob that is now in no index is unknown.
const INDEX: &str = "index";

impl Takes {
    /// Reads the snapshots, and attributes losses to lost snapshots and a lost config.
    pub(super) fn begin(repository: &Repository, survey: &mut Survey) -> Result<Self> {
        let mut takes = Self { backups: Vec::new(), taken: BTreeMap::new() };
        if survey.is_readable() {
            takes.read_snapshots(repository, survey)?;
        } else {
            for entry in survey.ledger.iter().flat_map(|ledger| ledger.snapshots.values()) {
                takes.add(Path::new(CONFIG), entry.backup, Some(entry.time), &entry.streams);
            }
        }
        takes.lose_snapshots(survey);
        Ok(takes)
    }

    /// Follows each backup's trees to unreadable blobs.
    pub(super) fn follow(&mut self, indexed: &IndexedRepository, bad: &BadBlobs, survey: &mut Survey) {
        for (backup, snapshot) in std::mem::take(&mut self.backups) {
            let (files, unread) = walk::files(indexed, snapshot.tree);
            for TreeFile { name, content, .. } in &files {
                for id in content {
                    let file = match bad.get(&(BlobType::Data, (*id).into())) {
                        Some(pack) => pack.as_path(),
                        None if indexed.get_index_entry(id).is_ok() => continue,
                        None => Path::new(INDEX),
                    };
                    self.add(file, backup.id, Some(backup.time), std::slice::from_ref(name));
                }
            }
            // The snapshot's description lists what a lost tree contained.
            let is_found = |name: &StreamName| files.iter().any(|file| file.name == *name);
            let lost = backup.streams.iter().map(|stream| stream.name.clone()).filter(|name| !is_found(name));
            let lost: Vec<StreamName> = lost.collect();
            for tree in unread {
                let file = bad.get(&(BlobType::Tree, tree.tree.into())).map_or(Path::new(INDEX), PathBuf::as_path);
                self.add(file, backup.id, Some(backup.time), &lost);
            }
        }
        if self.taken.contains_key(Path::new(INDEX)) && survey.damage.iter().all(|damage| damage.part != Part::Index) {
            survey.note(Part::Index, INDEX.into(), DamageKind::Incomplete);
        }
    }

    /// Returns all damage with its losses, in the order of its files.
    pub(super) fn attribute(self, survey: Survey) -> Vec<Damage> {
        let mut damage = survey.damage;
        for one in &mut damage {
            let file = if one.part == Part::Index { Path::new(INDEX) } else { one.file.as_path() };
            let taken = self.taken.get(file).into_iter().flatten();
            one.takes = taken
                .map(|(backup, Streams { time, names })| BackupLoss {
                    backup: *backup,
                    time: *time,
                    streams: names.iter().cloned().collect(),
                })
                .collect();
            one.takes.sort_by_key(|taken| taken.time);
        }
        damage.sort_by(|one, other| (one.part, &one.file).cmp(&(other.part, &other.file)));
        damage
    }

    fn read_snapshots(&mut self, repository: &Repository, survey: &mut Survey) -> Result<()> {
        let (_, opened) = repository.session(View::default())?;
        for id in survey.snapshots.clone() {
            match opened.get_file::<SnapshotFile>(&SnapshotId::from(id)) {
                Ok(snapshot) => {
                    let snapshot = snapshot::snapshot_with_id(id.into(), snapshot);
                    self.backups.extend(Backup::of(&snapshot).map(|backup| (backup, snapshot)));
                }
                Err(_) => survey.note(Part::Snapshot, layout::relative(FileType::Snapshot, &id), DamageKind::Invalid),
            }
        }
        self.backups = latest_of(std::mem::take(&mut self.backups));
        Ok(())
    }

    /// Attributes the loss of a backup to its lost snapshot, unless another snapshot has it.
    fn lose_snapshots(&mut self, survey: &mut Survey) {
        let found: BTreeSet<BackupId> = self.backups.iter().map(|(backup, _)| backup.id).collect();
        let ledger = survey.ledger.as_ref();
        let mut superseded = Vec::new();
        for damage in survey.damage.iter().filter(|damage| damage.part == Part::Snapshot) {
            let name = damage.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match (ledger.and_then(|ledger| ledger.snapshots.get(name)), name.parse()) {
                (Some(Entry { backup, .. }), _) if found.contains(backup) => superseded.push(damage.file.clone()),
                (Some(Entry { backup, time, streams, .. }), _) => self.add(&damage.file, *backup, Some(*time), streams),
                (None, Ok(backup)) => self.add(&damage.file, backup, None, &[]),
                (None, Err(_)) => {}
            }
        }
        survey.damage.retain(|damage| damage.what != DamageKind::Missing || !superseded.contains(&damage.file));
    }

    fn add(&mut self, file: &Path, backup: BackupId, time: Option<Timestamp>, names: &[StreamName]) {
        let streams = self.taken.entry(file.to_owned()).or_default().entry(backup).or_default();
        streams.time = time;
        streams.names.extend(names.iter().cloned());
    }
}
