//! A stream from a pod. It is opened when the repository first reads it, so only one stream is read at a time.

use std::io::{self, Cursor, Read};

use landfall_engine::step::StepError;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::BackupMarker;

use super::rule_pod::RulePrograms;

/// Maximum number of bytes that are read ahead.
const AHEAD_BYTES: usize = 64 << 10;

/// Output of a rule's program.
pub(super) struct PodStream<'a> {
    pod: &'a dyn RulePrograms,
    arguments: &'a [String],
    /// Program that marks the data first, with its arguments.
    mark: Option<Vec<String>>,
    progress: &'a dyn Progress,
    stream: Option<Box<dyn Read + 'a>>,
    /// Bytes that were read ahead.
    ahead: Cursor<Vec<u8>>,
    is_announced: bool,
}

impl<'a> PodStream<'a> {
    pub(super) fn new(pod: &'a dyn RulePrograms, arguments: &'a [String], progress: &'a dyn Progress) -> Self {
        Self { pod, arguments, mark: None, progress, stream: None, ahead: Cursor::default(), is_announced: false }
    }

    /// Adds a marker: this word is written into the data first.
    pub(super) fn with_marker(self, marker: Option<&BackupMarker>, word: Option<&str>) -> Self {
        Self { mark: marker.zip(word).map(|(marker, word)| marker.write_word(word)), ..self }
    }

    /// Marks the data once.
    pub(super) fn mark(&mut self) -> Result<(), StepError> {
        self.mark.take().map_or(Ok(()), |mark| self.pod.run(&mark, BackupMarker::LIMIT_SECONDS))
    }

    /// Marks the data, starts the saving program, and waits until it has written something or has ended.
    pub(super) fn read_ahead(&mut self) -> io::Result<()> {
        let mut piece = vec![0; AHEAD_BYTES];
        let read = self.reader()?.read(&mut piece)?;
        piece.truncate(read);
        self.ahead = Cursor::new(piece);
        Ok(())
    }

    /// Returns true if the program has ended without output. Waits until it has written something or has ended.
    pub(super) fn is_empty(&mut self) -> io::Result<bool> {
        self.read_ahead()?;
        Ok(self.ahead.get_ref().is_empty())
    }

    fn reader(&mut self) -> io::Result<&mut (dyn Read + 'a)> {
        if self.stream.is_none() {
            self.mark().map_err(io::Error::other)?;
            self.stream = Some(self.pod.open(self.arguments, None).map_err(io::Error::other)?);
        }
        self.stream.as_deref_mut().ok_or_else(|| io::Error::other("the stream is not open"))
    }
}

impl Read for PodStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_announced {
            self.is_announced = true;
            let phase = format!("saving {}", self.pod.stream());
            self.progress.event(Event::PhaseStarted { phase, total_bytes: None });
        }
        let read = match self.ahead.read(buffer)? {
            0 => self.reader()?.read(buffer)?,
            read => read,
        };
        self.progress.event(match read {
            0 => Event::PhaseDone,
            read => Event::Advanced { bytes: read as u64 },
        });
        Ok(read)
    }
}
