//! Fetches a stream of a backup into a file of the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use landfall_backup::{OpenBackup, StreamName};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_host::space::FreeSpace;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};
use sha2::{Digest, Sha256};

use super::unusable;
use crate::room::{GuardedReader, is_out_of_room, reserve};

/// Number of bytes that are read at once.
const PIECE: usize = 256 << 10;

/// A backup from which streams are fetched.
pub struct Fetch<'a> {
    /// Paths with the data folder: a fetch that would fill its filesystem is stopped.
    pub paths: &'a SitePaths,
    /// The backup.
    pub backup: &'a OpenBackup,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl Fetch<'_> {
    /// Writes a stream into a new file; `path` is for errors. Returns its bytes. Size and digest match the saved ones,
    /// and the content is on the disk on return. The file's name may not be.
    pub fn write_to(&self, stream: &StreamName, file: &mut File, path: &Path) -> Result<u64, StepError> {
        let known = self.backup.backup().streams.iter().find(|known| known.name == *stream);
        let phase = format!("reading {stream}");
        self.progress.event(Event::PhaseStarted { phase, total_bytes: known.map(|known| known.size_bytes) });
        let (size_bytes, sha256) = self.copy(stream, file, path)?;
        if let Some(known) = known
            && (known.size_bytes != size_bytes || known.sha256.as_ref().is_some_and(|known| *known != sha256))
        {
            let what = format!("the stream {stream} has {size_bytes} bytes with another digest than was saved");
            return Err(StepError::new(codes::BACKUP_DAMAGED, what));
        }
        durable::sync_file(file, path)?;
        self.progress.event(Event::PhaseDone);
        Ok(size_bytes)
    }

    fn copy(&self, stream: &StreamName, file: &mut File, path: &Path) -> Result<(u64, String), StepError> {
        let mut from = self.guarded_reader(self.backup.read(stream).map_err(unusable)?, path)?;
        let (mut size_bytes, mut digest, mut piece) = (0, Sha256::new(), vec![0; PIECE]);
        loop {
            let read = match from.read(&mut piece) {
                Ok(0) => return Ok((size_bytes, hex::encode(digest.finalize()))),
                Ok(read) => read,
                Err(error) => return Err(read_error(error, stream)),
            };
            file.write_all(&piece[..read]).map_err(|error| files::file_error("write", path, error))?;
            digest.update(&piece[..read]);
            size_bytes += read as u64;
            self.progress.event(Event::Advanced { bytes: read as u64 });
        }
    }

    /// Returns a reader that stops before the data folder's filesystem is full. Other filesystems may be filled.
    pub fn guarded_reader<R: Read>(&self, from: R, path: &Path) -> Result<GuardedReader<R>, StepError> {
        let data = FreeSpace::at(&self.paths.data())?;
        let is_data = FreeSpace::at(path)?.device == data.device;
        let kept = if is_data { reserve(self.paths, &self.paths.data())? } else { <_>::default() };
        Ok(GuardedReader::new(from, path.to_owned(), kept))
    }
}

/// Returns the error of a stream that could not be read to its end.
fn read_error(error: io::Error, stream: &StreamName) -> StepError {
    let (code, what) = if is_out_of_room(&error) {
        (codes::BACKUP_STOPPED, format!("reading {stream} was stopped"))
    } else {
        (codes::BACKUP_DAMAGED, format!("the stream {stream} cannot be read to its end"))
    };
    StepError::new(code, what).because(error)
}
