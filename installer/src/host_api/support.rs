//! The support bundle that is collected for the console: by a process of its own, into a folder that only root may enter, kept for a day.
//!
//! Nothing of it outlives this process, so nothing has to be read back: what an earlier one left is removed.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_error_codes::{Coded as _, codes};
use landfall_host_api::SupportBundles;
use landfall_lifecycle::operations::{CollectedSupport, Operations};
use landfall_media::durable;
use landfall_peer::{Problem, Refusal, SUPPORT_PIECE_BYTES, SupportBundle, SupportWish};
use serde::Deserialize;

use super::child::{refusal, run};
use super::problem;

/// Only root may enter.
const FOLDER_MODE: u32 = 0o700;
/// The bundle that is kept.
const KEPT: &str = "support.tar.gz";
/// The one that is collected.
const NEXT: &str = "next.tar.gz";
/// How long a bundle is kept.
const LIFE: Duration = Duration::from_hours(24);
/// For the collectors, which end within eight minutes. The console records what became of it within ten.
const COLLECT: Duration = Duration::from_mins(9);

/// What `landfall --json support collect` prints, as far as it is passed on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collected {
    size_bytes: u64,
    files: u64,
    truncated: u64,
    known_values: u64,
    unknown: Vec<String>,
    collectors: Vec<Collector>,
}

#[derive(Debug, Deserialize)]
struct Collector {
    name: String,
    failures: Vec<String>,
}

impl Collected {
    /// What could not be collected or is not known, and why.
    fn gaps(&self) -> Vec<String> {
        let failed = self
            .collectors
            .iter()
            .flat_map(|collector| collector.failures.iter().map(|failure| format!("{}: {failure}", collector.name)));
        self.unknown.iter().cloned().chain(failed).collect()
    }
}

/// A bundle that is on the disk.
struct Kept {
    bundle: SupportBundle,
    since: Instant,
}

/// Where the bundle is kept.
pub(super) struct Shelf {
    operations: Operations,
    kept: Mutex<Option<Kept>>,
}

impl Shelf {
    /// An empty one.
    pub(super) fn open(operations: Operations) -> Self {
        let shelf = Self { operations, kept: Mutex::default() };
        note_left(durable::remove_tree(&shelf.folder()));
        shelf
    }

    fn folder(&self) -> PathBuf {
        self.operations.paths.console_support()
    }

    /// What is kept. One that is a day old is removed; the next one may be on its way beside it.
    fn current(&self) -> MutexGuard<'_, Option<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.since.elapsed() >= LIFE) {
            *kept = None;
            note_left(durable::remove_file(&self.folder().join(KEPT)));
        }
        kept
    }

    /// Removes a bundle that is a day old. Without this it would stay until the next question about it.
    pub(super) fn tend(&self) {
        drop(self.current());
    }

    /// Keeps what was collected in place of the one before.
    fn keep(&self, wish: &SupportWish, collected: &Collected, now: Timestamp) -> Result<(), durable::DurableError> {
        let expires = now.checked_add(LIFE).unwrap_or(Timestamp::MAX);
        let bundle = SupportBundle {
            id: wish.asking.request.clone(),
            by: wish.asking.by.clone(),
            collected: format!("{now:.0}"),
            expires: format!("{expires:.0}"),
            hours: wish.hours,
            size_bytes: collected.size_bytes,
            files: collected.files,
            truncated: collected.truncated,
            known_values: collected.known_values,
            gaps: collected.gaps(),
        };
        let mut kept = self.current();
        durable::rename(&self.folder().join(NEXT), &self.folder().join(KEPT))?;
        *kept = Some(Kept { bundle, since: Instant::now() });
        Ok(())
    }

    /// Makes room for another one. What an earlier try left is removed.
    fn prepare(&self) -> Result<PathBuf, durable::DurableError> {
        durable::create_folder_with_mode(&self.folder(), FOLDER_MODE)?;
        self.clear()?;
        Ok(self.folder().join(NEXT))
    }

    /// Removes what a try left that did not end: it may be as large as a bundle.
    fn clear(&self) -> Result<(), durable::DurableError> {
        let file = self.folder().join(NEXT);
        durable::remove_file(&file)?;
        durable::remove_file(&CollectedSupport::temporary(&file))
    }

    /// Keeps what a try collected, or removes what it left.
    fn end(&self, wish: &SupportWish, tried: Result<Collected, Refusal>) -> Result<Collected, Refusal> {
        let kept = tried.and_then(|collected| {
            self.keep(wish, &collected, Timestamp::now()).map_err(|error| disk(&error))?;
            Ok(collected)
        });
        kept.inspect_err(|_| note_left(self.clear()))
    }

    fn read(&self, offset: u64) -> std::io::Result<Vec<u8>> {
        let mut file = fs_err::File::open(self.folder().join(KEPT))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = Vec::new();
        file.take(SUPPORT_PIECE_BYTES as u64).read_to_end(&mut piece)?;
        Ok(piece)
    }
}

