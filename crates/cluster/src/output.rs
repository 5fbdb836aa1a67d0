//! Output of programs and bodies of answers, limited to their beginning.

/// Maximum bytes of an output that are kept.
pub(super) const KEPT_BYTES: usize = 256 << 10;

/// An output, as far as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its beginning, as text; invalid UTF-8 is replaced.
    pub text: String,
    /// Number of bytes dropped after it.
    pub dropped_bytes: u64,
}

/// Beginning of an output that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct OutputHead {
    kept: Vec<u8>,
    dropped_bytes: u64,
}

impl OutputHead {
    /// Keeps as much of a piece as fits, and counts the rest. Returns true if there was a rest.
    pub(super) fn add(&mut self, piece: &[u8]) -> bool {
        let room = KEPT_BYTES.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(&piece[..room]);
        self.dropped_bytes += (piece.len() - room) as u64;
        room < piece.len()
    }

    pub(super) fn output(self) -> Output {
        Output { text: String::from_utf8_lossy(&self.kept).into_owned(), dropped_bytes: self.dropped_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_of_long_output_is_kept() {
        let mut long = OutputHead::default();
        assert!(!long.add(&vec![b'a'; KEPT_BYTES - 1]));
        assert!(long.add(&[b'b'; 5001]));
        let output = long.output();
        assert_eq!((output.text.len(), output.dropped_bytes), (KEPT_BYTES, 5000));
        assert!(output.text.ends_with("ab"));
        let mut bytes = OutputHead::default();
        bytes.add(b"a\xffb");
        assert_eq!(bytes.output(), Output { text: "a\u{fffd}b".to_owned(), dropped_bytes: 0 });
    }
}
