//! Storage of a backup: its data first, then the trees that refer to it, then the snapshot, each durable before the
//! next.

mod feed;
mod removal;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use jiff::Timestamp;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, ParentOptions, RusticResult};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub use self::feed::FailedStream;
use self::feed::{FedStreams, Source, StoppedStream};
use crate::backup::{Backup, BackupId, BackupKind, Stream};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::library::{self, OpenRepository};
use crate::names::{self, StreamName};
use crate::repository::Repository;
use crate::snapshot;
use crate::writers::Writers;
use crate::written::WrittenFiles;

/// Content of a new backup.
pub struct NewBackup<'a> {
    /// Kind of the backup.
    pub kind: BackupKind,
    /// Time at which its data is read.
    pub time: Timestamp,
    /// Facts to record, such as the release: restic shows them as tags. Names have lower-case letters, digits and `-`;
    /// values have no comma.
    pub facts: BTreeMap<String, String>,
    /// Data that is read once, from beginning to end. Streams are read one after another, in this order: a stream is
    /// first read after the previous one has ended.
    pub streams: Vec<(StreamName, &'a mut dyn Read)>,
    /// Small documents.
    pub documents: Vec<(StreamName, Vec<u8>)>,
}

/// Path that every snapshot names: restic groups snapshots by it.
const SNAPSHOT_PATH: &str = "/";

/// Number of processors used for storing. The library holds two blobs of up to 1 MiB for each, so a small number limits
/// its memory even on large hosts.
const CORES: usize = 8;

impl Repository {
    /// Stores a backup. On return, all of it is durable; on failure, no backup was made, and older ones are unchanged.
    /// Data that an earlier backup has is not stored again. A backup that would leave less of the filesystem free than
    /// the repository's reserve is stopped ([`BackupError::NoRoom`]), and its written data is removed.
    ///
    /// Memory is bounded: no stream is held or staged completely.
    pub fn save(&self, new: NewBackup<'_>) -> Result<Backup> {
        self.save_what_is_read(new, |failed| failed.into_iter().next().map_or_else(|| Ok(BTreeMap::new()), Err))
    }

    /// Like [`Self::save`], but a failed stream does not prevent the others from being stored. After every stream was
    /// read completely or failed, `judge` receives the failed ones, in order. It returns additional facts, or the
    /// failure for which no backup is made.
    pub fn save_what_is_read(
        &self,
        new: NewBackup<'_>,
        judge: impl FnOnce(Vec<FailedStream>) -> Result<BTreeMap<String, String>, FailedStream>,
    ) -> Result<Backup> {
        let (streams, documents) =
            (new.streams.iter().map(|(name, _)| name), new.documents.iter().map(|(name, _)| name));
        names::refuse_clashes(streams.chain(documents))?;
        let snapshot = snapshot::new(self.site(), new.kind, new.time, &new.facts)?;
        let (_writers, begun) = self.begin(new.kind)?;
        let sources = Source::in_order(new.streams, new.documents);
        let stored = self.archive(&begun, snapshot, sources).and_then(|(mut snapshot, fed)| {
            snapshot::add_facts(&mut snapshot, &judge(fed.failed)?)?;
            self.publish(&begun, snapshot, fed.whole, new.time)
        });
        // The next backup could use the stored data, but other running software needs the space on a full disk.
        if let Err(error) = &stored
            && error.is_out_of_room()
            && let Err(failed) = removal::of_written(self, &begun.written)
        {
            tracing::warn!(%failed, "parts of a backup that was stopped are still stored");
        }
        stored
    }

    /// Waits until the backup may be stored. A backup of all data uses intact data of earlier ones. Therefore it begins
    /// under the exclusive lock, mends damage, and gets its number: log backups stored in the meantime come after it. A
    /// log backup looks up no stored data, so its cost does not depend on their number.
    fn begin(&self, kind: BackupKind) -> Result<(Writers, OngoingBackup)> {
        let written = WrittenFiles::default();
        if kind == BackupKind::Log {
            return Ok((Writers::beside_others(self)?, OngoingBackup { written, hidden: None, sequence: None }));
        }
        let writers = Writers::alone(self)?;
        self.store().remove_leftovers()?;
        self.mend()?;
        let mut change = Change::begin(self)?;
        let sequence = change.next_sequence()?;
        change.skip_sequence(sequence)?;
        change.finish()?;
        let hidden = self.view_of_whole_indexes()?.hidden;
        Ok((writers.admit_others(self)?, OngoingBackup { written, hidden: Some(hidden), sequence: Some(sequence) }))
    }

