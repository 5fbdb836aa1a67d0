use proptest::prelude::*;

use super::*;

const MIB: usize = 1024 * 1024;

fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut all = vec![0; size];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut all);
    all
}

fn sums(blob: &[u8], piece: usize) -> BlobSums {
    let mut hasher = BlobHasher::new();
    blob.chunks(piece.max(1)).for_each(|piece| hasher.update(piece));
    hasher.finish()
}

#[test]
fn hashes_match_at_chunk_edges() {
    for size in [0, 1, 511, 1024, 1025, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1, 3 * MIB, 5 * MIB + 7, 8 * MIB] {
        let blob = bytes(size, 1);
        let sums = sums(&blob, 70_001);
        assert_eq!(sums.blake3.0, *blake3::hash(&blob).as_bytes(), "{size}");
        assert_eq!(sums.sha256.0, <[u8; 32]>::from(Sha256Hasher::digest(&blob)), "{size}");
        assert_eq!(sums.chunks.len() as u64, chunk_values_of(size as u64), "{size}");
        for (index, chunk) in blob.chunks(MIB).enumerate() {
            assert!(chunk_matches(sums.size, sums.blake3, &sums.chunks, index as u64, chunk), "{size} {index}");
        }
        if size > MIB {
            assert_eq!(root_of_chunks(sums.size, &sums.chunks), Some(sums.blake3), "{size}");
        }
    }
}

#[test]
fn chunk_matches_only_its_index() {
    let blob = bytes(3 * MIB + 9, 2);
    let sums = sums(&blob, MIB);
    let check = |index, bytes: &[u8]| chunk_matches(sums.size, sums.blake3, &sums.chunks, index, bytes);
    assert!(check(1, &blob[MIB..2 * MIB]));
    assert!(!check(0, &blob[MIB..2 * MIB]));
    assert!(!check(1, &blob[MIB..2 * MIB - 1]));
    assert!(!check(4, &[]));
    assert!(!check(u64::MAX, &blob[..MIB]));
    let mut list = sums.chunks.clone();
    list.swap(0, 1);
    assert_ne!(root_of_chunks(sums.size, &list), Some(sums.blake3));
    assert_eq!(root_of_chunks(sums.size, &list[1..]), None);
}

#[test]
fn empty_blob_has_one_chunk() {
    let sums = sums(&[], 1);
    assert_eq!((chunk_count(0), chunk_len(0, 0)), (1, 0));
    assert!(chunk_matches(0, sums.blake3, &[], 0, &[]));
    assert!(!chunk_matches(0, sums.blake3, &[], 1, &[]));
    assert!(!chunk_matches(0, Blake3([0; 32]), &[], 0, &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn hashing_ignores_piece_size(size in 0usize..(4 * MIB), piece in 1usize..(2 * MIB), seed: u64) {
        let blob = bytes(size, seed);
        let sums = sums(&blob, piece);
        prop_assert_eq!(sums.blake3.0, *blake3::hash(&blob).as_bytes());
        prop_assert_eq!(sums.size, size as u64);
    }
}
