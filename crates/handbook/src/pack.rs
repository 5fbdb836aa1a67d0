//! A pack: files as one compressed stream.

use std::io::Read as _;
use std::sync::OnceLock;

use ruzstd::decoding::StreamingDecoder;

/// Bytes that are unpacked at once. The decoder keeps what one call asks for beside its window: a call for a whole book
/// takes 300 MB more.
const PIECE_BYTES: usize = 64 << 10;

/// A compressed stream, and its content as soon as it was requested.
#[derive(Debug)]
pub struct Pack {
    packed: &'static [u8],
    length: usize,
    unpacked: OnceLock<Vec<u8>>,
}

impl Pack {
    /// A pack that the build wrote, with its unpacked length in bytes.
    pub const fn new(packed: &'static [u8], length: usize) -> Self {
        Self { packed, length, unpacked: OnceLock::new() }
    }

    /// The unpacked stream, which stays in memory.
    pub fn bytes(&self) -> &[u8] {
        self.unpacked.get_or_init(|| self.unpack())
    }

    /// Returns the unpacked stream without keeping it.
    pub fn unpack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length);
        let mut decoder = StreamingDecoder::new(self.packed).expect("the build wrote the pack");
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match decoder.read(&mut piece).expect("the build wrote the pack") {
                0 => return bytes,
                count => bytes.extend_from_slice(&piece[..count]),
            }
        }
    }
}