    /// Turns the stored data into a backup, under the repository's lock, which no other operation needs for long.
    fn publish(
        &self,
        begun: &OngoingBackup,
        mut snapshot: SnapshotFile,
        streams: Vec<(usize, Stream)>,
        time: Timestamp,
    ) -> Result<Backup> {
        let mut change = Change::begin(self)?;
        let sequence = begun.sequence.map_or_else(|| change.next_sequence(), Ok)?;
        snapshot::add_sequence(&mut snapshot, sequence);
        snapshot.tree = trees::of_streams(self, begun.view(), snapshot.tree, &streams, time)?;
        let mut streams: Vec<Stream> = streams.into_iter().map(|(_, stream)| stream).collect();
        streams.sort_by(|one, other| one.name.cmp(&other.name));
        let (snapshot, backup) = self.store_snapshot(begun, snapshot, streams)?;
        change.add(snapshot.id, &backup)?;
        change.finish()?;
        Ok(backup)
    }

    /// Stores the data of all sources, but no snapshot. A failed source leaves data that the next backup uses or the
    /// next prune removes, and is reported with those that were read.
    fn archive(
        &self,
        begun: &OngoingBackup,
        snapshot: SnapshotFile,
        sources: Vec<Source<'_>>,
    ) -> Result<(SnapshotFile, FedStreams)> {
        let view = View { holds_snapshots: true, reserve: self.reserve(), ..begun.view() };
        let (folder, opened) = self.session(view)?;
        let (feeds, entries) = feed::connect(sources);
        let (fed, archived) = std::thread::scope(|scope| {
            let archiver = scope.spawn(move || {
                use_few_cores();
                archive_entries(opened, &entries, snapshot)
            });
            // Streams not fed completely are dropped here, so that the archiver always ends.
            (feed::feed_all(feeds), archiver.join())
        });
        let archived = archived.map_err(|_| BackupError::Bug("the archiver panicked".to_owned()))?;
        let stored = match (fed, archived) {
            (_, Err(error)) => Err(library::failure(&folder, "store a backup", error)),
            (Err(StoppedStream(name)), Ok(_)) => {
                let lost = format!("the stream {name} was not stored to its end");
                Err(folder.take_failure().unwrap_or(BackupError::Bug(lost)))
            }
            (Ok(fed), Ok(snapshot)) => Ok((snapshot, fed)),
        };
        stored.inspect_err(|_| folder.close())
    }

    /// Writes the snapshot, which makes the backup valid.
    fn store_snapshot(
        &self,
        begun: &OngoingBackup,
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
        Ok((snapshot::snapshot_with_id(id.into(), snapshot), backup))
    }
}

/// State of a backup in progress.
struct OngoingBackup {
    written: WrittenFiles,
    /// Index files to ignore; `None` if the backup sees only its own.
    hidden: Option<BTreeSet<PathBuf>>,
    /// The backup's sequence number; `None` if it is assigned at the end.
    sequence: Option<u64>,
}

impl OngoingBackup {
    fn view(&self) -> View {
        View {
            hidden: self.hidden.clone().unwrap_or_default(),
            written: self.written.clone(),
            sees_own_index: self.hidden.is_none(),
            ..View::default()
        }
    }
}

fn archive_entries(
    opened: OpenRepository,
    entries: &feed::Entries,
    snapshot: SnapshotFile,
) -> RusticResult<SnapshotFile> {
    let indexed = opened.to_indexed_ids()?;
    let options = BackupOptions::default().parent_opts(ParentOptions::default().force(true)).no_scan(true);
    indexed.archive(&options, entries, snapshot, &[PathBuf::from(SNAPSHOT_PATH)])
}

/// Limits this thread, and those that it will start, to a few of its processors. Best effort: more processors only cost
/// memory.
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
