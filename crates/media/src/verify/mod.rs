//! Verification of a whole bundle, or of all blobs of it that a site holds, in one pass. Every byte is checked against
//! its signature, its chunk or the rules of the format. All damage is reported at once; for a bundle that is still
//! arriving, only the first damage.

use std::collections::{BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::path::Path;

use landfall_bundle_spec::Sha256;

use crate::bundle::BundleMedia;
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece, PieceKind};
use crate::pipeline::{self, PieceReader, PieceTaker};
use crate::progress::{Event, Progress};
use crate::source::StoreReader;
use crate::store::ContentStore;

/// Number of damaged places after which the search ends: no one reads more, and disconnected media fails everywhere.
const LISTED: usize = 1000;

/// Reads every present byte of the bundle once, in order; for a delta, the bytes that it contains. The error lists
/// every place that differs from what was signed. The search for the parts has already shown that they are complete and
/// have no surplus bytes.
pub fn verify(media: &BundleMedia, phase: &str, progress: &dyn Progress) -> Result<()> {
    let payload = media.payload();
    progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes: Some(media.total_bytes()) });
    let mut found = VerifyFindings::new(progress);
    for piece in payload.head_pieces() {
        // The verified head may come from another file, sent ahead.
        let mut bytes = vec![0; piece.length];
        match media.read(&[piece], &mut bytes) {
            Err(error) if error.is_unreadable() => found.take_damaged(&piece, error)?,
            Ok(()) if !payload.matches(&piece, &bytes) => {
                found.take_damaged(&piece, media.damage_error(payload, &piece))?;
            }
            read => read.and_then(|()| found.take(&piece, &bytes))?,
        }
    }
    let read = pipeline::run(payload, media, media.pieces(), &mut found);
    found.end(read)
}

/// Checks the arrived bytes of a bundle or delta that comes as one file of `announced_bytes` bytes and whose head is
/// verified. Checks every complete piece after `checked`, an offset in the file: 0, or the result of an earlier call.
/// Returns the offset of the first incomplete piece; at the end, the length of the file. The error names the first
/// place that differs from what was signed.
pub fn verify_arrived(payload: &Payload, path: &Path, announced_bytes: u64, checked: u64) -> Result<u64> {
    let media = BundleMedia::arriving(payload.clone(), path, announced_bytes)?;
    let arrived: u64 = media.parts().iter().map(|part| part.length).sum();
    let mut checked = checked.max(payload.layout().head_bytes());
    let known = checked;
    let mut end = payload.layout().head_bytes();
    // In the file, each piece directly follows the previous one, whatever lies between them in the whole stream.
    let placed = media.pieces().map(|piece| {
        end += piece.length as u64;
        (piece, end)
    });
    let new = placed.skip_while(|(_, end)| *end <= known).take_while(|(_, end)| *end <= arrived);
    pipeline::run(payload, &media, new.map(|(piece, _)| piece), &mut |piece: &Piece, _: &[u8]| -> Result<()> {
        checked += piece.length as u64;
        Ok(())
    })?;
    Ok(checked)
}

/// Reads every blob of a bundle in a store and compares it, its record and its length with what was signed. The error
/// lists all missing or damaged blobs.
pub fn verify_store(payload: &Payload, store: &ContentStore, phase: &str, progress: &dyn Progress) -> Result<()> {
    verify_store_beyond(&HashSet::new(), payload, store, phase, progress)
}

/// Like [`verify_store`], without the blobs in `known`, which were already read for another bundle.
pub fn verify_store_beyond<S: BuildHasher>(
    known: &HashSet<Sha256, S>,
    payload: &Payload,
    store: &ContentStore,
    phase: &str,
    progress: &dyn Progress,
) -> Result<()> {
    let blobs = || payload.blobs().iter().enumerate().filter(|(_, entry)| !known.contains(&entry.sha256));
    let total_bytes = Some(blobs().map(|(_, entry)| entry.size).sum());
    progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes });
    let mut found = VerifyFindings::new(progress);
    let mut sound = Vec::new();
    for (blob, entry) in blobs() {
        match store.record(entry.sha256) {
            Ok(record) if record == payload.sums(blob) => sound.push(blob),
            Ok(_) => {
                let what = format!("its record differs from the bundle's entry for {}", entry.sha256);
                found.note(MediaError::StoreDamaged { path: store.path(entry.sha256), what })?;
            }
            Err(error) => found.note(error)?,
        }
    }
    let pieces = sound.into_iter().flat_map(|blob| payload.chunks_of_blob(blob, 0));
    let read = pipeline::run(payload, &StoreReader::new(store, payload), pieces, &mut found);
    found.end(read)
}

