use landfall_error_codes::CodedError;

use super::*;
use crate::progress::SilentProgress;
use crate::stage::stage;
use crate::testing::{Fixture, flip};

#[test]
fn one_pass_lists_all_damage() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let entries = fixture.payload.layout().entries();
    let (large, last) = (&entries[5], &entries[7]);
    for offset in [large.offset() + 7, large.offset() + (3 << 20), large.header_offset + 9, last.offset() + 5] {
        flip(&path, offset);
    }
    let media = fixture.find(&path).unwrap();
    let error = verify(&media, "verifying", &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1208");
    let said = error.to_string();
    assert!(said.starts_with("4 places are damaged:\n"), "{said}");
    for what in ["archive's header", "chunk 1 of 6", "chunk 4 of 6", &last.name] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(media.counters().totals().read_bytes - located_bytes(&fixture), fixture.stream.len() as u64);
    flip(&path, large.header_offset + 9);
    flip(&path, large.offset() + (3 << 20));
    flip(&path, last.offset() + 5);
    let alone = verify(&media, "verifying", &SilentProgress).unwrap_err().to_string();
    assert!(alone.contains("chunk 1 of 6") && !alone.contains('\n'), "{alone}");
}

/// A bundle in which the disk cannot return one byte.
struct BadByte<'a> {
    media: &'a BundleMedia,
    offset: u64,
}

impl PieceReader for BadByte<'_> {
    fn read(&self, pieces: &[Piece], buffer: &mut [u8]) -> Result<()> {
        if pieces.iter().any(|piece| (piece.offset..piece.offset + piece.length as u64).contains(&self.offset)) {
            let source = std::io::Error::from_raw_os_error(5);
            return Err(MediaError::io("read", &self.media.parts()[0].path, source));
        }
        self.media.read(pieces, buffer)
    }

    fn damage_error(&self, payload: &Payload, piece: &Piece) -> MediaError {
        self.media.damage_error(payload, piece)
    }
}

#[test]
fn read_errors_are_listed_with_damage() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let entries = fixture.payload.layout().entries();
    let large = &entries[5];
    // The damage is in the chunks before and after, which are read together with the unreadable one.
    for offset in [large.offset() + 7, large.offset() + (2 << 20)] {
        flip(&path, offset);
    }
    let media = fixture.find(&path).unwrap();
    let reader = BadByte { media: &media, offset: large.offset() + (1 << 20) + 4096 };
    let mut found = VerifyFindings::new(&SilentProgress);
    let read = pipeline::run(&fixture.payload, &reader, fixture.payload.pieces_from_blob(0), &mut found);
    let error = found.end(read).unwrap_err();
    assert_eq!(error.code().id, "LF1208", "damage takes precedence over unreadable places");
    let MediaError::SeveralDamaged { list, is_complete: true } = &error else { panic!("{error}") };
    assert!(list.len() == 3 && list[1].is_unreadable(), "{error}");
    let said: Vec<String> = error.to_string().lines().skip(1).map(str::to_owned).collect();
    for (line, part) in said.iter().zip(["chunk 1 of 6", "os error 5", "chunk 3 of 6"]) {
        assert!(line.contains(part), "{part}: {line}");
    }
    // Any other failure of the disk ends the search.
    let mut found = VerifyFindings::new(&SilentProgress);
    let read = Err(MediaError::io("read", &path, std::io::ErrorKind::NotConnected.into()));
    found.note(MediaError::NotThere(path)).unwrap();
    let error = found.end(read).unwrap_err();
    assert!(matches!(error, MediaError::SeveralDamaged { is_complete: false, .. }), "{error}");
}

/// Number of bytes that finding the bundle reads.
fn located_bytes(fixture: &Fixture) -> u64 {
    fixture.find(&fixture.stick()).unwrap().counters().totals().read_bytes
}

