//! Concurrent reading, checking and use. Several threads read large blocks and check them; the caller's thread gets the
//! valid pieces in order. A disk is faster with several requests at once; these are adjacent, so a stick is still read
//! from beginning to end.
//!
//! Memory is bounded: there are [`BLOCKS`] buffers, and each returns to the readers after use.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use crate::disk::AlignedBuffer;
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece};

/// Maximum bytes of adjacent pieces that are read at once.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Number of buffers in flight.
const BLOCKS: usize = 8;

/// A source of pieces.
pub(crate) trait PieceReader: Sync {
    /// Fills the buffer with these pieces, one after another.
    fn read(&self, pieces: &[Piece], buffer: &mut [u8]) -> Result<()>;

    /// Returns the error for a piece that differs from what was signed.
    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError;
}

struct Block {
    index: usize,
    pieces: Vec<Piece>,
    buffer: AlignedBuffer,
    /// For each unusable piece, by its position: why it cannot be used.
    bad: BTreeMap<usize, PieceFault>,
    /// Reason why no further pieces follow.
    end: Result<()>,
}

enum PieceFault {
    /// The piece differs from what was signed.
    Differs,
    /// The media could not return the piece.
    Unreadable(MediaError),
}

/// Receives the valid pieces and the errors of the others, in order. An error ends the reading.
pub(crate) trait PieceTaker {
    /// Takes a piece that matches its signed value.
    fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()>;

    /// Takes the error of a piece that does not match. By default, the error ends the reading.
    fn take_damaged(&mut self, _piece: &Piece, error: MediaError) -> Result<()> {
        Err(error)
    }
}

impl<F: FnMut(&Piece, &[u8]) -> Result<()>> PieceTaker for F {
    fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        self(piece, bytes)
    }
}

/// Reads pieces in order, checks each, and gives it to `taker`. Ends where the media ends or `taker` fails; everything
/// before that point was taken.
pub(crate) fn run(
    payload: &Payload,
    reader: &dyn PieceReader,
    pieces: impl Iterator<Item = Piece> + Send,
    taker: &mut dyn PieceTaker,
) -> Result<()> {
    // Some workers wait for the disk while others check. With more workers than buffers, they would wait for each
    // other.
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, BLOCKS - 4) + 2;
    let (to_use, checked) = channel::<Block>();
    let (recycle, free) = channel::<AlignedBuffer>();
    for _ in 0..BLOCKS {
        // Cannot fail: the receiver is in this function.
        let _ = recycle.send(AlignedBuffer::default());
    }
    let supply = Mutex::new(Supply { pieces: pieces.peekable(), index: 0, free });
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (supply, to_use) = (&supply, to_use.clone());
            scope.spawn(move || read_all(payload, reader, supply, &to_use));
        }
        drop(to_use);
        let outcome = use_all(payload, reader, &checked, &recycle, taker);
        // The workers end when their channels close.
        drop((checked, recycle));
        outcome
    })
}

/// The pieces that are still to be read, in order.
struct Supply<I: Iterator<Item = Piece>> {
    pieces: Peekable<I>,
    index: usize,
    free: Receiver<AlignedBuffer>,
}

impl<I: Iterator<Item = Piece>> Supply<I> {
    /// Returns the next block, whose bytes are not read yet. Waits for a buffer first: the thread with the earliest
    /// block must not wait for those with later ones.
    fn next(&mut self) -> Option<Block> {
        let mut buffer = self.free.recv().ok()?;
        let mut pieces = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = self.pieces.next_if(|piece| bytes == 0 || bytes + piece.length <= BLOCK_BYTES) {
            bytes += piece.length;
            pieces.push(piece);
        }
        if pieces.is_empty() {
            return None;
        }
        buffer.resize(bytes);
        let index = self.index;
        self.index += 1;
        Some(Block { index, pieces, buffer, bad: BTreeMap::new(), end: Ok(()) })
    }
}

fn read_all<I: Iterator<Item = Piece>>(
    payload: &Payload,
    reader: &dyn PieceReader,
    supply: &Mutex<Supply<I>>,
    to_use: &Sender<Block>,
) {
    loop {
        let next = supply.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(mut block) = next else { return };
        read_and_check(payload, reader, &mut block);
        let failed = block.end.is_err();
        if to_use.send(block).is_err() || failed {
            return;
        }
    }
}

/// Fills a block and records its bad pieces. A panic becomes an error: if a block were never passed on, all threads
/// would wait for it.
fn read_and_check(payload: &Payload, reader: &dyn PieceReader, block: &mut Block) {
    let read = catch_unwind(AssertUnwindSafe(|| {
        read_block(reader, block)?;
        check(payload, block);
        Ok(())
    }));
    let panicked = |_| Err(MediaError::Bug(format!("reading or checking block {} panicked", block.index)));
    block.end = read.unwrap_or_else(panicked);
    if block.end.is_err() {
        block.pieces.clear();
    }
}

/// Fills a block. If the media has bad places, it reads piece by piece to find each of them.
fn read_block(reader: &dyn PieceReader, block: &mut Block) -> Result<()> {
    match reader.read(&block.pieces, &mut block.buffer) {
        Err(error) if error.is_unreadable() => {}
        read => return read,
    }
    let mut rest = &mut block.buffer[..];
    for (position, piece) in block.pieces.iter().enumerate() {
        let (bytes, after) = rest.split_at_mut(piece.length);
        rest = after;
        match reader.read(&[*piece], bytes) {
            Err(error) if error.is_unreadable() => drop(block.bad.insert(position, PieceFault::Unreadable(error))),
            read => read?,
        }
    }
    Ok(())
}

fn check(payload: &Payload, block: &mut Block) {
    let mut rest = &block.buffer[..];
    for (position, piece) in block.pieces.iter().enumerate() {
        let (bytes, after) = rest.split_at(piece.length);
        rest = after;
        if !block.bad.contains_key(&position) && !payload.matches(piece, bytes) {
            block.bad.insert(position, PieceFault::Differs);
        }
    }
}

fn use_all(
    payload: &Payload,
    reader: &dyn PieceReader,
    checked: &Receiver<Block>,
    recycle: &Sender<AlignedBuffer>,
    taker: &mut dyn PieceTaker,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for block in checked {
        early.insert(block.index, block);
        while let Some(mut block) = early.remove(&next) {
            next += 1;
            let mut rest = &block.buffer[..];
            for (position, piece) in block.pieces.iter().enumerate() {
                let (bytes, after) = rest.split_at(piece.length);
                rest = after;
                match block.bad.remove(&position) {
                    None => taker.take(piece, bytes)?,
                    Some(PieceFault::Differs) => taker.take_damaged(piece, reader.damage_error(payload, piece))?,
                    Some(PieceFault::Unreadable(error)) => taker.take_damaged(piece, error)?,
                }
            }
            block.end?;
            // The reader may be gone already.
            let _ = recycle.send(block.buffer);
        }
    }
    if early.is_empty() { Ok(()) } else { Err(MediaError::Bug(format!("block {next} was lost while checking"))) }
}

#[cfg(test)]
mod tests;
