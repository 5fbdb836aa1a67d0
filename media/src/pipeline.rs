//! Reading, checking and using at the same time: one thread reads in large steps, several check, and the caller's
//! thread gets the pieces that passed, in order.
//!
//! Memory is bounded: there are [`BLOCKS`] buffers, and each goes back to the reader after use.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::disk::AlignedBuffer;
use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece};

/// Bytes that are read at once, where this many are adjacent.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Buffers in flight.
const BLOCKS: usize = 8;

/// Where pieces are read from.
pub(crate) trait PieceReader: Sync {
    /// Fills the buffer with these pieces, one after the other.
    fn read(&self, pieces: &[Piece], buffer: &mut [u8]) -> Result<()>;

    /// The error that says that a piece is not what was signed.
    fn damaged(&self, payload: &Payload, piece: &Piece) -> MediaError;
}

struct Block {
    index: usize,
    pieces: Vec<Piece>,
    buffer: AlignedBuffer,
    /// Why pieces cannot be used, by their position.
    bad: BTreeMap<usize, Bad>,
    /// Why no further pieces follow.
    end: Result<()>,
}

enum Bad {
    /// It is not what was signed.
    Differs,
    /// The media could not return it.
    Unreadable(MediaError),
}

/// Receives the pieces that passed and the errors of those that did not, in order. An error ends the reading.
pub(crate) trait PieceTaker {
    /// Takes a piece that matches its signed value.
    fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()>;

    /// Takes the error of a piece that does not match; by default, it ends the reading.
    fn damaged(&mut self, _piece: &Piece, error: MediaError) -> Result<()> {
        Err(error)
    }
}

impl<F: FnMut(&Piece, &[u8]) -> Result<()>> PieceTaker for F {
    fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        self(piece, bytes)
    }
}

/// Reads pieces in order, checks each, and gives it to `taker`. Ends where the media ends or `taker` fails; everything
/// before that was taken.
pub(crate) fn run(
    payload: &Payload,
    reader: &dyn PieceReader,
    pieces: impl Iterator<Item = Piece> + Send,
    taker: &mut dyn PieceTaker,
) -> Result<()> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
    let (to_check, unchecked) = sync_channel::<Block>(BLOCKS);
    let (to_use, checked) = channel::<Block>();
    let (recycle, free) = channel::<AlignedBuffer>();
    for _ in 0..BLOCKS {
        // Cannot fail: the receiver is in this function.
        let _ = recycle.send(AlignedBuffer::default());
    }
    let unchecked = Mutex::new(unchecked);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read_all(reader, pieces, &free, &to_check));
        for _ in 0..workers {
            let (unchecked, to_use) = (&unchecked, to_use.clone());
            scope.spawn(move || check_all(payload, unchecked, &to_use));
        }
        drop(to_use);
        let outcome = use_all(payload, reader, &checked, &recycle, taker);
        // The reader ends when its channels are closed.
        drop((checked, recycle));
        let read = reading.join().map_err(|_| MediaError::Bug("the thread that reads panicked".to_owned()));
        outcome.and(read)
    })
}

fn read_all(
    reader: &dyn PieceReader,
    pieces: impl Iterator<Item = Piece>,
    free: &Receiver<AlignedBuffer>,
    to_check: &SyncSender<Block>,
) {
    let mut pieces = pieces.peekable();
    for index in 0.. {
        let mut now = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = pieces.next_if(|piece| bytes == 0 || bytes + piece.length <= BLOCK_BYTES) {
            bytes += piece.length;
            now.push(piece);
        }
        if now.is_empty() {
            return;
        }
        let Ok(mut buffer) = free.recv() else { return };
        buffer.resize(bytes);
        let mut block = Block { index, pieces: now, buffer, bad: BTreeMap::new(), end: Ok(()) };
        block.end = read_block(reader, &mut block);
        let failed = block.end.is_err();
        if failed {
            block.pieces.clear();
        }
        if to_check.send(block).is_err() || failed {
            return;
        }
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
            Err(error) if error.is_unreadable() => drop(block.bad.insert(position, Bad::Unreadable(error))),
            read => read?,
        }
    }
    Ok(())
}

fn check_all(payload: &Payload, unchecked: &Mutex<Receiver<Block>>, to_use: &Sender<Block>) {
    loop {
        let next = unchecked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut block) = next else { return };
        // If a block were never passed on, all threads would wait for it.
        if catch_unwind(AssertUnwindSafe(|| check(payload, &mut block))).is_err() {
            block.pieces.clear();
            block.end = Err(MediaError::Bug(format!("checking block {} panicked", block.index)));
        }
        if to_use.send(block).is_err() {
            return;
        }
    }
}

fn check(payload: &Payload, block: &mut Block) {
    let mut rest = &block.buffer[..];
    for (position, piece) in block.pieces.iter().enumerate() {
        let (bytes, after) = rest.split_at(piece.length);
        rest = after;
        if !block.bad.contains_key(&position) && !payload.matches(piece, bytes) {
            block.bad.insert(position, Bad::Differs);
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
                    Some(Bad::Differs) => taker.damaged(piece, reader.damaged(payload, piece))?,
                    Some(Bad::Unreadable(error)) => taker.damaged(piece, error)?,
                }
            }
            block.end?;
            // The reader may have ended already.
            let _ = recycle.send(block.buffer);
        }
    }
    if early.is_empty() { Ok(()) } else { Err(MediaError::Bug(format!("block {next} was lost while checking"))) }
}

#[cfg(test)]
mod tests;
