//! The support bundle for the console: collected by a child process, into a folder that only root may enter, and kept
//! for a day.
//!
//! It does not outlive this process, so that nothing has to be read back: remains of an earlier process are removed.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host_api::SupportBundles;
use landfall_lifecycle::operations::{CollectedSupport, Operations};
use landfall_media::durable;
use landfall_peer::{Problem, Refusal, SUPPORT_PIECE_BYTES, SupportBundle, SupportRequest};
use serde::Deserialize;

use super::child::{refusal, run};
use super::problem;

/// Mode of the folder, which only root may enter.
const FOLDER_MODE: u32 = 0o700;
/// File name of the present bundle.
const KEPT: &str = "support.tar.gz";
/// File name of the bundle that is being collected.
const NEXT: &str = "next.tar.gz";
/// Time for which a bundle is kept.
const LIFE: Duration = Duration::from_hours(24);
/// Time limit of the collection: the collectors end within eight minutes, and the console records a result within ten.
const COLLECT: Duration = Duration::from_mins(9);

/// Output of `landfall --json support collect`, as far as it is passed on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CollectOutput {
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

impl CollectOutput {
    /// Items that are missing, each with its reason.
    fn gaps(&self) -> Vec<String> {
        let failed = self
            .collectors
            .iter()
            .flat_map(|collector| collector.failures.iter().map(|failure| format!("{}: {failure}", collector.name)));
        self.unknown.iter().cloned().chain(failed).collect()
    }
}

/// A bundle on disk.
struct StoredBundle {
    bundle: SupportBundle,
    since: Instant,
}

/// The folder with the bundle.
pub(super) struct Shelf {
    operations: Operations,
    kept: Mutex<Option<StoredBundle>>,
}

impl Shelf {
    /// Creates the shelf without a bundle.
    pub(super) fn open(operations: Operations) -> Self {
        let shelf = Self { operations, kept: Mutex::default() };
        note_left(durable::remove_tree(&shelf.folder()));
        shelf
    }

    fn folder(&self) -> PathBuf {
        self.operations.paths.console_support()
    }

