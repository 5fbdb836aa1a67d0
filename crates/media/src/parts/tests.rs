#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

use landfall_bundle_spec::Blake3;
use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::{BlobSums, CHUNK_BYTES, chunk_count, chunk_len, chunk_value, root_of_chunks};
use landfall_bundle_spec::head::{Identity, UnsignedHead};
use landfall_bundle_spec::limits::FAT32_PART_BYTES;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::CodedError;
use proptest::prelude::*;

use super::*;
use crate::pack::{pack, pack_to_stream};
use crate::progress::SilentProgress;
use crate::store::ContentStore;
use crate::testing::{Fixture, flip};
use crate::verify::verify;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn parts_join_to_stream(part_bytes in 1_100_000_u64..9_000_000) {
        let fixture = Fixture::small();
        let files = fixture.pack(Some(part_bytes)).unwrap();
        let mut joined = Vec::new();
        for file in &files {
            let bytes = fs::read(fixture.stick().join(&file.name)).unwrap();
            prop_assert_eq!(file.size, bytes.len() as u64);
            if file.name.contains(".landfall") {
                prop_assert!(file.size <= part_bytes);
                joined.extend(bytes);
            } else {
                prop_assert!(bytes == fixture.payload.verified_head().head_bytes());
            }
        }
        prop_assert!(joined == fixture.stream);
        verify(&fixture.find(&fixture.stick()).unwrap(), "verifying", &SilentProgress).unwrap();
    }
}

#[test]
fn sums_pass_sha256sum() {
    let fixture = Fixture::small();
    let files = fixture.pack(Some(3 << 20)).unwrap();
    let check =
        || Command::new("sha256sum").args(["--check", "--strict", SUMS_NAME]).current_dir(fixture.stick()).output();
    let output = check().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), files.len());
    flip(&fixture.stick().join(&files[1].name), 5);
    assert!(!check().unwrap().status.success());
}

#[test]
fn extra_files_are_listed_in_sums() {
    let fixture = Fixture::small();
    let folder = fixture.stick();
    let others = |files: &[WrittenFile]| vec![("sheet.html".to_owned(), files[0].name.clone().into_bytes())];
    let output = Output { folder: &folder, part_bytes: None, others: &others, others_bytes: 0 };
    let counters = Counters::new();
    let files = pack(&fixture.payload, &fixture.vendor_store, output, &counters, &SilentProgress).unwrap();
    let stem = fixture.payload.verified_head().bundle_name().stem().to_owned();
    let expected = [format!("{stem}.landfall"), format!("{stem}.head"), "sheet.html".to_owned()];
    assert!(files.iter().map(|file| &file.name).eq(&expected));
    let mut all = names(&folder);
    all.retain(|name| name != SUMS_NAME);
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(fs::read_to_string(folder.join("sheet.html")).unwrap(), files[0].name);
    let totals = counters.totals();
    assert_eq!(totals.read_back_bytes, fixture.stream.len() as u64);
    let small: u64 = files[1..].iter().map(|file| file.size).sum();
    let sums = fs::metadata(folder.join(SUMS_NAME)).unwrap().len();
    assert_eq!(totals.written_bytes, fixture.stream.len() as u64 + small + sums);
    assert_eq!(fixture.vendor_store.counters().totals().read_bytes, fixture.payload.blob_bytes());
}

#[test]
fn foreign_sums_lines_are_kept() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    fs::create_dir(&stick).unwrap();
    File::create(stick.join("notes.txt")).unwrap().write_all(b"notes").unwrap();
    let foreign = Command::new("sha256sum").arg("notes.txt").current_dir(&stick).output().unwrap().stdout;
    let own = format!("{}  {}.head\n", "0".repeat(64), fixture.payload.verified_head().bundle_name().stem());
    // The line for an earlier file of the same name is removed; the customer's line stays, although it lacks a line
    // end.
    let list = [own.as_bytes(), foreign.trim_ascii_end()].concat();
    File::create(stick.join(SUMS_NAME)).unwrap().write_all(&list).unwrap();
    let files = fixture.pack(Some(3 << 20)).unwrap();
    let check = Command::new("sha256sum").args(["--check", "--strict", SUMS_NAME]).current_dir(&stick).output();
    let check = check.unwrap();
    assert!(check.status.success(), "{check:?}");
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(said.lines().count(), files.len() + 1, "{said}");
    assert!(said.starts_with("notes.txt: OK\n"), "{said}");

    // With a second release next to it, the list contains both.
    let second = Fixture::with_blobs(&[7, 2_000_000]);
    let output = Output { folder: &stick, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
    let more = pack(&second.payload, &second.vendor_store, output, &Counters::new(), &SilentProgress).unwrap();
    let check = Command::new("sha256sum").args(["--check", "--strict", SUMS_NAME]).current_dir(&stick).output();
    assert_eq!(String::from_utf8(check.unwrap().stdout).unwrap().matches(": OK").count(), files.len() + more.len() + 1);
}

