//! The one mechanism that copies blobs: checked chunk → file → fsync → rename → fsync folder.
//!
//! Building copies a store to a bundle, staging copies a bundle to a store, and re-splitting copies a bundle to a
//! bundle. The sink reports which blobs it lacks, so the same call continues after any interruption.

use crate::error::{MediaError, Result};
use crate::progress::{Event, Progress};
use crate::sink::BlobSink;
use crate::source::{BlobSource, MissingBlob};

/// Totals of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyTotals {
    /// Blobs that were copied, completely or from the point where an earlier copy stopped.
    pub blobs: usize,
    /// Bytes of these blobs that were copied.
    pub bytes: u64,
    /// Bytes that were already present.
    pub present_bytes: u64,
}

/// Copies every blob that the sink lacks, and reads each byte of the source once. On return, all bytes are on the disk.
/// After an error, the copied bytes remain and the next call continues.
pub fn copy(
    source: &mut dyn BlobSource,
    sink: &mut dyn BlobSink,
    phase: &str,
    progress: &dyn Progress,
) -> Result<CopyTotals> {
    let payload = source.payload().clone();
    let mut wanted = Vec::new();
    let mut copied = CopyTotals::default();
    for (blob, entry) in payload.blobs().iter().enumerate() {
        match sink.wants(blob)? {
            None => copied.present_bytes += entry.size,
            Some(from) => {
                wanted.push(MissingBlob { blob, from });
                copied.blobs += 1;
                copied.bytes += entry.size - from;
                copied.present_bytes += from;
            }
        }
    }
    progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes: Some(sink.total_bytes()) });
    if copied.present_bytes > 0 {
        progress.event(Event::Present { bytes: copied.present_bytes });
    }
    let given = source.give(&wanted, &mut |blob, chunk| {
        advance(progress, sink.take(blob, chunk)?);
        Ok(())
    });
    if let Err(error) = given {
        // Report the original error, unless the disk turns out to have failed.
        let kept = if error.is_fatal() { Ok(()) } else { sink.keep() };
        return Err(kept.err().filter(MediaError::is_fatal).unwrap_or(error));
    }
    advance(progress, sink.finish()?);
    progress.event(Event::PhaseDone);
    Ok(copied)
}

fn advance(progress: &dyn Progress, bytes: u64) {
    if bytes > 0 {
        progress.event(Event::Advanced { bytes });
    }
}
