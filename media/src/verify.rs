//! Verification of a whole bundle in one pass: every byte against its signature, its chunk or the format's rules.

use crate::bundle::BundleMedia;
use crate::error::Result;
use crate::payload::PieceKind;
use crate::pipeline::{self, PieceReader};
use crate::progress::{Event, Progress};

/// Reads every byte of the bundle once, in order, and stops at the first that is not what was signed. The parts are
/// known to be all there, and no longer than they should be: that is part of finding them.
pub fn verify(media: &BundleMedia, phase: &str, progress: &dyn Progress) -> Result<()> {
    let payload = media.payload();
    progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes: Some(media.total_bytes()) });
    let advance = |bytes: usize| progress.event(Event::Advanced { bytes: bytes as u64 });
    for piece in payload.head_pieces() {
        // The head that was verified may have come from another file, sent ahead.
        let mut bytes = vec![0; piece.length];
        media.read(&[piece], &mut bytes)?;
        if !payload.matches(&piece, &bytes) {
            return Err(media.damaged(payload, &piece));
        }
        advance(piece.length);
    }
    let mut done = 0;
    pipeline::run(payload, media, payload.pieces(), &mut |piece, bytes| {
        done += bytes.len();
        if matches!(piece.kind, PieceKind::Chunk(..) | PieceKind::End) {
            advance(std::mem::take(&mut done));
        }
        Ok(())
    })?;
    progress.event(Event::PhaseDone);
    Ok(())
}
