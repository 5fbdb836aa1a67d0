//! Reading, checking and using at the same time: one thread reads in large steps, some check, and the caller's thread
//! gets what passed, in order.
//!
//! Memory is bounded: there are [`BLOCKS`] buffers, and whoever is done with one gives it back to the reader.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::error::{MediaError, Result};
use crate::payload::{Payload, Piece};

/// Bytes that are read at once, where so many lie together.
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
    buffer: Vec<u8>,
    outcome: Result<()>,
}

/// Reads pieces in order, checks each, and gives it to `take`. Ends at the first that cannot be read, is not what was
/// signed, or that `take` fails on; everything before it was taken.
pub(crate) fn run(
    payload: &Payload,
    reader: &dyn PieceReader,
    pieces: impl Iterator<Item = Piece> + Send,
    take: &mut dyn FnMut(&Piece, &[u8]) -> Result<()>,
) -> Result<()> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
    let (to_check, unchecked) = sync_channel::<Block>(BLOCKS);
    let (to_use, checked) = channel::<Block>();
    let (give_back, free) = channel::<Vec<u8>>();
    for _ in 0..BLOCKS {
        // Cannot fail: the receiver is in this function.
        let _ = give_back.send(Vec::new());
    }
    let unchecked = Mutex::new(unchecked);
    std::thread::scope(|scope| {
        let to_use_by_reader = to_use.clone();
        scope.spawn(move || read_all(reader, pieces, &free, &to_check, &to_use_by_reader));
        for _ in 0..workers {
            let (unchecked, to_use) = (&unchecked, to_use.clone());
            scope.spawn(move || check_all(payload, reader, unchecked, &to_use));
        }
        drop(to_use);
        let outcome = use_all(&checked, &give_back, take);
        // The reader ends when it finds nobody to give it buffers or take them.
        drop((checked, give_back));
        outcome
    })
}

fn read_all(
    reader: &dyn PieceReader,
    pieces: impl Iterator<Item = Piece>,
    free: &Receiver<Vec<u8>>,
    to_check: &SyncSender<Block>,
    to_use: &Sender<Block>,
) {
    let mut pieces = pieces.peekable();
    for index in 0.. {
        let mut block = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = pieces.next_if(|piece| bytes == 0 || bytes + piece.length <= BLOCK_BYTES) {
            bytes += piece.length;
            block.push(piece);
        }
        if block.is_empty() {
            return;
        }
        let Ok(mut buffer) = free.recv() else { return };
        buffer.resize(bytes, 0);
        let outcome = reader.read(&block, &mut buffer);
        let failed = outcome.is_err();
        if failed {
            block.clear();
        }
        let block = Block { index, pieces: block, buffer, outcome };
        let sent = if failed { to_use.send(block).is_ok() } else { to_check.send(block).is_ok() };
        if failed || !sent {
            return;
        }
    }
}

fn check_all(payload: &Payload, reader: &dyn PieceReader, unchecked: &Mutex<Receiver<Block>>, to_use: &Sender<Block>) {
    loop {
        let next = unchecked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut block) = next else { return };
        let mut rest = block.buffer.as_slice();
        for (position, piece) in block.pieces.iter().enumerate() {
            let (bytes, after) = rest.split_at(piece.length);
            rest = after;
            if !payload.matches(piece, bytes) {
                block.outcome = Err(reader.damaged(payload, piece));
                block.pieces.truncate(position);
                break;
            }
        }
        if to_use.send(block).is_err() {
            return;
        }
    }
}

fn use_all(
    checked: &Receiver<Block>,
    give_back: &Sender<Vec<u8>>,
    take: &mut dyn FnMut(&Piece, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for block in checked {
        early.insert(block.index, block);
        while let Some(block) = early.remove(&next) {
            next += 1;
            let mut rest = block.buffer.as_slice();
            for piece in &block.pieces {
                let (bytes, after) = rest.split_at(piece.length);
                rest = after;
                take(piece, bytes)?;
            }
            block.outcome?;
            // The reader may have ended already.
            let _ = give_back.send(block.buffer);
        }
    }
    if early.is_empty() { Ok(()) } else { Err(MediaError::Bug(format!("block {next} was lost while checking"))) }
}
