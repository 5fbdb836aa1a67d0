use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::payload::PieceKind;
use crate::testing::Fixture;

/// Returns zeros for everything, or panics at the nth read.
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

    fn damaged(&self, payload: &Payload, piece: &Piece) -> MediaError {
        MediaError::Bug(payload.describe(piece))
    }
}

/// What a run reports; it must end.
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
fn a_check_that_panics_ends_it_with_an_error() {
    let fixture = Fixture::small();
    // A block that has fewer bytes than its pieces: checking it panics.
    let torn =
        Block { index: 0, pieces: padding(1), buffer: AlignedBuffer::default(), bad: BTreeMap::new(), end: Ok(()) };
    let (to_check, unchecked) = channel();
    let (to_use, checked) = channel();
    to_check.send(torn).unwrap();
    drop(to_check);
    check_all(&fixture.payload, &Mutex::new(unchecked), &to_use);
    drop(to_use);
    let (recycle, _free) = channel();
    let reader = Zeros { panics_at: usize::MAX, reads: AtomicUsize::new(0) };
    let mut take = |_: &Piece, _: &[u8]| Ok(());
    let said = use_all(&fixture.payload, &reader, &checked, &recycle, &mut take).unwrap_err().to_string();
    assert_eq!(said, "media: checking block 0 panicked");
}

#[test]
fn a_reader_that_panics_ends_it_with_an_error() {
    let said = outcome(Zeros { panics_at: 2, reads: AtomicUsize::new(0) }, padding(200));
    assert_eq!(said, "media: the thread that reads panicked");
}
