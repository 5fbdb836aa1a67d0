//! The one mechanism that moves blobs: checked chunk → file → fsync → rename → fsync folder.
//!
//! Building copies a store to a bundle, staging a bundle to a store, and splitting again a bundle to a bundle. The sink
//! reports what it lacks, so the same call continues after any interruption.

use crate::error::{MediaError, Result};
use crate::progress::{Event, Progress};
use crate::sink::BlobSink;
use crate::source::{BlobSource, Wanted};

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Blobs that were moved, wholly or from where an earlier copy stopped.
    pub blobs: usize,
    /// Bytes of them that were moved.
    pub bytes: u64,
    /// Bytes that were already there.
    pub present_bytes: u64,
}

/// Copies every blob that the sink lacks, reading each byte of the source once. On return everything is on the disk; on
/// an error what was copied stays, and the next call continues.
pub fn copy(
    source: &mut dyn BlobSource,
    sink: &mut dyn BlobSink,
    phase: &str,
    progress: &dyn Progress,
) -> Result<Copied> {
    let payload = source.payload().clone();
    let mut wanted = Vec::new();
    let mut copied = Copied::default();
    for (blob, entry) in payload.blobs().iter().enumerate() {
        match sink.wants(blob)? {
            None => copied.present_bytes += entry.size,
            Some(from) => {
                wanted.push(Wanted { blob, from });
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
        // The person must learn why it stopped, unless the disk turns out to have failed.
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
