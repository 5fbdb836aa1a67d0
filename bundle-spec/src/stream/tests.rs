use proptest::prelude::*;

use super::*;
use crate::sample::{Sample, Vendor};
use crate::trust::KeyKind;
use landfall_error_codes::CodedError;

const MIB: usize = 1024 * 1024;

fn sample(sizes: &[usize]) -> Sample {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let blob = |(seed, size): (usize, &usize)| {
        let mut bytes = vec![0; *size];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    };
    Sample::with_blobs(&vendor, sizes.iter().enumerate().map(blob).collect()).unwrap()
}

fn refusal(sample: &Sample, payload: &[u8]) -> &'static str {
    check_payload(sample.head.verified_head(), payload).unwrap_err().code().id
}

#[test]
fn pieces_cover_stream_and_entries() {
    let sample = sample(&[0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 3 * MIB + 77]);
    let (verified, stream) = (sample.head.verified_head(), sample.stream());
    let pieces: Vec<_> = verified.head_pieces().chain(verified.pieces_from_entry(0)).collect();
    let (mut offset, mut contents) = (0, vec![vec![]; sample.contents.len()]);
    for piece in &pieces {
        assert_eq!(piece.offset, offset, "{piece:?}");
        assert!(piece.length as u64 <= CHUNK_BYTES);
        let start = usize::try_from(offset).unwrap();
        let bytes = &stream[start..start + piece.length];
        verified.check_piece(piece, bytes).unwrap();
        if let PieceKind::Chunk(entry, _) = piece.kind {
            contents[entry].extend_from_slice(bytes);
        }
        offset += piece.length as u64;
    }
    assert_eq!(offset, stream.len() as u64);
    assert!(contents == sample.contents);
    for from in 0..verified.layout().entries().len() {
        let tail: Vec<_> = verified.pieces_from_entry(from).collect();
        assert!(pieces.ends_with(&tail), "from entry {from}");
    }
}

#[test]
fn flipped_payload_bytes_are_refused() {
    let sample = sample(&[0, 1, 600]);
    let stream = sample.stream();
    let payload = &stream[sample.head.bytes().len()..];
    let mut codes = std::collections::BTreeSet::new();
    for index in 0..payload.len() {
        for bit in [0x01, 0x80] {
            let mut bad = payload.to_vec();
            bad[index] ^= bit;
            codes.insert(refusal(&sample, &bad));
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["LF1006", "LF1008", "LF1015"]);
}

#[test]
fn changed_payload_length_is_refused() {
    let sample = sample(&[0, 1, 600]);
    let stream = sample.stream();
    let payload = &stream[sample.head.bytes().len()..];
    check_payload(sample.head.verified_head(), payload).unwrap();
    for length in 0..payload.len() {
        assert_eq!(refusal(&sample, &payload[..length]), "LF1001", "{length}");
    }
    for extra in [1, 512, 10240] {
        assert_eq!(refusal(&sample, &[payload, &vec![0; extra]].concat()), "LF1005", "{extra}");
    }
}

#[test]
fn damaged_chunk_fails_check() {
    let sample = sample(&[3 * MIB]);
    let verified = sample.head.verified_head();
    let mut blob = sample.contents[3].clone();
    blob[MIB + 5] ^= 1;
    let chunks: Vec<_> =
        verified.pieces_of_entry(3, 0).filter(|piece| matches!(piece.kind, PieceKind::Chunk(..))).collect();
    let check = |index: usize, bytes: &[u8]| verified.check_piece(&chunks[index], bytes);
    assert!(check(0, &blob[..MIB]).is_ok() && check(2, &blob[2 * MIB..]).is_ok());
    let error = check(1, &blob[MIB..2 * MIB]).unwrap_err();
    assert!(matches!(error, Error::DamagedChunk { offset, end, .. } if (offset, end) == (MIB as u64, 2 * MIB as u64)));
    for (index, bytes) in [(1, &sample.contents[3][..MIB]), (0, &blob[..MIB - 1])] {
        assert!(matches!(check(index, bytes), Err(Error::DamagedChunk { .. })), "{index}");
    }
    let head = verified.head_pieces().next().unwrap();
    for bytes in [&sample.head.bytes()[1..], &[]] {
        assert!(matches!(verified.check_piece(&head, bytes), Err(Error::DamagedHeader { .. })));
    }
}

#[test]
fn chunks_verify_in_any_order() {
    let sample = sample(&[2 * MIB + 5, 3]);
    let verified = sample.head.verified_head();
    let blob = &sample.contents[3];
    assert!(verified.verify_chunk(3, 2, &blob[2 * MIB..]).is_ok());
    assert!(verified.verify_chunk(3, 0, &blob[..MIB]).is_ok());
    assert!(verified.verify_chunk(4, 0, &sample.contents[4]).is_ok());
    for (chunk, bytes) in [(1, &blob[..MIB]), (3, &blob[..0]), (u64::MAX, &blob[..1])] {
        assert!(matches!(verified.verify_chunk(3, chunk, bytes), Err(Error::DamagedChunk { .. })), "{chunk}");
    }
    assert!(matches!(verified.verify_chunk(5, 0, &blob[..1]), Err(Error::InvalidContents { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn generated_bundles_round_trip(
        sizes in prop::collection::vec(prop_oneof![0usize..1500, (MIB - 2)..(MIB + 3), 0usize..(3 * MIB)], 0..6),
    ) {
        let mut sizes = sizes;
        let mut empty = false;
        sizes.retain(|size| *size > 8 || !std::mem::replace(&mut empty, true));
        let sample = sample(&sizes);
        let stream = sample.stream();
        let mut source = stream.as_slice();
        let opened = crate::Opened::read(&mut source).unwrap();
        prop_assert_eq!(opened.untrusted_contents().id(), sample.head.verified_head().id());
        prop_assert!(check_payload(sample.head.verified_head(), source).is_ok());
    }
}
