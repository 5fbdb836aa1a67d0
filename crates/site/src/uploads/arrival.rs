//! Pieces of the upload. Each is durable before it counts. Arrived data is judged at once, then in steps.

use jiff::Timestamp;
use landfall_media::growing::GrowingFile;
use landfall_peer::{RefusedUpload, Upload};

use super::error::{Result, UploadError};
use super::folder::UploadRecord;
use super::judge::{ArrivedBundle, UploadJudge, UploadVerdict};
use super::slot::{Current, State, UploadSlot, time_text};

/// Bytes after which the head is judged again, until it is complete.
const HEAD_STEP: u64 = 1 << 20;
/// Bytes of the payload after which it is checked. A judgment reads the head again, so small steps would cost more than
/// the bytes.
const PAYLOAD_STEP: u64 = 32 << 20;

impl<J: UploadJudge> UploadSlot<J> {
    /// Adds the next piece of the upload with this ID. On the disk on return. A refusal of the arrived data ends the
    /// upload and removes it; any other error keeps the data. An empty piece repeats a failed judgment.
    pub fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, UploadError> {
        let mut file = self.turn();
        let mut current = self.find_upload(id)?;
        match self.receive(&mut file, &mut current, (offset, piece)) {
            Err(error) if error.ends_upload() => {
                *file = None;
                *self.state() = State { current: None, refused: Some(refused_upload(&current, &error)) };
                self.folder.clear()?;
                Err(error)
            }
            received => {
                self.state().current = Some(current.clone());
                received.map(|()| self.describe(&current))
            }
        }
    }

    fn receive(
        &self,
        file: &mut Option<GrowingFile>,
        current: &mut Current,
        (offset, piece): (u64, &[u8]),
    ) -> Result<()> {
        current.check_range(offset, piece.len() as u64)?;
        if !piece.is_empty() {
            self.append(file, current, piece)?;
        }
        if current.is_due() { self.judge_arrived(current) } else { Ok(()) }
    }

    fn append(&self, file: &mut Option<GrowingFile>, current: &mut Current, piece: &[u8]) -> Result<()> {
        let room = self.room()?;
        if room.bytes < piece.len() as u64 || room.inodes == 0 {
            return Err(UploadError::Full(self.folder.path().to_owned()));
        }
        let mut open = match file.take() {
            Some(open) => open,
            None => GrowingFile::open(&self.folder.bundle(), current.received_bytes)?,
        };
        // After a failure, the file is opened again at the end of the earlier bytes.
        open.append(piece)?;
        *file = Some(open);
        current.received_bytes += piece.len() as u64;
        Ok(())
    }

    fn judge_arrived(&self, current: &mut Current) -> Result<()> {
        let path = self.folder.bundle();
        let (checked_bytes, size_bytes) = (current.record.checked_bytes, current.record.size_bytes);
        let judged = self.judge.judge(&ArrivedBundle { path: &path, checked_bytes, size_bytes });
        let UploadVerdict { checked_bytes, bundle, release, problem } =
            judged.map_err(|problem| UploadError::Unjudged(problem.into()))?;
        if let Some(problem) = problem {
            return Err(UploadError::Refused(problem.into()));
        }
        current.seen_bytes = current.received_bytes;
        let checked_bytes = checked_bytes.clamp(current.record.checked_bytes, current.received_bytes);
        let record = UploadRecord { checked_bytes, bundle, release, ..current.record.clone() };
        if record != current.record {
            self.folder.write(&record)?;
            current.record = record;
        }
        Ok(())
    }
}

impl Current {
    fn check_range(&self, offset: u64, length: u64) -> Result<()> {
        let (received_bytes, size_bytes) = (self.received_bytes, self.record.size_bytes);
        if offset != received_bytes {
            return Err(UploadError::Offset { offset, received_bytes });
        }
        let end = offset.saturating_add(length);
        if end > size_bytes { Err(UploadError::TooLong { end, size_bytes }) } else { Ok(()) }
    }

    /// Returns true if the arrived data must be judged now.
    fn is_due(&self) -> bool {
        let step = if self.record.bundle.is_some() { PAYLOAD_STEP } else { HEAD_STEP };
        let is_last = self.received_bytes == self.record.size_bytes && !self.is_whole();
        is_last || self.received_bytes - self.seen_bytes >= step
    }
}

fn refused_upload(current: &Current, error: &UploadError) -> RefusedUpload {
    RefusedUpload {
        name: current.record.name.clone(),
        by: current.record.by.clone(),
        at: time_text(Timestamp::now()),
        problem: error.problem(),
    }
}
