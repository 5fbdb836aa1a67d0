//! Storing a backup: its data first, then the trees that name it, then the snapshot, each durable before the next.

mod feed;
mod sealed;
mod trees;
mod written;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use jiff::Timestamp;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, ParentOptions, RusticResult};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::feed::{FeedError, Source};
use self::written::Written;
use crate::backup::{self, Backup, BackupId, BackupKind, Stream};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::library::{self, Opened};
use crate::names::{self, StreamName};
use crate::repository::Repository;

/// What a backup will hold.
pub struct NewBackup<'a> {
    /// What it is.
    pub kind: BackupKind,
    /// When its data is read.
    pub time: Timestamp,
    /// What to note about it, such as the release: restic shows it as tags. Names have lower-case letters, digits and
    /// `-`, values no comma.
    pub facts: BTreeMap<String, String>,
    /// Data that is read once, from its beginning to its end. Streams are read one after another, in this order: the first
    /// read of one comes after the end of the one before.
    pub streams: Vec<(StreamName, &'a mut dyn Read)>,
    /// Small documents.
    pub documents: Vec<(StreamName, Vec<u8>)>,
}

/// The path that every snapshot names: restic groups snapshots by it.
const SNAPSHOT_PATH: &str = "/";

/// Processors that storing uses. The library holds two blobs for each, up to 1 MiB each: with few of them, its memory is
/// bounded on large hosts, too.
const CORES: usize = 8;

impl Repository {
    /// Stores a backup. When this returns, all of it is on the disk; if it fails, no backup was made, and older ones are
    /// as they were. Data that an earlier backup has is not stored again. One that would leave less of the filesystem free than the
    /// repository's reserve is stopped ([`BackupError::NoRoom`]), and what was written of it is removed.
    ///
    /// Memory is bounded: no stream is held or staged as a whole.
    pub fn save(&self, new: NewBackup<'_>) -> Result<Backup> {
        self.save_and_note(new, BTreeMap::new)
    }

    /// The same, with more facts, which are asked for when every stream was read to its end.
    pub fn save_and_note(
        &self,
        new: NewBackup<'_>,
        noted: impl FnOnce() -> BTreeMap<String, String>,
    ) -> Result<Backup> {
        let (streams, documents) =
            (new.streams.iter().map(|(name, _)| name), new.documents.iter().map(|(name, _)| name));
        names::refuse_clashes(streams.chain(documents))?;
        let mut snapshot = backup::new_snapshot(self.site(), new.kind, new.time, &new.facts)?;
        let mut change = Change::begin(self)?;
        backup::add_sequence(&mut snapshot, change.next_sequence()?);
        let before = Written::of(self)?;
        let sources = Source::in_order(new.streams, new.documents);
        match self.store_everything(snapshot, sources, new.time, noted) {
            Ok((snapshot, backup)) => {
                change.add(snapshot.id, &backup)?;
                change.finish()?;
                Ok(backup)
            }
            Err(error) => {
                // The next backup would use what is stored already, but a full disk is needed by whatever else runs.
                if error.is_out_of_room()
                    && let Err(failed) = before.remove_later(self).and_then(|()| change.finish())
                {
                    tracing::warn!(%failed, "parts of a backup that was stopped are still stored");
                }
                Err(error)
            }
        }
    }

    /// Stores everything, the snapshot last.
    fn store_everything(
        &self,
        snapshot: SnapshotFile,
        sources: Vec<Source<'_>>,
        time: Timestamp,
        noted: impl FnOnce() -> BTreeMap<String, String>,
    ) -> Result<(SnapshotFile, Backup)> {
        let (mut snapshot, mut streams) = self.archive(snapshot, sources)?;
        backup::add_facts(&mut snapshot, &noted())?;
        snapshot.tree = trees::of_streams(self, snapshot.tree, &streams, time)?;
        streams.sort_by(|one, other| one.name.cmp(&other.name));
        self.store_snapshot(snapshot, streams)
    }

    /// Stores the data of all sources, but no snapshot. A source that fails leaves data that the next backup uses or the
    /// next prune removes.
    fn archive(&self, snapshot: SnapshotFile, sources: Vec<Source<'_>>) -> Result<(SnapshotFile, Vec<Stream>)> {
        let view = View { holds_snapshots: true, reserve: self.reserve(), ..self.view_of_whole_indexes()? };
        let (folder, opened) = self.session(view)?;
        let (feeds, entries) = feed::connect(sources);
        let (fed, archived) = std::thread::scope(|scope| {
            let archiver = scope.spawn(move || {
                use_few_cores();
                archive_entries(opened, &entries, snapshot)
            });
            // What is not fed to its end is dropped here, so that the archiver ends in any case.
            (feed::feed_all(feeds), archiver.join())
        });
        let archived = archived.map_err(|_| BackupError::Bug("the archiver panicked".to_owned()))?;
        let stored = match (fed, archived) {
            (Err(FeedError::Stream { name, source }), _) => Err(BackupError::Stream { name, source }),
            (_, Err(error)) => Err(library::failure(&folder, "store a backup", error)),
            (Err(FeedError::Stopped(name)), Ok(_)) => {
                let lost = format!("the stream {name} was not stored to its end");
                Err(folder.take_failure().unwrap_or(BackupError::Bug(lost)))
            }
            (Ok(streams), Ok(snapshot)) => Ok((snapshot, streams)),
        };
        stored.inspect_err(|_| folder.close())
    }

    /// Makes the backup one that counts.
    fn store_snapshot(&self, mut snapshot: SnapshotFile, streams: Vec<Stream>) -> Result<(SnapshotFile, Backup)> {
        let not_ours = || BackupError::Bug("the new snapshot is not a backup".to_owned());
        let mut backup = Backup::of(&snapshot).ok_or_else(not_ours)?;
        backup.streams = streams;
        backup.ended = Some(Timestamp::now());
        backup.describe(&mut snapshot)?;
        let (folder, opened) = self.session(View::default())?;
        let saved = opened.save_snapshots(vec![snapshot.clone()]);
        saved.map_err(|error| library::failure(&folder, "store a snapshot", error))?;
        let id = folder.last_snapshot().ok_or_else(|| BackupError::Bug("no snapshot was written".to_owned()))?;
        backup.id = BackupId::of(id);
        Ok((backup::identified(id.into(), snapshot), backup))
    }
}

fn archive_entries(opened: Opened, entries: &feed::Entries, snapshot: SnapshotFile) -> RusticResult<SnapshotFile> {
    let indexed = opened.to_indexed_ids()?;
    let options = BackupOptions::default().parent_opts(ParentOptions::default().force(true)).no_scan(true);
    indexed.archive(&options, entries, snapshot, &[PathBuf::from(SNAPSHOT_PATH)])
}

/// Limits this thread, and those that it will start, to some of its processors. Best effort: more of them cost memory.
pub(crate) fn use_few_cores() {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let mut few = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).take(CORES) {
        few.set(core);
    }
    if let Err(error) = sched_setaffinity(None, &few) {
        tracing::debug!(%error, "a backup is stored on all processors");
    }
}
