use proptest::prelude::*;

use super::*;
use crate::limits::CHUNK_BYTES;
use crate::sample::{Sample, Vendor};
use crate::trust::KeyKind;
use landfall_error_codes::Coded;

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

/// Feeds the bytes in pieces and returns the contents of the entries that passed.
fn feed(verified: &Verified, bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
    let mut walker = StreamVerifier::new(verified);
    let mut entries: Vec<Vec<u8>> = vec![];
    let mut open = false;
    for mut input in bytes.chunks(piece) {
        while let Some(chunk) = walker.next(&mut input)? {
            if !open {
                entries.push(vec![]);
            }
            assert_eq!((chunk.entry, chunk.offset), (entries.len() - 1, entries.last().unwrap().len() as u64));
            entries.last_mut().unwrap().extend_from_slice(chunk.bytes);
            open = !chunk.last;
        }
    }
    walker.finish()?;
    Ok(entries)
}

#[test]
fn every_entry_comes_out_whatever_the_pieces() {
    let sample = sample(&[0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 3 * MIB + 77]);
    let verified = sample.head.verified();
    let stream = sample.stream();
    assert_eq!(stream.len() as u64, verified.layout().total_bytes());
    let payload = &stream[sample.head.bytes().len()..];
    for piece in [500, 512, MIB, 5 * MIB, payload.len()] {
        assert!(feed(verified, payload, piece).unwrap() == sample.contents, "pieces of {piece}");
    }
}

#[test]
fn wanted_bytes_are_never_copied_and_reach_the_end() {
    let sample = sample(&[0, 1, MIB, 2 * MIB + 5]);
    let stream = sample.stream();
    let mut payload = &stream[sample.head.bytes().len()..];
    let mut walker = StreamVerifier::new(sample.head.verified());
    let mut bytes = 0;
    while !walker.is_finished() {
        let wanted = walker.wanted();
        assert!(wanted > 0 && wanted as u64 <= CHUNK_BYTES);
        let (mut input, later) = payload.split_at(wanted);
        payload = later;
        while let Some(chunk) = walker.next(&mut input).unwrap() {
            bytes += chunk.bytes.len();
        }
        assert!(walker.buffer.is_empty());
    }
    assert_eq!((bytes, payload.len()), (sample.contents.iter().map(Vec::len).sum(), 0));
}

#[test]
fn it_begins_at_every_cut_and_nowhere_else() {
    let sample = sample(&[0, 700, 2 * MIB + 5]);
    let verified = sample.head.verified();
    let stream = sample.stream();
    let cuts: Vec<usize> =
        (0..stream.len()).filter(|offset| StreamVerifier::starting_at(verified, *offset as u64).is_some()).collect();
    let entries = verified.layout().entries();
    let chunks: u64 = entries.iter().map(|entry| chunk_count(entry.size)).sum();
    assert_eq!(cuts.len() as u64, chunks + 1, "the end of every chunk, and the end of the head");
    for cut in cuts {
        let mut walker = StreamVerifier::starting_at(verified, cut as u64).unwrap();
        let mut input = &stream[cut..];
        while walker.next(&mut input).unwrap().is_some() {}
        walker.finish().unwrap();
    }
    assert!(StreamVerifier::starting_at(verified, stream.len() as u64).is_none());
}

#[test]
fn every_flipped_byte_after_the_head_is_refused() {
    let sample = sample(&[0, 1, 600]);
    let stream = sample.stream();
    let payload = &stream[sample.head.bytes().len()..];
    let mut codes = std::collections::BTreeSet::new();
    for index in 0..payload.len() {
        for bit in [0x01, 0x80] {
            let mut bad = payload.to_vec();
            bad[index] ^= bit;
            codes.insert(feed(sample.head.verified(), &bad, bad.len()).unwrap_err().code().id);
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["LF1006", "LF1008", "LF1015"]);
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let sample = sample(&[0, 1, 600]);
    let stream = sample.stream();
    let payload = &stream[sample.head.bytes().len()..];
    for length in 0..payload.len() {
        assert_eq!(feed(sample.head.verified(), &payload[..length], 4096).unwrap_err().code().id, "LF1001", "{length}");
    }
    for extra in [1, 512, 10240] {
        let longer = [payload, &vec![0; extra]].concat();
        for piece in [payload.len(), longer.len()] {
            assert_eq!(feed(sample.head.verified(), &longer, piece).unwrap_err().code().id, "LF1005", "{extra}");
        }
    }
}

#[test]
fn nothing_of_a_damaged_chunk_is_handed_out() {
    let sample = sample(&[3 * MIB]);
    let entry = &sample.head.verified().layout().entries()[3];
    let mut stream = sample.stream();
    let offset = usize::try_from(entry.offset()).unwrap();
    stream[offset + MIB + 5] ^= 1;
    let mut walker = StreamVerifier::new(sample.head.verified());
    let mut input = &stream[sample.head.bytes().len()..];
    let mut seen = vec![];
    let error = loop {
        match walker.next(&mut input) {
            Ok(chunk) => seen.push(chunk.map(|chunk| (chunk.entry, chunk.offset)).unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(seen.last(), Some(&(3, 0)));
    assert!(matches!(error, Error::DamagedChunk { offset, end, .. } if (offset, end) == (MIB as u64, 2 * MIB as u64)));
    assert_eq!(error.code().id, "LF1008");
}

#[test]
fn a_pool_can_check_chunks_in_any_order() {
    let sample = sample(&[2 * MIB + 5, 3]);
    let verified = sample.head.verified();
    let blob = &sample.contents[3];
    assert!(verified.verify_chunk(3, 2, &blob[2 * MIB..]).is_ok());
    assert!(verified.verify_chunk(3, 0, &blob[..MIB]).is_ok());
    assert!(verified.verify_chunk(4, 0, &sample.contents[4]).is_ok());
    for (entry, chunk, bytes) in
        [(3, 1, &blob[..MIB]), (3, 3, &blob[..0]), (3, u64::MAX, &blob[..1]), (5, 0, &blob[..1])]
    {
        assert!(verified.verify_chunk(entry, chunk, bytes).is_err(), "{entry} {chunk}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_bundle_reads_back(
        sizes in prop::collection::vec(prop_oneof![0usize..1500, (MIB - 2)..(MIB + 3), 0usize..(3 * MIB)], 0..6),
        piece in 1usize..(2 * MIB),
    ) {
        let mut sizes = sizes;
        let mut empty = false;
        sizes.retain(|size| *size > 8 || !std::mem::replace(&mut empty, true));
        let sample = sample(&sizes);
        let stream = sample.stream();
        let mut source = stream.as_slice();
        let opened = crate::Opened::read(&mut source).unwrap();
        prop_assert_eq!(opened.untrusted().id(), sample.head.verified().id());
        prop_assert!(feed(sample.head.verified(), source, piece.max(512)).unwrap() == sample.contents);
    }
}
