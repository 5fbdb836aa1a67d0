//! Storing a backup: its data first, then the trees that name it, then the snapshot, each durable before the next.

mod feed;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use jiff::Timestamp;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, ParentOptions, RusticResult};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub use self::feed::FailedStream;
use self::feed::{Fed, Source, Stopped};
use crate::backup::{self, Backup, BackupId, BackupKind, Stream};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::library::{self, Opened};
use crate::names::{self, StreamName};
use crate::repository::Repository;
use crate::writers::Writers;
use crate::written::Written;

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
        self.save_what_is_read(new, |failed| failed.into_iter().next().map_or_else(|| Ok(BTreeMap::new()), Err))
    }

    /// The same, but a stream that fails keeps no other from being stored. When every stream was read to its end or failed, `judge` gets
    /// those that failed, in order: it returns more facts, or the failure for which no backup is made.
    pub fn save_what_is_read(
        &self,
        new: NewBackup<'_>,
        judge: impl FnOnce(Vec<FailedStream>) -> Result<BTreeMap<String, String>, FailedStream>,
    ) -> Result<Backup> {
        let (streams, documents) =
            (new.streams.iter().map(|(name, _)| name), new.documents.iter().map(|(name, _)| name));
        names::refuse_clashes(streams.chain(documents))?;
        let snapshot = backup::new_snapshot(self.site(), new.kind, new.time, &new.facts)?;
        let (_writers, begun) = self.begin(new.kind)?;
        let sources = Source::in_order(new.streams, new.documents);
        let stored = self.archive(&begun, snapshot, sources).and_then(|(mut snapshot, fed)| {
            backup::add_facts(&mut snapshot, &judge(fed.failed)?)?;
            self.publish(&begun, snapshot, fed.whole, new.time)
        });
        // The next backup would use what is stored already, but a full disk is needed by whatever else runs.
        if let Err(error) = &stored
            && error.is_out_of_room()
            && let Err(failed) = begun.written.remove(self)
        {
            tracing::warn!(%failed, "parts of a backup that was stopped are still stored");
        }
        stored
    }

    /// Waits until the backup may be stored. One of all data uses what earlier ones have, if that is whole. So it begins alone, lets damaged
    /// data no longer count, and gets its number: log backups that are stored meanwhile come after it. A log backup looks for nothing that
    /// is stored, so that it costs the same however many there are.
    fn begin(&self, kind: BackupKind) -> Result<(Writers, Begun)> {
        let written = Written::default();
        if kind == BackupKind::Log {
            return Ok((Writers::beside_others(self)?, Begun { written, hidden: None, sequence: None }));
        }
        let writers = Writers::alone(self)?;
        self.store().remove_leftovers()?;
        self.mend()?;
        let mut change = Change::begin(self)?;
        let sequence = change.next_sequence()?;
        change.skip_sequence(sequence)?;
        change.finish()?;
        let hidden = self.view_of_whole_indexes()?.hidden;
        Ok((writers.admit_others(self)?, Begun { written, hidden: Some(hidden), sequence: Some(sequence) }))
    }

    /// Makes what is stored a backup: under the repository's lock, which nothing else needs for long.
    fn publish(
        &self,
        begun: &Begun,
        mut snapshot: SnapshotFile,
        streams: Vec<(usize, Stream)>,
        time: Timestamp,
    ) -> Result<Backup> {
        let mut change = Change::begin(self)?;
        let sequence = begun.sequence.map_or_else(|| change.next_sequence(), Ok)?;
        backup::add_sequence(&mut snapshot, sequence);
        snapshot.tree = trees::of_streams(self, begun.view(), snapshot.tree, &streams, time)?;
        let mut streams: Vec<Stream> = streams.into_iter().map(|(_, stream)| stream).collect();
        streams.sort_by(|one, other| one.name.cmp(&other.name));
        let (snapshot, backup) = self.store_snapshot(begun, snapshot, streams)?;
        change.add(snapshot.id, &backup)?;
        change.finish()?;
        Ok(backup)
    }

    /// Stores the data of all sources, but no snapshot. A source that fails leaves data that the next backup uses or the
    /// next prune removes, and is named beside those that were read.
    fn archive(&self, begun: &Begun, snapshot: SnapshotFile, sources: Vec<Source<'_>>) -> Result<(SnapshotFile, Fed)> {
        let view = View { holds_snapshots: true, reserve: self.reserve(), ..begun.view() };
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
            (_, Err(error)) => Err(library::failure(&folder, "store a backup", error)),
            (Err(Stopped(name)), Ok(_)) => {
                let lost = format!("the stream {name} was not stored to its end");
                Err(folder.take_failure().unwrap_or(BackupError::Bug(lost)))
            }
            (Ok(fed), Ok(snapshot)) => Ok((snapshot, fed)),
        };
        stored.inspect_err(|_| folder.close())
    }

    /// Makes the backup one that counts.
    fn store_snapshot(
        &self,
        begun: &Begun,
        mut snapshot: SnapshotFile,
        streams: Vec<Stream>,
    ) -> Result<(SnapshotFile, Backup)> {
        let not_ours = || BackupError::Bug("the new snapshot is not a backup".to_owned());
        let mut backup = Backup::of(&snapshot).ok_or_else(not_ours)?;
        backup.streams = streams;
        backup.ended = Some(Timestamp::now());
        backup.describe(&mut snapshot)?;
        let (folder, opened) = self.session(begun.view())?;
        let saved = opened.save_snapshots(vec![snapshot.clone()]);
        saved.map_err(|error| library::failure(&folder, "store a snapshot", error))?;
        let id = folder.last_snapshot().ok_or_else(|| BackupError::Bug("no snapshot was written".to_owned()))?;
        backup.id = BackupId::of(id);
        Ok((backup::identified(id.into(), snapshot), backup))
    }
}

/// What a backup in progress has written, and what it looks at.
struct Begun {
    written: Written,
    /// Index files that do not count; none if it looks at its own alone.
    hidden: Option<BTreeSet<PathBuf>>,
    /// Its number; none if it gets one at its end.
    sequence: Option<u64>,
}

impl Begun {
    fn view(&self) -> View {
        View {
            hidden: self.hidden.clone().unwrap_or_default(),
            written: self.written.clone(),
            sees_own_index: self.hidden.is_none(),
            ..View::default()
        }
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