#[test]
fn unusable_sums_file_is_refused_first() {
    let fixture = Fixture::small();
    let list = fixture.stick().join(SUMS_NAME);
    fs::create_dir_all(&list).unwrap();
    assert_eq!(fixture.pack(None).unwrap_err().code().id, "LF1214");
    fs::remove_dir(&list).unwrap();
    File::create(&list).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(fixture.pack(None).unwrap_err().code().id, "LF1214");
    assert_eq!(names(&fixture.stick()), [SUMS_NAME]);
}

#[test]
fn interrupted_naming_allows_next_build() {
    // Number of parts that already have their names, and whether the sheet and the list exist.
    for (named, listed) in [(0, false), (1, false), (4, false), (4, true)] {
        let fixture = Fixture::small();
        let folder = fixture.stick();
        let others = |_: &[WrittenFile]| {
            vec![(format!("{}.html", fixture.payload.verified_head().bundle_name().stem()), b"sheet".to_vec())]
        };
        let output = Output { folder: &folder, part_bytes: Some(3 << 20), others: &others, others_bytes: 0 };
        let again = || pack(&fixture.payload, &fixture.vendor_store, output, &Counters::new(), &SilentProgress);
        let files = again().unwrap();
        let parts: Vec<_> =
            files.iter().map(|file| file.name.clone()).filter(|name| name.contains(".landfall.")).collect();
        assert_eq!(parts.len(), 4);
        let bundle = fixture.payload.verified_head().bundle_name();
        let unpublish = |name: &str| durable::rename(&folder.join(name), &folder.join(partial_name(name))).unwrap();
        unpublish(&bundle.file(FileKind::Head));
        parts[named..].iter().for_each(|name| unpublish(name));
        if !listed {
            fs::remove_file(folder.join(SUMS_NAME)).unwrap();
            fs::remove_file(folder.join(format!("{}.html", bundle.stem()))).unwrap();
        }
        // Another release needs space only for itself; foreign files stay.
        File::create(folder.join("notes.txt")).unwrap();
        let second = Fixture::with_blobs(&[7, 2_000_000]);
        let beside = Output { folder: &folder, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
        let written = pack(&second.payload, &second.vendor_store, beside, &Counters::new(), &SilentProgress).unwrap();
        let mut expected: Vec<_> = written.into_iter().map(|file| file.name).collect();
        expected.extend([SUMS_NAME.to_owned(), "notes.txt".to_owned()]);
        expected.sort();
        assert_eq!(names(&folder), expected, "{named} {listed}");
        assert_eq!(fs::read_to_string(folder.join(SUMS_NAME)).unwrap().lines().count(), 2);
        // The same release can be built again as if nothing had happened.
        assert_eq!(again().unwrap(), files);
    }
}

/// A disk without space.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(28))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn stream_matches_file() {
    let fixture = Fixture::small();
    let mut bytes = Vec::new();
    let counters = Counters::new();
    pack_to_stream(&fixture.payload, &fixture.vendor_store, &mut bytes, &counters, &SilentProgress).unwrap();
    assert!(bytes == fixture.stream);
    assert_eq!(counters.totals().written_bytes, bytes.len() as u64);
    let error =
        pack_to_stream(&fixture.payload, &fixture.vendor_store, &mut Full, &counters, &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1202");
}

#[test]
fn damaged_store_leaves_stick_empty() {
    let fixture = Fixture::small();
    let path = fixture.vendor_store.path(fixture.payload.blob(5).sha256);
    flip(&path, 2_000_000);
    let error = fixture.pack(Some(3 << 20)).unwrap_err();
    assert_eq!(error.code().id, "LF1212");
    assert!(error.to_string().contains("chunk 2 of 6"), "{error}");
    assert_eq!(names(&fixture.stick()), Vec::<String>::new());
    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.pack(None).unwrap_err().code().id, "LF1211");
    assert_eq!(names(&fixture.stick()), Vec::<String>::new());
}

