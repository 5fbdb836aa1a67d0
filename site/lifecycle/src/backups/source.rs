//! A stream on its way out of a pod: opened when the repository first reads it, so that one stream is read at a time.

use std::io::{self, Read};

use landfall_cluster::OutputStream;
use landfall_engine::step::StepError;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::BackupMarker;

use super::rule_pod::RulePod;

/// The bytes that a program of a rule writes.
pub(super) struct PodStream<'a> {
    pod: &'a RulePod<'a>,
    arguments: &'a [String],
    /// The program that marks the data before, with its arguments.
    mark: Option<Vec<String>>,
    progress: &'a dyn Progress,
    stream: Option<OutputStream>,
}

impl<'a> PodStream<'a> {
    pub(super) fn new(pod: &'a RulePod<'a>, arguments: &'a [String], progress: &'a dyn Progress) -> Self {
        Self { pod, arguments, mark: None, progress, stream: None }
    }

    /// The same, before which this word is written into the data.
    pub(super) fn marked(self, word: Option<&str>) -> Self {
        let marker = self.pod.rule.marker.as_ref().zip(word);
        Self { mark: marker.map(|(marker, word)| marker.write_word(word)), ..self }
    }

    /// Marks the data, then starts the program that saves it.
    fn open(&self) -> Result<OutputStream, StepError> {
        let phase = format!("saving {}", self.pod.stream);
        self.progress.event(Event::PhaseStarted { phase, total_bytes: None });
        if let Some(mark) = &self.mark {
            self.pod.run(mark, BackupMarker::LIMIT_SECONDS)?;
        }
        self.pod.open(self.arguments)
    }
}

impl Read for PodStream<'_> {
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
