//! Progress of a unit for its followers: one line of JSON for each event, in a file that a boot removes. It is only for
//! display; the journal is authoritative.

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use fs_err::{File, OpenOptions};
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};

/// Maximum size in bytes: far above any operation's output, far below the size of `/run`.
const LIMIT: u64 = 8 << 20;

fn path(paths: &SitePaths) -> PathBuf {
    paths.run().join("operation.events")
}

/// Output of a unit's progress. A line that cannot be written is lost, and the operation continues.
#[derive(Debug)]
pub struct EventFile(Mutex<Option<File>>);

impl EventFile {
    /// Begins a new file.
    pub fn begin(paths: &SitePaths) -> Self {
        let open = || {
            durable::create_folder(&paths.run()).map_err(std::io::Error::other)?;
            // A new file lets readers recognize a new run.
            durable::remove_file(&path(paths)).map_err(std::io::Error::other)?;
            OpenOptions::new().create_new(true).write(true).open(path(paths))
        };
        let file = open().inspect_err(|error| tracing::warn!(%error, "this operation cannot be followed"));
        Self(Mutex::new(file.ok()))
    }
}

impl Progress for EventFile {
    fn event(&self, event: Event) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        let is_full = open.stream_position().is_ok_and(|length| length + line.len() as u64 > LIMIT);
        if is_full || open.write_all(&line).is_err() {
            *file = None;
        }
    }
}

/// Removes the progress of an earlier operation, so that it does not look current.
pub(super) fn forget(paths: &SitePaths) {
    if let Err(error) = durable::remove_file(&path(paths)) {
        tracing::warn!(%error, "progress of an earlier operation is left");
    }
}

/// Events of the unit's current run, or of its last run since the machine started.
#[derive(Default)]
pub(in crate::operations) struct RunEvents {
    /// Number that distinguishes this run from others; 0 if there was none.
    pub(in crate::operations) run: u64,
    pub(in crate::operations) events: Vec<Event>,
}

impl RunEvents {
    pub(in crate::operations) fn read(paths: &SitePaths) -> Self {
        let run = || path(paths).metadata().map(|metadata| metadata.ino()).unwrap_or_default();
        let before = run();
        let collected = EventCollector::default();
        EventReader::at(paths).forward(&collected);
        if run() != before {
            // Another run began in the meantime; the next read will see it.
            return Self { run: before, events: Vec::new() };
        }
        Self { run: before, events: collected.0.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// Progress that keeps all events.
#[derive(Default)]
struct EventCollector(Mutex<Vec<Event>>);

impl Progress for EventCollector {
    fn event(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// Reader of a unit's progress.
pub(super) struct EventReader {
    path: PathBuf,
    /// Number of the file that was last read.
    file: u64,
    /// Bytes of the file that were already forwarded.
    seen: u64,
}

impl EventReader {
    /// Follows the unit from the first event of its current run.
    pub(super) fn at(paths: &SitePaths) -> Self {
        Self { path: path(paths), file: 0, seen: 0 }
    }

    /// Forwards new complete lines. A new run is followed from its first line.
    pub(super) fn forward(&mut self, progress: &dyn Progress) {
        let Ok(mut file) = File::open(&self.path) else { return };
        let Ok(metadata) = file.metadata() else { return };
        if metadata.ino() != self.file || metadata.len() < self.seen {
            (self.file, self.seen) = (metadata.ino(), 0);
        }
        if file.seek(SeekFrom::Start(self.seen)).is_err() {
            return;
        }
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
            self.seen += line.len() as u64;
            if let Ok(event) = serde_json::from_str(&line) {
                progress.event(event);
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::Notes;

    fn note(text: &str) -> Event {
        Event::Note(text.to_owned())
    }

    #[test]
    fn follower_sees_events_once() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (notes, mut reader) = (Notes::default(), EventReader::at(&paths));
        reader.forward(&notes);
        let file = EventFile::begin(&paths);
        file.event(note("one"));
        reader.forward(&notes);
        file.event(note("two"));
        reader.forward(&notes);
        reader.forward(&notes);
        assert_eq!(*notes.0.lock().unwrap(), ["one", "two"]);
        EventFile::begin(&paths).event(note("again"));
        reader.forward(&notes);
        assert_eq!(*notes.0.lock().unwrap(), ["one", "two", "again"]);
        forget(&paths);
        reader.forward(&notes);
        assert_eq!(notes.0.lock().unwrap().len(), 3);
    }

    #[test]
    fn half_written_event_waits() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (notes, mut reader) = (Notes::default(), EventReader::at(&paths));
        EventFile::begin(&paths).event(note("whole"));
        let line = serde_json::to_string(&note("late")).unwrap();
        let (front, back) = line.split_at(7);
        let mut file = OpenOptions::new().append(true).open(path(&paths)).unwrap();
        file.write_all(front.as_bytes()).unwrap();
        reader.forward(&notes);
        assert_eq!(*notes.0.lock().unwrap(), ["whole"]);
        file.write_all(format!("{back}\n").as_bytes()).unwrap();
        reader.forward(&notes);
        assert_eq!(*notes.0.lock().unwrap(), ["whole", "late"]);
    }

    #[test]
    fn full_event_file_drops_events() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let file = EventFile::begin(&paths);
        for _ in 0..9 {
            file.event(note(&"x".repeat(1 << 20)));
        }
        assert!(fs_err::metadata(path(&paths)).unwrap().len() <= LIMIT);
    }
}
