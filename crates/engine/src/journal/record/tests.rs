use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Returns a journal with these payloads, and the offset of each record.
fn journal(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts, mut tail) = (Vec::new(), Vec::new(), Tail::default());
    for payload in payloads {
        starts.push(bytes.len());
        let (record, next) = encode(payload, tail);
        bytes.extend(record);
        tail = next;
    }
    (bytes, starts)
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let json = "\\{\"[a-zé]{0,12}\":[0-9]{1,4}\\}".prop_map(String::into_bytes);
    vec(json, 1..6)
}

fn is_corrupt(result: &Result<DecodedJournal, DecodeError>) -> bool {
    matches!(result, Err(DecodeError::Corrupt { .. }))
}

proptest! {
    #[test]
    fn records_round_trip(payloads in payloads()) {
        let (bytes, _) = journal(&payloads);
        let decoded = decode(&bytes).unwrap();
        prop_assert_eq!(decoded.payloads, payloads);
        prop_assert_eq!((decoded.valid_bytes, decoded.torn_bytes), (bytes.len() as u64, 0));
    }

    #[test]
    fn shortened_journal_is_whole_or_torn(payloads in payloads()) {
        let (bytes, starts) = journal(&payloads);
        for length in 0..bytes.len() {
            let result = decode(&bytes[..length]);
            let first_end = starts.get(1).copied().unwrap_or(bytes.len());
            if length < first_end {
                prop_assert!(is_corrupt(&result), "record 0 is never torn");
                continue;
            }
            let decoded = result.unwrap();
            let whole = starts.iter().skip(1).chain([&bytes.len()]).filter(|end| **end <= length).count();
            prop_assert_eq!(&decoded.payloads, &payloads[..whole]);
            prop_assert_eq!(decoded.valid_bytes + decoded.torn_bytes, length as u64);
        }
    }

    #[test]
    fn earlier_flipped_byte_is_corruption(payloads in payloads(), flip in 1..=255_u8) {
        let (bytes, starts) = journal(&payloads);
        let last = starts[starts.len() - 1];
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let result = decode(&damaged);
            if at < last || last == 0 {
                prop_assert!(is_corrupt(&result), "byte {} of {}: {:?}", at, bytes.len(), result);
            } else {
                let decoded = result.unwrap();
                prop_assert_eq!(&decoded.payloads, &payloads[..payloads.len() - 1]);
                prop_assert_eq!(decoded.torn_bytes, (bytes.len() - last) as u64);
            }
        }
    }

    #[test]
    fn zeroed_tail_is_torn(payloads in payloads(), share in 0..1000_usize) {
        let (mut bytes, starts) = journal(&payloads);
        let last = starts[starts.len() - 1];
        let from = last + (bytes.len() - last) * share / 1000;
        let whole = bytes.clone();
        bytes[from..].fill(0);
        let result = decode(&bytes);
        if bytes == whole {
            // The last byte was already zero, as it is in every 256th checksum: nothing was lost.
            prop_assert_eq!(&result.unwrap().payloads, &payloads);
        } else if last == 0 {
            prop_assert!(is_corrupt(&result));
        } else {
            prop_assert_eq!(&result.unwrap().payloads, &payloads[..payloads.len() - 1]);
        }
    }

    #[test]
    fn removed_or_reordered_records_are_corrupt(payloads in payloads(), which in any::<prop::sample::Index>()) {
        let (bytes, starts) = journal(&payloads);
        let index = which.index(starts.len());
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        let record = bytes[starts[index]..end].to_vec();
        let (before, after) = (&bytes[..starts[index]], &bytes[end..]);
        let repeated = [before, &record, &record, after].concat();
        prop_assert!(is_corrupt(&decode(&repeated)));
        if !after.is_empty() {
            prop_assert!(is_corrupt(&decode(&[before, after].concat())));
            prop_assert!(is_corrupt(&decode(&[before, after, &record].concat())));
        }
    }
}

#[test]
fn damage_before_torn_record_is_corrupt() {
    let (mut bytes, starts) = journal(&[b"{}".to_vec(), b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]);
    bytes.truncate(bytes.len() - 1);
    bytes[starts[2] - 1] ^= 1;
    assert!(is_corrupt(&decode(&bytes)));
}

#[test]
fn record_of_another_history_is_corrupt() {
    let (mut bytes, starts) = journal(&[b"{}".to_vec(), b"{\"a\":1}".to_vec()]);
    let (other, other_starts) = journal(&[b"[]".to_vec(), b"{\"a\":1}".to_vec()]);
    bytes.truncate(starts[1]);
    bytes.extend_from_slice(&other[other_starts[1]..]);
    assert!(is_corrupt(&decode(&bytes)));
}

#[test]
fn empty_file_is_corrupt() {
    assert!(is_corrupt(&decode(&[])));
}

#[test]
fn later_version_is_newer() {
    let (mut bytes, _) = encode(b"{}", Tail::default());
    bytes[MAGIC.len()] = VERSION + 1;
    assert!(is_corrupt(&decode(&bytes)), "without its CRC, a changed version is damage");
    for covered in [HEADER_CRC_AT, bytes.len() - CRC_BYTES] {
        let crc = crc32c::crc32c(&bytes[..covered]).to_le_bytes();
        bytes[covered..covered + CRC_BYTES].copy_from_slice(&crc);
    }
    assert_eq!(decode(&bytes), Err(DecodeError::Newer { sequence: 0, version: VERSION + 1 }));
}
