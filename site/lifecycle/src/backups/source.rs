//! A stream on its way out of a pod: opened when the repository first reads it, so that one stream is read at a time.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use landfall_cluster::{Cluster, OutputStream, Program, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::BackupMarker;

use super::SavedStream;
use crate::pods::{Container, NoContainer, ready_container};

/// How long a workload may have no ready pod.
const POD_LIMIT: Duration = Duration::from_mins(2);

/// Time between looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The bytes that a rule saves.
pub(super) struct RuleStream<'a> {
    cluster: &'a Cluster,
    saved: &'a SavedStream,
    progress: &'a dyn Progress,
    stream: Option<OutputStream>,
}

impl<'a> RuleStream<'a> {
    pub(super) fn new(cluster: &'a Cluster, saved: &'a SavedStream, progress: &'a dyn Progress) -> Self {
        Self { cluster, saved, progress, stream: None }
    }

    /// Marks the data, then starts the program that saves it.
    fn open(&self) -> Result<OutputStream, StepError> {
        let phase = format!("saving {}", self.saved.name());
        self.progress.event(Event::PhaseStarted { phase, total_bytes: None });
        let container = self.container()?;
        self.mark(&container)?;
        let program = Program {
            namespace: &container.namespace,
            pod: &container.pod,
            container: &container.name,
            arguments: &self.saved.rule.save,
            success: Success::Trailer,
        };
        let limit = Duration::from_secs(self.saved.rule.limit_seconds);
        self.cluster.open_stream(&program, limit).map_err(|error| self.failed("cannot be started", error))
    }

    fn container(&self) -> Result<Container, StepError> {
        let (rule, begun) = (&self.saved.rule, Instant::now());
        loop {
            match ready_container(self.cluster, &self.saved.namespace, &rule.workload, rule.container.as_deref()) {
                Ok(container) => return Ok(container),
                Err(NoContainer::Cluster(error)) if !error.is_transient() => return Err(error.into()),
                Err(error @ NoContainer::Missing(_)) => {
                    return Err(StepError::new(codes::BACKUP_POD, error.to_string()));
                }
                Err(error) if begun.elapsed() > POD_LIMIT => {
                    let what = format!("{} has not been saved", self.saved.name());
                    return Err(StepError::new(codes::BACKUP_POD, what).because(error));
                }
                Err(_) => std::thread::sleep(INTERVAL),
            }
        }
    }

    fn mark(&self, at: &Container) -> Result<(), StepError> {
        let (Some(marker), Some(word)) = (&self.saved.rule.marker, &self.saved.word) else { return Ok(()) };
        let limit = Duration::from_secs(BackupMarker::LIMIT_SECONDS);
        let program = marker.write_word(word);
        let executed = self.cluster.execute(&at.namespace, &at.pod, &at.name, &program, limit);
        let executed = executed.map_err(|error| self.failed("cannot be marked", error))?;
        if executed.exit_code == 0 {
            return Ok(());
        }
        let said = executed.stderr.text.trim();
        let what = format!("the program that marks {} failed with exit code {}", self.saved.name(), executed.exit_code);
        Err(StepError::new(codes::BACKUP_STREAM, format!("{what}: {said}")))
    }

    fn failed(&self, problem: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
        StepError::new(codes::BACKUP_STREAM, format!("the backup of {} {problem}", self.saved.name())).because(error)
    }
}

impl Read for RuleStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stream.is_none() {
            self.stream = Some(self.open().map_err(io::Error::other)?);
        }
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let read = stream.read(buffer)?;
        self.progress.event(match read {
            0 => Event::PhaseDone,
            read => Event::Advanced { bytes: read as u64 },
        });
        Ok(read)
    }
}