fn note_left(removed: Result<(), durable::DurableError>) {
    if let Err(error) = removed {
        tracing::warn!(%error, "a support bundle that is no longer needed stays");
    }
}

/// What the process that collects is asked. All of it is the host's own but for a number.
fn arguments(file: &Path, hours: u32) -> Vec<String> {
    vec![
        "support".to_owned(),
        "collect".to_owned(),
        format!("--output={}", file.display()),
        format!("--since={hours}h"),
    ]
}

/// The disk refuses.
fn disk(error: &durable::DurableError) -> Refusal {
    let stored = *refusal(503, error.code(), "the support bundle cannot be stored").problem;
    Refusal::from(Problem { detail: Some(error.to_string()), ..stored })
}

impl SupportBundles for Shelf {
    fn kept(&self) -> Option<SupportBundle> {
        self.current().as_ref().map(|kept| kept.bundle.clone())
    }

    fn collect(&self, wish: &SupportWish) -> Result<(), Refusal> {
        // What an earlier try left must not take the room of this one.
        let file = self.prepare().map_err(|error| disk(&error))?;
        self.operations.check_room_for_support().map_err(|error| Refusal::from(problem(&error.into())))?;
        let collected = self.end(wish, run(&arguments(&file, wish.hours), COLLECT))?;
        let (bytes, gaps) = (collected.size_bytes, collected.gaps().len());
        tracing::info!(by = wish.asking.by, bytes, gaps, "a support bundle is collected for the console");
        Ok(())
    }