#[test]
fn store_is_verified_against_bundle() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    stage(&media, &store, &SilentProgress).unwrap();
    verify_store(&fixture.payload, &store, "verifying", &SilentProgress).unwrap();

    let path = |blob: usize| store.path(fixture.payload.blob(blob).sha256);
    flip(&path(5), 2_500_000);
    flip(&path(5), 4_500_000);
    let short = std::fs::File::options().write(true).open(path(6)).unwrap();
    short.set_len(1_000_000).unwrap();
    std::fs::remove_file(path(7)).unwrap();
    let error = verify_store(&fixture.payload, &store, "verifying", &SilentProgress).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("4 places are damaged:\n"), "{said}");
    for what in ["chunk 3 of 6", "chunk 5 of 6", "1000000 bytes where its record says", "is not in the store"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    // Truncated, missing and rotten blobs are staged again.
    assert_eq!(stage(&media, &store, &SilentProgress).unwrap().blobs, 3);
    verify_store(&fixture.payload, &store, "verifying", &SilentProgress).unwrap();
}

#[test]
fn swapped_record_is_detected() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    stage(&media, &store, &SilentProgress).unwrap();
    // A consistently poisoned blob: its bytes, its length and its record agree with one another.
    let digest = fixture.payload.blob(5).sha256;
    let bytes = vec![7; 2_000_000];
    let mut hasher = landfall_bundle_spec::chunks::BlobHasher::new();
    hasher.update(&bytes);
    let mut sums = hasher.finish();
    sums.sha256 = digest;
    store.poison(&bytes, &sums);
    assert!(store.contains(digest) && !store.holds(&fixture.payload, 5));
    let error = verify_store(&fixture.payload, &store, "verifying", &SilentProgress).unwrap_err();
    assert!(error.to_string().contains("its record differs from the bundle's entry"), "{error}");
    assert_eq!(stage(&media, &store, &SilentProgress).unwrap().blobs, 1);
    verify_store(&fixture.payload, &store, "verifying", &SilentProgress).unwrap();
}

#[test]
fn foreign_files_are_barely_read() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    for index in 0..50 {
        let path = fixture.stick().join(format!("photo-{index}"));
        crate::durable::write_file(&path, &vec![index; 100_000], 0o644).unwrap();
    }
    let counters = crate::counters::Counters::new();
    crate::bundle::locate_counted(&fixture.stick(), &counters).unwrap();
    assert!(counters.totals().read_bytes < 50 * 512 + 2 * 70_000, "{:?}", counters.totals());
}

#[test]
fn arriving_bundle_is_checked_in_pieces() {
    let fixture = Fixture::small();
    let (payload, path) = (&fixture.payload, fixture.folder.path().join("arriving"));
    let (head, total) = (payload.layout().head_bytes(), payload.layout().total_bytes());
    let arrive = |length: u64| {
        let length = usize::try_from(length).unwrap();
        crate::durable::write_file(&path, &fixture.stream[..length], 0o600).unwrap();
    };
    let large = &payload.layout().entries()[5];
    let mut checked = 0;
    for arrived in [head, head + 1, head + 512, large.offset(), large.offset() + (2 << 20) + 7, total - 1, total] {
        arrive(arrived);
        checked = verify_arrived(payload, &path, total, checked).unwrap();
        assert!(checked <= arrived && arrived - checked < (1 << 20), "{checked} of {arrived}");
        assert_eq!(verify_arrived(payload, &path, total, 0).unwrap(), checked, "also by one who knows nothing");
    }
    assert_eq!(checked, total);
    let chunk = large.offset() + (3 << 20);
    for offset in [large.header_offset + 9, chunk + 5, large.end(), total - 1] {
        arrive(total);
        flip(&path, offset);
        let error = verify_arrived(payload, &path, total, 0).unwrap_err();
        assert_eq!(error.code().id, "LF1208", "{offset}: {error}");
    }
    arrive(chunk + (1 << 20));
    flip(&path, chunk + 5);
    let error = verify_arrived(payload, &path, total, chunk).unwrap_err().to_string();
    assert!(error.contains("chunk 4 of 6") && error.contains(&format!("byte {chunk} of the bundle")), "{error}");
    arrive(chunk + (1 << 20) - 1);
    flip(&path, chunk + 5);
    assert_eq!(verify_arrived(payload, &path, total, chunk).unwrap(), chunk, "a missing chunk reveals nothing");
}