#[test]
fn existing_files_are_not_replaced() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    assert_eq!(fixture.pack(None).unwrap_err().code().id, "LF1214");
    assert_eq!(fixture.pack(Some(3 << 20)).unwrap_err().code().id, "LF1214");
    verify(&fixture.find(&fixture.stick()).unwrap(), "verifying", &SilentProgress).unwrap();
}

#[test]
fn killed_build_leftovers_are_removed() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    fs::create_dir(&stick).unwrap();
    for name in ["sample-1.0.0-0123456789ab.landfall.001.partial", "notes.partial", "notes.txt"] {
        File::create(stick.join(name)).unwrap();
    }
    let pipe = stick.join("sample-1.0.0-0123456789ab.landfall.002.partial");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let at_work = stick.join("sample-1.0.0-abcdefabcdef.landfall.partial");
    let at_work_file = File::create(&at_work).unwrap();
    rustix::fs::flock(&at_work_file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fixture.pack(None).unwrap();
    let all = names(&stick);
    assert!(!all.contains(&"sample-1.0.0-0123456789ab.landfall.001.partial".to_owned()), "{all:?}");
    assert!(at_work.exists() && stick.join("notes.partial").exists() && stick.join("notes.txt").exists());
}

/// Begins the files of the fixture's bundle in this output.
fn begin_parts(fixture: &Fixture, output: &Output<'_>) -> PartWriter {
    let planned = PlannedFiles::of_bundle(&fixture.payload, output.part_bytes).unwrap();
    PartWriter::create(output, &fixture.payload, planned, Counters::new()).unwrap()
}

#[test]
fn second_build_leaves_first_whole() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    let output = Output { folder: &stick, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
    let first = begin_parts(&fixture, &output);
    let begun = names(&stick);
    assert_eq!(fixture.pack(None).unwrap_err().code().id, "LF1234");
    assert_eq!(names(&stick), begun);
    drop(first);
    fixture.pack(None).unwrap();
}

#[test]
fn corrupting_stick_is_detected_before_naming() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    let output = Output { folder: &stick, part_bytes: Some(3 << 20), others: &|_| Vec::new(), others_bytes: 0 };
    let mut writer = begin_parts(&fixture, &output);
    writer.write(&fixture.stream).unwrap();
    let parts = writer.finish().unwrap();
    let whole = Contents::all_blobs(&fixture.payload);
    verify(&parts.read_back(&fixture.payload, &whole).unwrap(), "reading back", &SilentProgress).unwrap();
    let second = stick.join(names(&stick).remove(1));
    flip(&second, 1_500_000);
    let error =
        verify(&parts.read_back(&fixture.payload, &whole).unwrap(), "reading back", &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1213");
    assert!(error.to_string().starts_with(&second.display().to_string()), "{error}");
    drop(parts);
    assert_eq!(names(&stick), Vec::<String>::new());
}

#[test]
fn full_folder_is_refused_before_writing() {
    let folder = tempfile::tempdir().unwrap();
    let error = check_space(folder.path(), u64::MAX, 1).unwrap_err();
    assert_eq!(error.code().id, "LF1202");
    check_space(folder.path(), 1, 1).unwrap();
}

#[test]
fn space_check_includes_extra_files() {
    let test = "parts::tests::space_check_includes_extra_files";
    let fixture = Fixture::small();
    // Enough space for the stream, but not for the head, sheet and list next to it.
    let room = format!("size={}", fixture.stream.len() + 200_000);
    let Some(stick) = crate::mounted::on_tmpfs(test, &room) else { return };
    let counters = Counters::new();
    let output = Output { folder: &stick, part_bytes: Some(3 << 20), others: &|_| Vec::new(), others_bytes: 0 };
    let refused = pack(&fixture.payload, &fixture.vendor_store, output, &counters, &SilentProgress);
    assert_eq!(refused.unwrap_err().code().id, "LF1202");
    assert_eq!((names(&stick), counters.totals().written_bytes), (Vec::new(), 0));
}

/// Simulates a stick that other software fills between the last part and the files next to it.
#[test]
fn complete_parts_survive_failed_publish() {
    let fixture = Fixture::small();
    let stick = fixture.stick();
    let output = Output { folder: &stick, part_bytes: Some(3 << 20), others: &|_| Vec::new(), others_bytes: 0 };
    let mut writer = begin_parts(&fixture, &output);
    writer.write(&fixture.stream).unwrap();
    let parts = writer.finish().unwrap();
    // An unwritable name, as on a full disk, comes after the parts have their names.
    let others = |_: &[WrittenFile]| vec![("no/such/folder".to_owned(), Vec::new())];
    let error = parts.publish(fixture.payload.verified_head().head_bytes(), &others).unwrap_err();
    assert!(matches!(&error, MediaError::Durable(cause) if cause.kind() == io::ErrorKind::NotFound), "{error}");
    let whole = names(&stick).into_iter().filter(|name| name.contains(".landfall.") && !name.ends_with(".partial"));
    assert_eq!(whole.count(), 4);
}

