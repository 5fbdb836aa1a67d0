//! Individual failures of a backup's streams: a fault of one component does not stop the others.

use std::cell::RefCell;
use std::io::{self, Cursor, Read};

use landfall_backup::{BackupError, StreamName};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::{Event, Progress};

use super::error::unusable;

/// Streams of a backup that could not be saved so far, each with its reason, in the order of their failures.
#[derive(Debug, Default)]
pub struct FailedStreams(RefCell<Vec<(String, StepError)>>);

impl FailedStreams {
    /// Records that a stream cannot be saved. Fails if a sync failed, because the disk cannot be trusted.
    pub(super) fn note(&self, stream: &str, error: StepError, progress: &dyn Progress) -> Result<(), StepError> {
        if error.code() == codes::SYNC_FAILED {
            return Err(error);
        }
        let text = format!("the backup goes on without {stream}: {}", with_causes(&error));
        progress.event(Event::Note(text));
        self.0.borrow_mut().push((stream.to_owned(), error));
        Ok(())
    }

    /// Returns true if a stream is among them.
    pub(super) fn has(&self, stream: &str) -> bool {
        self.0.borrow().iter().any(|(failed, _)| failed == stream)
    }

    /// Returns their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(stream, _)| stream.clone()).collect()
    }

    /// Returns an empty list, or fails with the first failure.
    pub fn none(self) -> Result<Self, StepError> {
        let mut failed = self.0.into_inner();
        if failed.is_empty() { Ok(Self::default()) } else { Err(failed.swap_remove(0).1) }
    }

    /// Returns the error of a backup that lacks these streams; `None` if there are none.
    pub fn refusal(self) -> Option<StepError> {
        let failed = self.0.into_inner();
        let names: Vec<&str> = failed.iter().map(|(stream, _)| stream.as_str()).collect();
        let what = format!("the backup was made without {}", names.join(", "));
        failed.into_iter().next().map(|(_, first)| StepError::new(codes::BACKUP_INCOMPLETE, what).because(first))
    }
}

/// A stream whose failure is recorded.
pub(super) struct SingleStream<'a, R> {
    name: StreamName,
    from: R,
    failed: &'a FailedStreams,
    progress: &'a dyn Progress,
}

impl<'a, R> SingleStream<'a, R> {
    pub(super) fn new(name: StreamName, from: R, failed: &'a FailedStreams, progress: &'a dyn Progress) -> Self {
        Self { name, from, failed, progress }
    }

    pub(super) fn name(&self) -> StreamName {
        self.name.clone()
    }
}

impl<R: Read> Read for SingleStream<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|source| {
            let said = io::Error::new(source.kind(), with_causes(&source));
            let error = unusable(BackupError::Stream { name: self.name.clone(), source });
            match self.failed.note(self.name.as_str(), error, self.progress) {
                Ok(()) => said,
                Err(fatal) => io::Error::other(fatal),
            }
        })
    }
}

/// A document that is made on its first read, after the end of all earlier streams.
pub(super) struct LateDocument<F> {
    make: Option<F>,
    bytes: Cursor<Vec<u8>>,
}

impl<F: FnOnce() -> Result<Vec<u8>, StepError>> LateDocument<F> {
    pub(super) fn new(make: F) -> Self {
        Self { make: Some(make), bytes: Cursor::default() }
    }
}

impl<F: FnOnce() -> Result<Vec<u8>, StepError>> Read for LateDocument<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(make) = self.make.take() {
            self.bytes = Cursor::new(make().map_err(io::Error::other)?);
        }
        self.bytes.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use landfall_backup::{BackupKind, NewBackup, lacking_facts};
    use landfall_cluster::StreamError;
    use landfall_media::progress::SilentProgress;

    use super::super::BackupFolder;
    use super::super::folder::tests::host;
    use super::*;

    /// Reader of a stream whose connection breaks.
    struct CutOff;

    impl Read for CutOff {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other(StreamError::CutOff))
        }
    }

    #[test]
    fn failed_stream_is_named() {
        let (_root, paths) = host();
        let repository = BackupFolder::of(&paths).open_or_create().unwrap();
        let failed = FailedStreams::default();
        let name = |text: &str| text.parse::<StreamName>().unwrap();
        let mut broken = SingleStream::new(name("web/files"), CutOff, &failed, &SilentProgress);
        let mut rows = SingleStream::new(name("db/rows"), Cursor::new(b"rows".to_vec()), &failed, &SilentProgress);
        let mut late = LateDocument::new(|| Ok(failed.names().join(" ").into_bytes()));
        let streams: Vec<(StreamName, &mut dyn Read)> =
            vec![(broken.name(), &mut broken), (rows.name(), &mut rows), (name("LANDFALL/manifest.json"), &mut late)];
        let (kind, time) = (BackupKind::Full, Timestamp::UNIX_EPOCH);
        let new = NewBackup { kind, time, facts: [].into(), streams, documents: Vec::new() };
        let judge = |_| Ok(lacking_facts(failed.names().iter().map(String::as_str)));
        let backup = repository.save_what_is_read(new, judge).unwrap();
        assert_eq!(backup.lacking().collect::<Vec<_>>(), ["web/files"]);
        let mut said = String::new();
        let open = repository.open_backup(backup.id).unwrap();
        open.read(&name("LANDFALL/manifest.json")).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "web/files", "it is made when every stream was read");
        drop((broken, rows, late));
        let refusal = failed.refusal().unwrap();
        assert_eq!(refusal.code(), codes::BACKUP_INCOMPLETE);
        let said = with_causes(&refusal);
        assert!(said.starts_with("the backup was made without web/files: ") && said.contains("broke off"), "{said}");
    }

    #[test]
    fn failed_disk_ends_backup() {
        let failed = FailedStreams::default();
        failed.note("a/b", StepError::new(codes::BACKUP_POD, "no pod"), &SilentProgress).unwrap();
        failed.note("c/d", StepError::new(codes::CLUSTER_UNREACHABLE, "away"), &SilentProgress).unwrap();
        let fatal = failed.note("e/f", StepError::new(codes::SYNC_FAILED, "lost"), &SilentProgress).unwrap_err();
        assert_eq!(fatal.code(), codes::SYNC_FAILED);
        assert!(failed.has("c/d") && !failed.has("e/f"));
        assert_eq!(failed.none().unwrap_err().code(), codes::BACKUP_POD);
        assert!(FailedStreams::default().none().unwrap().refusal().is_none());
    }
}
