use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::payload::PieceKind;
use crate::testing::Fixture;

/// A reader that returns only zeros, or panics at the nth read.
struct Zeros {
    panics_at: usize,
    reads: AtomicUsize,
}

impl PieceReader for Zeros {
    fn read(&self, _pieces: &[Piece], buffer: &mut [u8]) -> Result<()> {
        assert!(self.reads.fetch_add(1, Ordering::Relaxed) != self.panics_at, "the reader of a test panics");
        buffer.fill(0);
        Ok(())
    }

    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError {
        MediaError::Bug(payload.describe(piece))
    }
}

/// Runs the pipeline, which must end, and returns its result as text.
fn outcome(reader: Zeros, pieces: Vec<Piece>) -> String {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let fixture = Fixture::small();
        let mut take = |_: &Piece, _: &[u8]| Ok(());
        let outcome = run(&fixture.payload, &reader, pieces.into_iter(), &mut take);
        let _ = sender.send(outcome.unwrap_err().to_string());
    });
    receiver.recv_timeout(std::time::Duration::from_mins(1)).expect("it waits forever")
}

fn padding(count: usize) -> Vec<Piece> {
    let piece = |index: usize| Piece { offset: index as u64, length: 1 << 20, kind: PieceKind::Padding(0) };
    (0..count).map(piece).collect()
}

#[test]
fn panicking_check_is_error() {
    let fixture = Fixture::small();
    let reader = Zeros { panics_at: usize::MAX, reads: AtomicUsize::new(0) };
    // A block with fewer bytes than its pieces: checking it panics.
    let mut torn =
        Block { index: 7, pieces: padding(1), buffer: AlignedBuffer::default(), bad: BTreeMap::new(), end: Ok(()) };
    read_and_check(&fixture.payload, &reader, &mut torn);
    assert_eq!(torn.end.unwrap_err().to_string(), "media: reading or checking block 7 panicked");
    assert!(torn.pieces.is_empty(), "nothing of it is used");
}

#[test]
fn panicking_reader_is_error() {
    let said = outcome(Zeros { panics_at: 2, reads: AtomicUsize::new(0) }, padding(200));
    assert!(said.starts_with("media: reading or checking block ") && said.ends_with(" panicked"), "{said}");
}

/// A reader in which each thread waits at its first read until another thread also reads.
struct Together(std::sync::Barrier, AtomicUsize);

impl PieceReader for Together {
    fn read(&self, _pieces: &[Piece], buffer: &mut [u8]) -> Result<()> {
        if self.1.fetch_add(1, Ordering::Relaxed) < 2 {
            self.0.wait();
        }
        buffer.fill(0);
        Ok(())
    }

    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError {
        MediaError::Bug(payload.describe(piece))
    }
}

#[test]
fn reads_overlap_and_pieces_keep_order() {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let fixture = Fixture::small();
        let reader = Together(std::sync::Barrier::new(2), AtomicUsize::new(0));
        let mut taken = Vec::new();
        let mut take = |piece: &Piece, _: &[u8]| {
            taken.push(piece.offset);
            Ok(())
        };
        run(&fixture.payload, &reader, padding(200).into_iter(), &mut take).unwrap();
        let _ = sender.send(taken);
    });
    let taken = receiver.recv_timeout(std::time::Duration::from_mins(1)).expect("one read waits for another forever");
    assert_eq!(taken, (0..200).collect::<Vec<u64>>());
}