    /// The present bundle. One that is a day old is removed; the next one may be in progress.
    fn current(&self) -> MutexGuard<'_, Option<StoredBundle>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.since.elapsed() >= LIFE) {
            *kept = None;
            note_left(durable::remove_file(&self.folder().join(KEPT)));
        }
        kept
    }

    /// Removes a bundle that is a day old, even without a request for it.
    pub(super) fn tend(&self) {
        drop(self.current());
    }

    /// Replaces the present bundle with the collected one.
    fn keep(
        &self,
        request: &SupportRequest,
        collected: &CollectOutput,
        now: Timestamp,
    ) -> Result<(), durable::DurableError> {
        let expires = now.checked_add(LIFE).unwrap_or(Timestamp::MAX);
        let bundle = SupportBundle {
            id: request.asking.request.clone(),
            by: request.asking.by.clone(),
            collected: format!("{now:.0}"),
            expires: format!("{expires:.0}"),
            hours: request.hours,
            size_bytes: collected.size_bytes,
            files: collected.files,
            truncated: collected.truncated,
            known_values: collected.known_values,
            gaps: collected.gaps(),
        };
        let mut kept = self.current();
        durable::rename(&self.folder().join(NEXT), &self.folder().join(KEPT))?;
        *kept = Some(StoredBundle { bundle, since: Instant::now() });
        Ok(())
    }

    /// Prepares the path for the next bundle, and removes remains of an earlier try.
    fn prepare(&self) -> Result<PathBuf, durable::DurableError> {
        durable::create_folder_with_mode(&self.folder(), FOLDER_MODE)?;
        self.clear()?;
        Ok(self.folder().join(NEXT))
    }

    /// Removes remains of an incomplete try, which may be as large as a bundle.
    fn clear(&self) -> Result<(), durable::DurableError> {
        let file = self.folder().join(NEXT);
        durable::remove_file(&file)?;
        durable::remove_file(&CollectedSupport::temporary(&file))
    }

    /// Keeps the bundle of a try, or removes its remains.
    fn end(&self, request: &SupportRequest, tried: Result<CollectOutput, Refusal>) -> Result<CollectOutput, Refusal> {
        let kept = tried.and_then(|collected| {
            self.keep(request, &collected, Timestamp::now()).map_err(|error| disk(&error))?;
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

/// Arguments of the collecting process. All are the host's own, except a number.
fn arguments(file: &Path, hours: u32) -> Vec<String> {
    vec![
        "support".to_owned(),
        "collect".to_owned(),
        format!("--output={}", file.display()),
        format!("--since={hours}h"),
    ]
}

/// Refusal for a disk error.
fn disk(error: &durable::DurableError) -> Refusal {
    let stored = *refusal(503, error.code(), "the support bundle cannot be stored").problem;
    Refusal::from(Problem { detail: Some(error.to_string()), ..stored })
}

impl SupportBundles for Shelf {
    fn kept_bundle(&self) -> Option<SupportBundle> {
        self.current().as_ref().map(|kept| kept.bundle.clone())
    }

    fn collect(&self, request: &SupportRequest) -> Result<(), Refusal> {
        // Remains of an earlier try must not take the space of this one.
        let file = self.prepare().map_err(|error| disk(&error))?;
        self.operations.check_room_for_support().map_err(|error| Refusal::from(problem(&error.into())))?;
        let collected = self.end(request, run(&arguments(&file, request.hours), COLLECT))?;
        let (bytes, gaps) = (collected.size_bytes, collected.gaps().len());
        tracing::info!(by = request.asking.by, bytes, gaps, "a support bundle is collected for the console");
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
    use landfall_media::progress::SilentProgress;
    use landfall_peer::Requester;

    use super::*;

    fn shelf(root: &Path) -> Shelf {
        let operations = Operations { paths: SitePaths::below(root), ..Operations::new(Arc::new(SilentProgress)) };
        durable::create_folder(&operations.paths.data()).unwrap();
        Shelf::open(operations)
    }

    fn support_request(request: &str) -> SupportRequest {
        let (request, by) = (request.to_owned(), "ada".to_owned());
        SupportRequest { asking: Requester { request, by, correlation: "c".to_owned(), first: None }, hours: 24 }
    }

    fn sample_output() -> CollectOutput {
        serde_json::from_str(
            r#"{"kind": "supportBundle", "schema": 1, "file": "/x", "sizeBytes": 5000000, "files": 80, "truncated": 2,
                "knownValues": 41, "unknown": ["no Secrets"],
                "collectors": [{"name": "cluster", "milliseconds": 9, "failures": ["no answer"]}]}"#,
        )
        .unwrap()
    }

    /// Writes a file as the collecting process does.
    fn collect(shelf: &Shelf, request: &str, letter: u8) {
        let file = shelf.prepare().unwrap();
        durable::write_file(&file, &vec![letter; SUPPORT_PIECE_BYTES + 10], 0o600).unwrap();
        shelf.keep(&support_request(request), &sample_output(), "2026-11-20T08:00:00Z".parse().unwrap()).unwrap();
    }

    #[test]
    fn collection_arguments_are_fixed() {
        let file = Path::new("/var/lib/landfall/console-support/next.tar.gz");
        let expected = ["support", "collect", "--output=/var/lib/landfall/console-support/next.tar.gz", "--since=24h"];
        assert_eq!(arguments(file, 24), expected);
    }

    #[test]
    fn newest_bundle_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let shelf = shelf(root.path());
        assert_eq!(shelf.kept_bundle(), None);
        collect(&shelf, "0123abcd", b'a');
        let kept = shelf.kept_bundle().unwrap();
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
    fn failed_attempt_keeps_previous_bundle() {
        let root = tempfile::tempdir().unwrap();
        let shelf = shelf(root.path());
        collect(&shelf, "0123abcd", b'a');
        let next = shelf.folder().join(NEXT);
        let left = [next.clone(), CollectedSupport::temporary(&next)];
        let leave = || left.iter().for_each(|file| durable::write_file(file, b"half of it", 0o600).unwrap());
        let is_left = || left.iter().any(|file| file.exists());
        leave();
        let killed = refusal(503, codes::MEDIA_IO, "the process was killed");
        assert_eq!(shelf.end(&support_request("0123abce"), Err(killed)).unwrap_err().problem.status, 503);
        assert!(!is_left());
        leave();
        shelf.prepare().unwrap();
        assert!(!is_left(), "an earlier process left it");
        assert_eq!(shelf.kept_bundle().map(|kept| kept.id).as_deref(), Some("0123abcd"));
    }

    #[test]
    fn bundle_expires_after_day_or_restart() {
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
        assert_eq!(shelf.kept_bundle(), None);
        collect(&shelf, "0123abce", b'a');
        let again = Shelf::open(shelf.operations.clone());
        assert_eq!((again.kept_bundle(), again.folder().exists()), (None, false));
    }
}
