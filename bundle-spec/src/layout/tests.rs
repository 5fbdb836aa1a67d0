use proptest::prelude::*;

use super::*;
use crate::blobs::{BlobEntry, Place};
use crate::digest::{Blake3, Sha256};
use landfall_error_codes::CodedError;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

fn layout(sizes: &[u64]) -> Layout {
    let placed = Place::ALL.iter().map(|place| (Some(*place), 1000));
    let entries = placed.chain(sizes.iter().map(|size| (None, *size))).enumerate();
    let entry = |(index, (place, size)): (usize, (Option<Place>, u64))| BlobEntry {
        sha256: Sha256([u8::try_from(index).unwrap(); 32]),
        blake3: Blake3([0; 32]),
        size,
        media_type: "a/b".to_owned(),
        place,
        layer: None,
    };
    Layout::new(10 * 512, &BlobsDocument::new(entries.map(entry).collect()).unwrap())
}

#[test]
fn segments_cover_the_stream_without_gaps() {
    let layout = layout(&[0, 1, 511, 512, 513, 9 * GIB, 9 * GIB + 1]);
    let mut offset = 0;
    for segment in layout.segments() {
        assert_eq!(segment.offset, offset);
        offset += segment.length;
    }
    assert_eq!(offset, layout.total_bytes());
    let contents = layout.segments().filter(|segment| matches!(segment.kind, SegmentKind::Contents(_))).count();
    assert_eq!(contents, layout.entries().len());
    assert_eq!(&layout.entries()[8].header()[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0]);
}

#[test]
fn parts_end_on_chunks() {
    let layout = layout(&[5 * GIB, 10, 9 * GIB + 1, 0, 7]);
    let parts = layout.parts(limits::FAT32_PART_BYTES).unwrap();
    assert_eq!(parts.len(), 4);
    check(&layout, &parts, limits::FAT32_PART_BYTES);
    assert_eq!(layout.parts(u64::MAX).unwrap().len(), 1);
    assert_eq!(layout.parts(layout.total_bytes()).unwrap().len(), 1);
}

#[test]
fn impossible_part_sizes_are_refused() {
    let layout = layout(&[5 * GIB]);
    for size in [0, 1, 512, 6000, MIB] {
        assert_eq!(layout.parts(size).unwrap_err().code().id, "LF1021", "{size}");
    }
    assert!(layout.parts(5 * MIB).unwrap_err().to_string().contains("more than 999 parts"));
    assert!(layout.parts(8 * MIB).is_ok());
}

fn check(layout: &Layout, parts: &[Range<u64>], part_bytes: u64) {
    let mut start = 0;
    for (index, part) in parts.iter().enumerate() {
        assert_eq!(part.start, start);
        assert!(part.end > part.start && part.end - part.start <= part_bytes);
        if index + 1 < parts.len() {
            let (entry, chunk) = layout.cut(part.end).expect("a part ends on a chunk");
            assert_eq!(layout.chunk_range(entry, chunk - 1).map(|range| range.end), Some(part.end));
        }
        start = part.end;
    }
    assert_eq!(start, layout.total_bytes());
}

proptest! {
    #[test]
    fn arbitrary_parts_are_valid(
        sizes in prop::collection::vec(prop_oneof![0u64..2000, 0..(20 * MIB)], 0..12),
        part_bytes in (MIB + 20_000)..(30 * MIB),
    ) {
        let layout = layout(&sizes);
        check(&layout, &layout.parts(part_bytes).unwrap(), part_bytes);
    }
}