/// Reads every blob of a bundle that a store holds. Returns those whose bytes differ from what was signed or cannot be
/// read; missing blobs are not included.
pub(crate) fn rotten_blobs(
    payload: &Payload,
    store: &ContentStore,
    phase: &str,
    progress: &dyn Progress,
) -> Result<BTreeSet<usize>> {
    let mut seen = HashSet::new();
    let is_first = |blob: &usize| seen.insert(payload.blob(*blob).sha256);
    let held: Vec<usize> =
        (0..payload.blobs().len()).filter(is_first).filter(|blob| store.holds(payload, *blob)).collect();
    if held.is_empty() {
        return Ok(BTreeSet::new());
    }
    let total_bytes = Some(held.iter().map(|blob| payload.blob(*blob).size).sum());
    progress.event(Event::PhaseStarted { phase: phase.to_owned(), total_bytes });
    let pieces = held.into_iter().flat_map(|blob| payload.chunks_of_blob(blob, 0));
    let mut found = DamagedBlobs { progress, blobs: BTreeSet::new() };
    pipeline::run(payload, &StoreReader::new(store, payload), pieces, &mut found)?;
    progress.event(Event::PhaseDone);
    Ok(found.blobs)
}

/// Collects the blobs that have a piece that differs from what was signed.
struct DamagedBlobs<'a> {
    progress: &'a dyn Progress,
    blobs: BTreeSet<usize>,
}

impl PieceTaker for DamagedBlobs<'_> {
    fn take(&mut self, piece: &Piece, _bytes: &[u8]) -> Result<()> {
        self.progress.event(Event::Advanced { bytes: piece.length as u64 });
        Ok(())
    }

    fn take_damaged(&mut self, piece: &Piece, _error: MediaError) -> Result<()> {
        if let PieceKind::Chunk(blob, _) = piece.kind {
            self.blobs.insert(blob);
        }
        self.take(piece, &[])
    }
}

/// The findings so far, and the position.
struct VerifyFindings<'a> {
    progress: &'a dyn Progress,
    damage: Vec<MediaError>,
    done: u64,
}

impl<'a> VerifyFindings<'a> {
    fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, damage: Vec::new(), done: 0 }
    }

    fn note(&mut self, error: MediaError) -> Result<()> {
        self.damage.push(error);
        if self.damage.len() < LISTED {
            return Ok(());
        }
        // This error ends the reading; the list is reported.
        Err(MediaError::Bug("too much damage".to_owned()))
    }

    /// Returns the found damage after the reading has ended.
    fn end(self, read: Result<()>) -> Result<()> {
        let Self { progress, mut damage, .. } = self;
        let is_complete = read.is_ok();
        if let Err(error) = read
            && damage.len() < LISTED
        {
            damage.push(error);
        }
        let is_alone = damage.len() == 1;
        if let Some(error) = MediaError::of_damage(damage, is_complete || is_alone) {
            return Err(error);
        }
        progress.event(Event::PhaseDone);
        Ok(())
    }

    fn advance(&mut self, piece: &Piece) {
        self.done += piece.length as u64;
        if matches!(piece.kind, PieceKind::Head | PieceKind::Chunk(..) | PieceKind::End) {
            self.progress.event(Event::Advanced { bytes: std::mem::take(&mut self.done) });
        }
    }
}

impl PieceTaker for VerifyFindings<'_> {
    fn take(&mut self, piece: &Piece, _bytes: &[u8]) -> Result<()> {
        self.advance(piece);
        Ok(())
    }

    fn take_damaged(&mut self, piece: &Piece, error: MediaError) -> Result<()> {
        self.advance(piece);
        self.note(error)
    }
}

#[cfg(test)]
mod tests;
