#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use landfall_error_codes::CodedError;
use proptest::prelude::*;
use rustix::io::Errno;

use super::*;

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

fn sums(bytes: &[u8]) -> BlobSums {
    let mut hasher = BlobHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn expected_blob(bytes: &[u8]) -> ExpectedBlob {
    ExpectedBlob { digest: sums(bytes).sha256, size: bytes.len() as u64 }
}

fn store() -> (tempfile::TempDir, ContentStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ContentStore::at(folder.path().join("store"));
    (folder, store)
}

fn partial_files(store: &ContentStore) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(store.partial_folder()) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn repeated_ingest_reads_nothing() {
    let (_folder, store) = store();
    for length in [0, 1, 1 << 20, (1 << 20) + 1, 3_500_000] {
        let blob = bytes(length, length as u64);
        let found = store.ingest(&mut blob.as_slice(), None).unwrap();
        assert_eq!(found, sums(&blob));
        assert_eq!(store.record(found.sha256).unwrap(), found);
        assert_eq!(std::fs::read(store.path(found.sha256)).unwrap(), blob);
        assert_eq!(store.read(found.sha256, 4_000_000).unwrap(), blob);
        store.check(found.sha256).unwrap();
        let hex = found.sha256.to_hex();
        assert!(store.path(found.sha256).ends_with(format!("blobs/sha256/{}/{hex}/data", &hex[..2])));
    }
    let before = store.counters().totals();
    let blob = bytes(3_500_000, 3_500_000);
    let mut unread: &[u8] = &[];
    assert_eq!(store.ingest(&mut unread, Some(expected_blob(&blob))).unwrap(), sums(&blob));
    assert_eq!(store.counters().totals(), before);
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
}

#[test]
fn unexpected_bytes_are_not_stored() {
    let (_folder, store) = store();
    let blob = bytes(2_000_000, 1);
    let wanted = expected_blob(&blob);
    let mut flipped = blob.clone();
    flipped[1_234_567] ^= 1;
    let mut long = blob.clone();
    long.push(0);
    for bad in [&flipped, &long, &blob[..1_999_999].to_vec(), &Vec::new()] {
        let error = store.ingest(&mut bad.as_slice(), Some(wanted)).unwrap_err();
        assert_eq!(error.code().id, "LF1210");
        assert!(!store.contains(wanted.digest) && !store.contains(sums(bad).sha256));
    }
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
    assert!(matches!(store.open(wanted.digest), Err(MediaError::BlobMissing { .. })));
    assert!(matches!(store.record(wanted.digest), Err(MediaError::BlobMissing { .. })));
}

#[test]
fn failing_source_leaves_nothing() {
    struct FailingReader;
    impl Read for FailingReader {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("reset"))
        }
    }
    let (_folder, store) = store();
    let error = store.ingest(&mut bytes(100, 3).chain(FailingReader), None).unwrap_err();
    assert!(matches!(error, MediaError::Source { .. }));
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
}

#[test]
fn threads_ingest_blobs_concurrently() {
    let (_folder, store) = store();
    let blobs: Vec<_> = (0..4).map(|seed| bytes(1_500_000, seed)).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, blob) = (store.clone(), &blobs[thread % 4]);
            scope.spawn(move || {
                if thread < 4 {
                    store.ingest(&mut blob.as_slice(), Some(expected_blob(blob))).unwrap();
                } else if let Some(mut partial) = store.partial(expected_blob(blob)).unwrap() {
                    partial.append_all(&mut blob.as_slice()).unwrap();
                    partial.finish().unwrap();
                }
            });
        }
    });
    for blob in &blobs {
        store.check(sums(blob).sha256).unwrap();
    }
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
}