#[test]
fn tiny_parts_are_refused() {
    let fixture = Fixture::small();
    for part_bytes in [0, 1, 600_000] {
        assert_eq!(fixture.pack(Some(part_bytes)).unwrap_err().code().id, "LF1021");
    }
    assert!(!fixture.stick().exists() || names(&fixture.stick()).is_empty());
}

/// A file writer that writes zeros as holes.
struct Sparse(File, Vec<u8>);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes == self.1 {
            self.0.seek(SeekFrom::Current(1 << 20))?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SPARSE_BYTES: u64 = (9 << 30) + 12_345;

/// A store with a 9 GiB blob that consists of holes, and a head for it. The SHA-256 of the blob is invented; no code
/// here checks it.
fn sparse_fixture(root: &Path) -> (ContentStore, Payload) {
    let store = ContentStore::at(root.join("vendor"));
    let zeros = vec![0; 1 << 20];
    let chunk = |index| chunk_value(index, &zeros[..usize::try_from(chunk_len(SPARSE_BYTES, index)).unwrap()]);
    let chunks: Vec<_> = (0..chunk_count(SPARSE_BYTES)).map(chunk).collect();
    let blake3: Blake3 = root_of_chunks(SPARSE_BYTES, &chunks).unwrap();
    let sums = BlobSums { sha256: Sha256([9; 32]), blake3, size: SPARSE_BYTES, chunks };
    let path = store.path(sums.sha256);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_len(SPARSE_BYTES).unwrap();
    let mut all: Vec<_> = Place::ALL.iter().map(|place| store.ingest_bytes(place.name().as_bytes()).unwrap()).collect();
    all.push(sums);
    let media_type = "application/octet-stream";
    let entries = all.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::with_place(sums, media_type, *place),
        None => BlobEntry::blob(sums, media_type),
    });
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let identity = Identity {
        name: "sparse".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 1,
        built_at: "2026-11-20T08:16:00Z".to_owned(),
    };
    let values: Vec<_> = all.iter().map(|sums| sums.chunks.as_slice()).collect();
    let blobs = BlobsDocument::new(entries.collect()).unwrap();
    let mut head = UnsignedHead::new(&identity, Vec::new(), &blobs, &values).unwrap();
    head.sign(&vendor.key).unwrap();
    (store, head.finish(&[vendor.root]).unwrap().into_verified().into())
}

#[test]
fn blob_of_9_gib_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let (store, payload) = sparse_fixture(folder.path());
    let whole = folder.path().join("sparse.tar");
    let mut output = Sparse(File::create(&whole).unwrap(), vec![0; 1 << 20]);
    pack_to_stream(&payload, &store, &mut output, &Counters::new(), &SilentProgress).unwrap();
    let metadata = fs::metadata(&whole).unwrap();
    assert_eq!(metadata.len(), payload.layout().total_bytes());
    assert!(metadata.len() > SPARSE_BYTES && metadata.blocks() * 512 < 16 << 20, "holes stay holes");

    // The same stream, cut out of the single file as holes, in parts for FAT32.
    let ranges = payload.layout().parts(FAT32_PART_BYTES).unwrap();
    assert_eq!(ranges.len(), 3);
    let stick = folder.path().join("stick");
    fs::create_dir(&stick).unwrap();
    let source = File::open(&whole).unwrap();
    for (name, range) in payload.verified_head().bundle_name().parts(3).iter().zip(&ranges) {
        let part = File::create(stick.join(name)).unwrap();
        part.set_len(range.end - range.start).unwrap();
        // Only the first and the last MiB contain data.
        for start in [range.start, range.end - CHUNK_BYTES] {
            let mut bytes = vec![0; 1 << 20];
            source.read_exact_at(&mut bytes, start).unwrap();
            if bytes.iter().any(|byte| *byte != 0) {
                part.write_all_at(&bytes, start - range.start).unwrap();
            }
        }
    }
    let media = crate::bundle::locate(&stick).unwrap().assemble(payload, Counters::new()).unwrap();
    assert_eq!(media.parts().len(), 3);
    verify(&media, "verifying", &SilentProgress).unwrap();
}