    fn piece(&self, id: &str, offset: u64) -> Result<Vec<u8>, Problem> {
        let kept = self.current();
        if kept.as_ref().is_none_or(|kept| kept.bundle.id != id) {
            let title = "the host no longer keeps this support bundle";
            return Err(*refusal(404, codes::NOT_THERE, title).problem);
        }
        self.read(offset).map_err(|error| {
            let unread = *refusal(503, codes::MEDIA_IO, "the support bundle cannot be read").problem;
            Problem { detail: Some(error.to_string()), ..unread }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_host::paths::SitePaths;
    use landfall_media::progress::Silent;
    use landfall_peer::Asking;

    use super::*;

    fn shelf(root: &Path) -> Shelf {
        let operations = Operations { paths: SitePaths::below(root), ..Operations::new(Arc::new(Silent)) };
        durable::create_folder(&operations.paths.data()).unwrap();
        Shelf::open(operations)
    }

    fn wish(request: &str) -> SupportWish {
        let (request, by) = (request.to_owned(), "ada".to_owned());
        SupportWish { asking: Asking { request, by, correlation: "c".to_owned(), first: None }, hours: 24 }
    }

    fn collected() -> Collected {
        serde_json::from_str(
            r#"{"kind": "supportBundle", "schema": 1, "file": "/x", "sizeBytes": 5000000, "files": 80, "truncated": 2,
                "knownValues": 41, "unknown": ["no Secrets"],
                "collectors": [{"name": "cluster", "milliseconds": 9, "failures": ["no answer"]}]}"#,
        )
        .unwrap()
    }

    /// A file as the process that collects leaves it.
    fn collect(shelf: &Shelf, request: &str, letter: u8) {
        let file = shelf.prepare().unwrap();
        durable::write_file(&file, &vec![letter; SUPPORT_PIECE_BYTES + 10], 0o600).unwrap();
        shelf.keep(&wish(request), &collected(), "2026-11-20T08:00:00Z".parse().unwrap()).unwrap();
    }

    #[test]
    fn no_word_of_the_console_becomes_an_argument() {
        let file = Path::new("/var/lib/landfall/console-support/next.tar.gz");
        let expected = ["support", "collect", "--output=/var/lib/landfall/console-support/next.tar.gz", "--since=24h"];
        assert_eq!(arguments(file, 24), expected);
    }

    #[test]
    fn the_newest_bundle_is_kept_with_what_it_lacks_and_read_in_pieces() {
        let root = tempfile::tempdir().unwrap();
        let shelf = shelf(root.path());
        assert_eq!(shelf.kept(), None);
        collect(&shelf, "0123abcd", b'a');
        let kept = shelf.kept().unwrap();
        assert_eq!((kept.id.as_str(), kept.by.as_str(), kept.size_bytes), ("0123abcd", "ada", 5_000_000));
        assert_eq!((kept.collected.as_str(), kept.expires.as_str()), ("2026-11-20T08:00:00Z", "2026-11-21T08:00:00Z"));
        assert_eq!(kept.gaps, ["no Secrets", "cluster: no answer"]);
        let piece = |id: &str, offset| shelf.piece(id, offset).map(|piece| piece.len());
        assert_eq!(
            (piece("0123abcd", 0), piece("0123abcd", SUPPORT_PIECE_BYTES as u64)),
            (Ok(SUPPORT_PIECE_BYTES), Ok(10))
        );
        assert_eq!(piece("0123abcd", u64::from(u32::MAX)), Ok(0));
        assert_eq!(piece("0123abce", 0).unwrap_err().code.as_deref(), Some("LF5024"));

        collect(&shelf, "0123abce", b'b');
        assert_eq!(piece("0123abcd", 0).unwrap_err().status, 404, "it made room for the next one");
        assert_eq!(shelf.piece("0123abce", 0).unwrap().first(), Some(&b'b'));
    }

    #[test]
    fn a_try_that_fails_leaves_nothing_and_the_bundle_before_stays() {
        let root = tempfile::tempdir().unwrap();
        let shelf = shelf(root.path());
        collect(&shelf, "0123abcd", b'a');
        let next = shelf.folder().join(NEXT);
        let left = [next.clone(), CollectedSupport::temporary(&next)];
        let leave = || left.iter().for_each(|file| durable::write_file(file, b"half of it", 0o600).unwrap());
        let is_left = || left.iter().any(|file| file.exists());
        leave();
        let killed = refusal(503, codes::MEDIA_IO, "the process was killed");
        assert_eq!(shelf.end(&wish("0123abce"), Err(killed)).unwrap_err().problem.status, 503);
        assert!(!is_left());
        leave();
        shelf.prepare().unwrap();
        assert!(!is_left(), "an earlier process left it");
        assert_eq!(shelf.kept().map(|kept| kept.id).as_deref(), Some("0123abcd"));
    }

    #[test]
    fn a_bundle_is_gone_after_a_day_and_when_the_process_starts_again() {
        let root = tempfile::tempdir().unwrap();
        let shelf = shelf(root.path());
        collect(&shelf, "0123abcd", b'a');
        let before = Instant::now().checked_sub(LIFE).unwrap();
        if let Some(kept) = shelf.kept.lock().unwrap().as_mut() {
            kept.since = before;
        }
        let next = shelf.prepare().unwrap();
        durable::write_file(&next, b"on its way", 0o600).unwrap();
        shelf.tend();
        assert_eq!((shelf.folder().join(KEPT).exists(), next.exists()), (false, true));
        assert_eq!(shelf.kept(), None);
        collect(&shelf, "0123abce", b'a');
        let again = Shelf::open(shelf.operations.clone());
        assert_eq!((again.kept(), again.folder().exists()), (None, false));
    }
}