#[test]
fn second_download_waits_for_first() {
    let (_folder, store) = store();
    let blob = bytes(100_000, 5);
    let mut first = store.partial(expected_blob(&blob)).unwrap().unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.partial(expected_blob(&blob)).unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(50));
        first.append(&blob).unwrap();
        first.finish().unwrap();
        assert!(second.join().unwrap());
    });
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn interrupted_download_resumes_identically(
        length in 1_usize..3_000_000,
        cuts in prop::collection::vec(0.0..1.0_f64, 0..4),
    ) {
        let (_folder, store) = store();
        let blob = bytes(length, 9);
        for cut in cuts {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a place in the blob")]
            let cut = (length as f64 * cut) as usize;
            let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
            let from = usize::try_from(partial.length()).unwrap();
            partial.append(&blob[from..from.max(cut)]).unwrap();
        }
        let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
        let from = usize::try_from(partial.length()).unwrap();
        partial.append(&blob[from..]).unwrap();
        prop_assert_eq!(partial.finish().unwrap(), sums(&blob));
        store.check(sums(&blob).sha256).unwrap();
    }
}

#[test]
fn damaged_download_restarts() {
    let (_folder, store) = store();
    let blob = bytes(500_000, 2);
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    partial.append(&blob[..300_000]).unwrap();
    drop(partial);
    let path = partial_files(&store).remove(0);
    // A power cut may change an unsynced end in this way.
    File::options().write(true).open(&path).unwrap().write_all(&[0; 1000]).unwrap();
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 300_000);
    partial.append(&blob[300_000..]).unwrap();
    assert_eq!(partial.finish().unwrap_err().code().id, "LF1210");
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 0);
    partial.append(&blob[..400_000]).unwrap();
    partial.restart().unwrap();
    partial.append(&blob).unwrap();
    assert_eq!(partial.finish().unwrap(), sums(&blob));
}

#[test]
fn only_excess_download_is_discarded() {
    let (_folder, store) = store();
    let blob = bytes(500_000, 2);
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    partial.append(&blob[..300_000]).unwrap();
    assert_eq!(partial.finish().unwrap_err().code().id, "LF1210");
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 300_000);
    assert_eq!(partial.append(&blob).unwrap_err().code().id, "LF1210");
    drop(partial);
    let partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 0);
    partial.discard().unwrap();
    assert_eq!(partial_files(&store), Vec::<PathBuf>::new());
}

#[test]
fn sweep_spares_active_downloads() {
    let (_folder, store) = store();
    let (mine, left) = (bytes(10, 1), bytes(20, 2));
    let _working = store.partial(expected_blob(&mine)).unwrap().unwrap();
    drop(store.partial(expected_blob(&left)).unwrap().unwrap());
    File::create(store.partial_folder().join("1.0.ingest")).unwrap();
    assert_eq!(store.sweep(false).unwrap(), 1);
    assert_eq!(store.sweep(true).unwrap(), 1);
    assert_eq!(partial_files(&store), [store.partial_folder().join(expected_blob(&mine).digest.to_hex())]);
    let (_folder, absent) = self::store();
    assert_eq!(absent.sweep(true).unwrap(), 0);
}

#[test]
fn sweep_waits_for_record_writer() {
    let (_folder, store) = store();
    let digest = store.ingest_bytes(b"blob").unwrap().sha256;
    let folder = store.record_path(digest).parent().unwrap().to_owned();
    let temporary = folder.join(format!(".record{}", durable::TEMPORARY_SUFFIX));
    File::create(&temporary).unwrap();
    let held = lock_folder(&folder, FlockOperation::LockExclusive).unwrap();
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| store.sweep(false).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(temporary.exists() && !sweep.is_finished());
        drop(held);
        assert_eq!(sweep.join().unwrap(), 1);
    });
    assert!(!temporary.exists());
}

#[test]
fn store_damage_is_found() {
    let (_folder, store) = store();
    let blob = bytes(2_000_000, 7);
    let digest = store.ingest_bytes(&blob).unwrap().sha256;
    let spoil = |path: &Path, offset: u64| {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    };
    spoil(&store.path(digest), 1_999_999);
    assert_eq!(store.check(digest).unwrap_err().code().id, "LF1212");
    spoil(&store.path(digest), 1_999_999);
    store.check(digest).unwrap();
    let length = std::fs::metadata(store.record_path(digest)).unwrap().len();
    spoil(&store.record_path(digest), length - 1);
    assert_eq!(store.record(digest).unwrap_err().code().id, "LF1212");
    assert_eq!(store.read(digest, 10).unwrap_err().code().id, "LF1212");
}

