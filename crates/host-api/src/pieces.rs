//! Audit log entry that is too long for one request, received in pieces. There is one at a time, of bounded length.

use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use landfall_audit::ENTRY_BYTES;

use super::answer::RefusedRequest;

/// Received part of the entry.
#[derive(Debug, Default)]
pub(crate) struct Pieces(Mutex<String>);

impl Pieces {
    /// Adds a piece at this offset in bytes. A piece at the beginning replaces an entry that did not arrive completely.
    pub(crate) fn add(&self, offset: usize, piece: &str) -> Result<(), RefusedRequest> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == 0 {
            *text = String::new();
        }
        if offset != text.len() {
            return Err(RefusedRequest::new(
                StatusCode::CONFLICT,
                "the piece of an entry does not follow the one before it",
            ));
        }
        if offset + piece.len() > ENTRY_BYTES {
            *text = String::new();
            return Err(RefusedRequest::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the entry is longer than any entry may be",
            ));
        }
        text.push_str(piece);
        Ok(())
    }

    /// Returns the entry, and forgets it.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(added: Result<(), RefusedRequest>) -> u16 {
        added.map_or_else(|refused| refused.0.status, |()| 204)
    }

    #[test]
    fn pieces_are_consecutive_and_bounded() {
        let pieces = Pieces::default();
        assert_eq!(status(pieces.add(0, "lost")), 204);
        assert_eq!(status(pieces.add(0, "a")), 204);
        assert_eq!(
            [status(pieces.add(2, "c")), status(pieces.add(1, "b")), status(pieces.add(1, "b"))],
            [409, 204, 409]
        );
        assert_eq!((pieces.take(), pieces.take()), ("ab".to_owned(), String::new()));
        let long = "x".repeat(ENTRY_BYTES);
        assert_eq!([status(pieces.add(0, &long)), status(pieces.add(ENTRY_BYTES, "x"))], [204, 413]);
        assert_eq!(pieces.take(), "", "nothing of it stays in memory");
    }
}
