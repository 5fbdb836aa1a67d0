//! Loads a stream into a pod.

use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use landfall_backup::{Backup, OpenBackup, StreamName};
use landfall_cluster::{Cluster, Program, StreamError, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};

use super::SavedStream;
use super::cut::log_part;
use super::error::unusable;
use crate::pods::Container;
use crate::room::{GuardedReader, is_out_of_room, reserve};

/// Reader that reports progress.
struct ProgressReader<'a, R> {
    from: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for ProgressReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.event(Event::Advanced { bytes: read as u64 });
        Ok(read)
    }
}

/// Returns the size of a stream in this backup, if recorded.
pub fn size_bytes(backup: &Backup, saved: &SavedStream) -> Option<u64> {
    stream_bytes(backup, &saved.name())
}

/// Returns the size of this backup's log of a stream, if recorded.
pub fn log_bytes(backup: &Backup, saved: &SavedStream) -> Option<u64> {
    stream_bytes(backup, log_stream(backup, saved).ok()?.as_str())
}

/// Returns the size of the stream of this name, if recorded.
pub(super) fn stream_bytes(backup: &Backup, name: &str) -> Option<u64> {
    backup.streams.iter().find(|stream| stream.name.as_str() == name).map(|stream| stream.size_bytes)
}

/// Returns the stream with a backup's log of this stream. A full backup has the part that leads to its cut.
pub(crate) fn log_stream(backup: &Backup, saved: &SavedStream) -> Result<StreamName, StepError> {
    if backup.is_full() { log_part(&saved.name()) } else { saved.stream_name() }
}

/// A stream to load, and its target container.
#[derive(Clone, Copy)]
pub struct StreamLoad<'a> {
    /// The cluster of the container.
    pub cluster: &'a Cluster,
    /// Paths with the volumes: a load that would fill their filesystem is stopped.
    pub paths: &'a SitePaths,
    /// The stream.
    pub saved: &'a SavedStream,
    /// The container.
    pub into: &'a Container,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl StreamLoad<'_> {
    /// Fills an empty volume: runs the rule's program with the stream as its input.
    pub fn load(&self, backup: &OpenBackup) -> Result<(), StepError> {
        let (name, rule) = (self.saved.name(), &self.saved.rule);
        self.feed((backup, &self.saved.stream_name()?), &format!("loading {name}"), &rule.load)
    }

    /// Applies the log up to a time: places each of these log backups beside the data, oldest first, then starts the
    /// software's recovery.
    pub fn recover(&self, logs: &[OpenBackup], to: Timestamp) -> Result<(), StepError> {
        let (name, rule) = (self.saved.name(), &self.saved.rule);
        let missing = || StepError::new(codes::BUG, format!("{name} has no log"));
        let log = rule.log.as_ref().ok_or_else(missing)?;
        for (index, backup) in logs.iter().enumerate() {
            let part = log_stream(backup.backup(), self.saved)?;
            self.feed((backup, &part), &format!("loading log {} of {} of {name}", index + 1, logs.len()), &log.load)?;
        }
        let time = to.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string();
        self.progress.event(Event::Note(format!("{name} recovers to {to:.0}")));
        let Container { namespace, pod, name: container } = self.into;
        let limit = Duration::from_secs(rule.limit_seconds);
        let executed = self.cluster.execute(namespace, pod, container, &log.recover_to(&time), limit);
        let executed = executed.map_err(|error| self.load_error(error.into()))?;
        match executed.exit_code {
            0 => Ok(()),
            exit_code => Err(self.load_error(StreamError::Failed { exit_code, stderr: executed.stderr })),
        }
    }

    fn feed(
        &self,
        (backup, stream): (&OpenBackup, &StreamName),
        phase: &str,
        arguments: &[String],
    ) -> Result<(), StepError> {
        let total_bytes = stream_bytes(backup.backup(), stream.as_str());
        self.progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes });
        let from = backup.read(stream).map_err(unusable)?;
        let (paths, storage) = (self.paths, self.paths.storage());
        let from = GuardedReader::new(from, storage.clone(), reserve(paths, &storage)?);
        let mut from = ProgressReader { from, progress: self.progress };
        let program = Program {
            namespace: &self.into.namespace,
            pod: &self.into.pod,
            container: &self.into.name,
            arguments,
            success: Success::Trailer,
        };
        let limit = Duration::from_secs(self.saved.rule.limit_seconds);
        let executed = self.cluster.write_stream(&program, limit, &mut from).map_err(|error| self.load_error(error))?;
        if executed.exit_code != 0 {
            let failed = StreamError::Failed { exit_code: executed.exit_code, stderr: executed.stderr };
            return Err(self.load_error(failed));
        }
        self.progress.event(Event::PhaseDone);
        Ok(())
    }

    fn load_error(&self, error: StreamError) -> StepError {
        let Container { namespace, pod, .. } = self.into;
        // This says nothing about the backup.
        if matches!(&error, StreamError::Reading(error) if is_out_of_room(error)) {
            let what = format!("the load of {} into {namespace}/{pod} was stopped", self.saved.name());
            return StepError::new(codes::BACKUP_STOPPED, what).because(error);
        }
        StepError::new(codes::RESTORE_LOAD, format!("{} cannot be loaded into {namespace}/{pod}", self.saved.name()))
            .because(error)
    }
}