#[test]
fn repository_links_follow_distribution_layout() {
    let (_folder, store) = store();
    let manifest = store.ingest_bytes(b"{}").unwrap().sha256;
    let layer = store.ingest_bytes(b"layer").unwrap().sha256;
    let mut link = RepositoryLink {
        repository: "docker.io/library/redis".to_owned(),
        manifest,
        tag: Some("8.10.1".to_owned()),
        blobs: vec![layer],
    };
    assert!(!store.is_linked(&link));
    store.link_repository(&link).unwrap();
    store.link_repository(&link).unwrap();
    assert!(store.is_linked(&link));
    let folder = store.root().join("docker/registry/v2/repositories/docker.io/library/redis");
    for (path, digest) in [
        (format!("_layers/sha256/{}/link", layer.to_hex()), layer),
        (format!("_manifests/revisions/sha256/{}/link", manifest.to_hex()), manifest),
        ("_manifests/tags/8.10.1/current/link".to_owned(), manifest),
        (format!("_manifests/tags/8.10.1/index/sha256/{}/link", manifest.to_hex()), manifest),
    ] {
        assert_eq!(std::fs::read_to_string(folder.join(path)).unwrap(), digest.to_string());
    }
    link.tag = None;
    store.link_repository(&link).unwrap();
    for bad in ["../x", "a//b", "/a", "A", "a/.b", ""] {
        let refused = store.link_repository(&RepositoryLink { repository: bad.to_owned(), ..link.clone() });
        assert!(refused.unwrap_err().to_string().contains("is not a repository of a registry"), "{bad}");
    }
    let absent = RepositoryLink { blobs: vec![Sha256([1; 32])], ..link };
    assert_eq!(store.link_repository(&absent).unwrap_err().code().id, "LF1211");
}

#[test]
fn power_cut_costs_only_unsynced_end() {
    let (_folder, store) = store();
    let blob = bytes(20 << 20, 4);
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    partial.append(&blob[..19 << 20]).unwrap();
    drop(partial);
    let path = partial_files(&store).remove(0);
    // The download was interrupted, and unsynced bytes are zeros.
    rustix::fs::removexattr(&path, "user.landfall.synced").unwrap();
    File::options().write(true).open(&path).unwrap().write_all_at(&vec![0; 5 << 20], 14 << 20).unwrap();
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 3 << 20);
    partial.append(&blob[3 << 20..]).unwrap();
    assert_eq!(partial.finish().unwrap(), sums(&blob));
    store.check(sums(&blob).sha256).unwrap();
}

#[test]
fn sync_mark_never_exceeds_file() {
    let (_folder, store) = store();
    let blob = bytes(3 << 20, 4);
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    partial.append(&blob[..2 << 20]).unwrap();
    drop(partial);
    let path = partial_files(&store).remove(0);
    let mark = || rustix::fs::getxattr(&path, "user.landfall.synced", &mut [0_u8; 20]);
    assert!(mark().is_ok());
    let mut partial = store.partial(expected_blob(&blob)).unwrap().unwrap();
    assert_eq!(partial.length(), 2 << 20);
    partial.restart().unwrap();
    assert_eq!(mark().unwrap_err(), Errno::NODATA);
    partial.append(&blob).unwrap();
    partial.finish().unwrap();
    let finished = rustix::fs::getxattr(store.path(sums(&blob).sha256), "user.landfall.synced", &mut [0_u8; 20]);
    assert_eq!(finished.unwrap_err(), Errno::NODATA);
}

/// A reader that fails when it is read.
struct UnreadableReader;

impl Read for UnreadableReader {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("bytes were asked for"))
    }
}

#[test]
fn oversized_blob_fails_before_first_byte() {
    let test = "store::tests::oversized_blob_fails_before_first_byte";
    let Some(disk) = crate::mounted::on_tmpfs(test, "size=4m") else { return };
    let store = ContentStore::at(disk.join("store"));
    let expected = ExpectedBlob { digest: sums(b"large").sha256, size: 64 << 20 };
    let error = store.ingest(&mut UnreadableReader, Some(expected)).unwrap_err().to_string();
    assert!(error.contains("reserve space for") && !error.contains("bytes were asked for"), "{error}");
    store.ingest_bytes(b"fits").unwrap();
}
