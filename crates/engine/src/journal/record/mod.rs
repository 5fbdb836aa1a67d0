//! The framing of a record, and the meaning of a journal's bytes.
//!
//! ```text
//! magic 4 · version 1 · payload length 4 · sequence 8 · previous hash 32 · CRC32C 4 · payload · CRC32C 4
//! ```
//! Numbers are little-endian. The previous hash is the SHA-256 of the whole previous record, zeros for record 0. Each
//! CRC covers all of the record that precedes it; the first one shows whether the length can be trusted. This framing
//! is frozen. A later version may change what payloads mean, but never how a record is found and checked. Therefore a
//! flipped version byte is damage, not a newer journal.
//!
//! Threats, and the defense against each:
//! - a power cut in the middle of an append: the last record is incomplete and nothing follows it, so it is torn and
//!   cut off;
//! - a flipped bit, even in a length. Invalid bytes are torn only if no valid record begins after them, and if no
//!   intact header says that the record ends before the file does. The magic has a byte that never occurs in UTF-8, so
//!   no payload looks like a record;
//! - a removed, repeated or moved record: sequence and previous hash do not fit, so the journal is corrupt;
//! - a damaged record 0: a rename puts it in place after its sync, so it cannot be torn, and the journal is corrupt.

use sha2::{Digest, Sha256};

/// The beginning of every record; `0xFF` occurs in no UTF-8 text.
const MAGIC: [u8; 4] = [0xFF, b'L', b'F', b'J'];

/// The version that this code writes and understands.
pub const VERSION: u8 = 1;

const LENGTH_AT: usize = 5;
const SEQUENCE_AT: usize = 9;
const PREVIOUS_AT: usize = 17;
const HEADER_CRC_AT: usize = 49;
const PAYLOAD_AT: usize = 53;
const CRC_BYTES: usize = 4;

/// The end of a journal: the values that the next record must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// Sequence of the next record.
    pub sequence: u64,
    /// Hash of the last record.
    pub previous: [u8; 32],
}

/// Decoded bytes of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecodedJournal {
    /// Payloads of the valid records, in order.
    pub payloads: Vec<Vec<u8>>,
    /// Bytes of the valid records.
    pub valid_bytes: u64,
    /// Bytes of a torn record after the valid ones; 0 without one.
    pub torn_bytes: u64,
    /// End of the journal, for the next record.
    pub tail: Tail,
}

/// Reason why the bytes are not a valid journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Bytes are invalid, and they are not a torn last record.
    #[error("record {sequence}, at byte {offset}: {reason}")]
    Corrupt {
        /// Sequence of the expected record.
        sequence: u64,
        /// Its expected offset.
        offset: usize,
        /// The damage.
        reason: &'static str,
    },
    /// A valid record of a later version.
    #[error("record {sequence} is of version {version}, and this program reads up to {VERSION}")]
    Newer {
        /// Sequence of the record.
        sequence: u64,
        /// Its version.
        version: u8,
    },
}

/// Returns the bytes of the record that follows `tail`, and the tail after it. A payload is at most 4 GiB − 1.
pub fn encode(payload: &[u8], tail: Tail) -> (Vec<u8>, Tail) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(PAYLOAD_AT + payload.len() + CRC_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&tail.sequence.to_le_bytes());
    bytes.extend_from_slice(&tail.previous);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let next = Tail { sequence: tail.sequence + 1, previous: Sha256::digest(&bytes).into() };
    (bytes, next)
}

/// Decodes a whole journal.
pub fn decode(bytes: &[u8]) -> Result<DecodedJournal, DecodeError> {
    let mut decoded = DecodedJournal::default();
    let mut offset = 0;
    while offset < bytes.len() || offset == 0 {
        let sequence = decoded.tail.sequence;
        let corrupt = |reason| DecodeError::Corrupt { sequence, offset, reason };
        let Some(frame) = Frame::at(bytes, offset) else {
            return match damage(bytes, offset) {
                None => Ok(DecodedJournal { torn_bytes: (bytes.len() - offset) as u64, ..decoded }),
                Some(reason) => Err(corrupt(reason)),
            };
        };
        if frame.version > VERSION {
            return Err(DecodeError::Newer { sequence, version: frame.version });
        }
        if frame.sequence != sequence {
            return Err(corrupt("its sequence does not follow the record before"));
        }
        if frame.previous != decoded.tail.previous {
            return Err(corrupt("it does not continue the record before"));
        }
        offset = frame.end;
        decoded.valid_bytes = offset as u64;
        decoded.tail = Tail { sequence: sequence + 1, previous: Sha256::digest(frame.bytes).into() };
        decoded.payloads.push(frame.payload.to_vec());
    }
    Ok(decoded)
}

/// Returns the reason why the invalid bytes at `offset` are more than a torn last record; `None` for a torn last
/// record.
fn damage(bytes: &[u8], offset: usize) -> Option<&'static str> {
    if offset == 0 {
        return Some("the first record is incomplete or damaged");
    }
    if end_of(bytes, offset).is_some_and(|end| end < bytes.len()) {
        return Some("it is damaged, and more follows");
    }
    let later = (offset + 1..bytes.len()).any(|later| Frame::at(bytes, later).is_some());
    later.then_some("it is damaged, and valid records follow")
}

/// Returns the end of the record at `offset` by its own length; `None` without an intact header.
fn end_of(bytes: &[u8], offset: usize) -> Option<usize> {
    let header = bytes.get(offset..offset.checked_add(PAYLOAD_AT)?)?;
    let crc = crc32c::crc32c(&header[..HEADER_CRC_AT]).to_le_bytes();
    if !header.starts_with(&MAGIC) || header[HEADER_CRC_AT..] != crc {
        return None;
    }
    let length = u32::from_le_bytes(header[LENGTH_AT..SEQUENCE_AT].try_into().ok()?) as usize;
    offset.checked_add(PAYLOAD_AT)?.checked_add(length)?.checked_add(CRC_BYTES)
}

/// A record with a valid CRC.
struct Frame<'a> {
    version: u8,
    sequence: u64,
    previous: [u8; 32],
    payload: &'a [u8],
    bytes: &'a [u8],
    end: usize,
}

impl<'a> Frame<'a> {
    fn at(all: &'a [u8], offset: usize) -> Option<Self> {
        let end = end_of(all, offset)?;
        let bytes = all.get(offset..end)?;
        let (covered, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
        if crc32c::crc32c(covered).to_le_bytes() != crc {
            return None;
        }
        Some(Self {
            version: covered[MAGIC.len()],
            sequence: u64::from_le_bytes(covered[SEQUENCE_AT..PREVIOUS_AT].try_into().ok()?),
            previous: covered[PREVIOUS_AT..HEADER_CRC_AT].try_into().ok()?,
            payload: &covered[PAYLOAD_AT..],
            bytes,
            end,
        })
    }
}

#[cfg(test)]
mod tests;
