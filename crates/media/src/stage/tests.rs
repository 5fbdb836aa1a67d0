use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use landfall_bundle_spec::chunks::BlobSums;
use landfall_error_codes::CodedError;
use proptest::prelude::*;

use super::*;
use crate::counters::Counters;
use crate::disk::UNSYNCED_BYTES;
use crate::error::MediaError;
use crate::progress::{Event, SilentProgress};
use crate::sink::BlobSink;
use crate::store::ExpectedBlob;
use crate::testing::{Fixture, flip};

fn is_whole(fixture: &Fixture, store: &ContentStore) {
    for (index, blob) in fixture.payload.blobs().iter().enumerate() {
        let record: BlobSums = store.record(blob.sha256).unwrap();
        assert_eq!(record, fixture.payload.sums(index));
        store.check(blob.sha256).unwrap();
    }
    assert!(partial_files(store).is_empty());
}

fn partial_files(store: &ContentStore) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(store.root().join("landfall/partial")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A sink that fails after this many bytes, like a power cut: nothing after it runs.
struct Cut {
    sink: StoreSink,
    left: usize,
}

impl BlobSink for Cut {
    fn total_bytes(&self) -> u64 {
        self.sink.total_bytes()
    }

    fn wants(&mut self, blob: usize) -> Result<Option<u64>> {
        self.sink.wants(blob)
    }

    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64> {
        self.left = self.left.checked_sub(chunk.len()).ok_or_else(|| MediaError::Bug("cut".to_owned()))?;
        self.sink.take(blob, chunk)
    }

    fn finish(&mut self) -> Result<u64> {
        self.sink.finish()
    }
}

/// Stages until the cut.
fn stage_until(media: &BundleMedia, store: &ContentStore, bytes: usize) {
    let mut sink = Cut { sink: StoreSink::new(store.clone(), media.payload().clone()), left: bytes };
    let _ = copy(&mut BundleSource::new(media), &mut sink, "staging", &SilentProgress);
}

#[test]
fn restaging_copies_nothing() {
    let fixture = Fixture::small();
    fixture.parts();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    let total = media.payload().blob_bytes();
    assert_eq!(lacking_bytes(&media, &store), total);
    let copied = stage(&media, &store, &SilentProgress).unwrap();
    assert_eq!(copied, CopyTotals { blobs: 8, bytes: total, present_bytes: 0 });
    is_whole(&fixture, &store);
    assert_eq!(store.counters().totals().written_bytes, total);
    let before = media.counters().totals();
    assert_eq!(
        stage(&media, &store, &SilentProgress).unwrap(),
        CopyTotals { blobs: 0, bytes: 0, present_bytes: total }
    );
    assert_eq!(media.counters().totals(), before);
    assert_eq!(lacking_bytes(&media, &store), 0);
}

#[test]
fn rotten_blobs_are_copied_again() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    stage(&media, &store, &SilentProgress).unwrap();
    let path = |blob: usize| store.path(fixture.payload.blob(blob).sha256);
    for (blob, offset) in [(1, 0), (5, 2_500_000), (6, 3_000_000)] {
        flip(&path(blob), offset);
        assert!(store.holds(&fixture.payload, blob), "length and record say nothing");
    }
    let in_use = File::open(path(5)).unwrap();
    let copied = stage(&media, &store, &SilentProgress).unwrap();
    assert_eq!(copied.blobs, 3, "{copied:?}");
    is_whole(&fixture, &store);
    assert_eq!(in_use.metadata().unwrap().len(), 5_767_168, "readers of the old bytes continue");
    assert_eq!(stage(&media, &store, &SilentProgress).unwrap().blobs, 0);
}

#[test]
fn progress_counts_every_byte_once() {
    struct Sum(Mutex<(u64, u64)>);
    impl Progress for Sum {
        fn event(&self, event: Event) {
            let mut sum = self.0.lock().unwrap();
            match event {
                // Before the `staging` phase, the existing blobs were read.
                Event::PhaseStarted { phase, total_bytes } if phase == "staging" => *sum = (total_bytes.unwrap(), 0),
                Event::Present { bytes } | Event::Advanced { bytes } => sum.1 += bytes,
                _ => {}
            }
        }
    }
    let fixture = Fixture::with_blobs(&[40 << 20, 5]);
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    for cut in [20 << 20, usize::MAX] {
        stage_until(&media, &store, cut);
    }
    is_whole(&fixture, &store);
    let sum = Sum(Mutex::default());
    stage(&media, &store, &sum).unwrap();
    let (total, advanced) = sum.0.into_inner().unwrap();
    assert_eq!((total, advanced), (media.payload().blob_bytes(), total));
    let again = ContentStore::at(fixture.folder.path().join("another"));
    stage_until(&media, &again, 20 << 20);
    let sum = Sum(Mutex::default());
    stage(&media, &again, &sum).unwrap();
    let (total, advanced) = sum.0.into_inner().unwrap();
    assert_eq!(advanced, total);
}

#[test]
fn damage_stops_staging_keeping_good_blobs() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let store = fixture.site_store();
    let placed = fixture.payload.layout().entries()[5].clone();
    flip(&path, placed.offset() + (3 << 20) + 17);
    let media = fixture.find(&path).unwrap();
    let error = stage(&media, &store, &SilentProgress).unwrap_err();
    assert_eq!((error.code().id, error.code().class.exit_code()), ("LF1208", 3));
    let message = error.to_string();
    assert!(message.starts_with(&format!("{} is damaged at byte", path.display())), "{message}");
    assert!(message.contains(&format!("chunk 4 of 6 of {}", placed.name)), "{message}");
    for (index, blob) in fixture.payload.blobs().iter().enumerate() {
        assert_eq!(store.contains(blob.sha256), index < 5, "{index}");
        assert_eq!(store.path(blob.sha256).exists(), index < 5, "{index}");
    }
    // A good copy of the stick continues where the bad one failed.
    flip(&path, placed.offset() + (3 << 20) + 17);
    let again = fixture.find(&path).unwrap();
    let copied = stage(&again, &store, &SilentProgress).unwrap();
    assert_eq!(
        copied.present_bytes,
        fixture.payload.blobs()[..5].iter().map(|blob| blob.size).sum::<u64>() + (3 << 20)
    );
    is_whole(&fixture, &store);
}

#[test]
fn removed_stick_is_not_damage() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    let media = fixture.find(&path).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(4_000_000).unwrap();
    let store = fixture.site_store();
    assert_eq!(stage(&media, &store, &SilentProgress).unwrap_err().code().id, "LF1215");
}

#[test]
fn duplicate_blob_is_staged_once() {
    let fixture = Fixture::small();
    let index = fixture.payload.blob(2).clone();
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let mut sink = StoreSink::new(store, fixture.payload.clone());
    assert_eq!(sink.wants(2).unwrap(), Some(0));
    assert_eq!(sink.wants(2).unwrap(), None, "{index:?}");
}

#[test]
fn corrupt_partial_download_is_discarded() {
    let fixture = Fixture::small();
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let blob = fixture.payload.blob(5).clone();
    let mut partial = store.partial(ExpectedBlob { digest: blob.sha256, size: blob.size }).unwrap().unwrap();
    partial.append(&vec![7; 2_500_000]).unwrap();
    drop(partial);
    let copied = stage(&fixture.find(&fixture.stick()).unwrap(), &store, &SilentProgress).unwrap();
    assert_eq!(copied.present_bytes, 0);
    assert_eq!(store.sweep(true).unwrap(), 1);
    is_whole(&fixture, &store);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Staging is cut at any byte, the end of the unfinished file is damaged as an unsynced one may be, and staging
    /// resumes. The result is the same, and only lost bytes are read from the media again.
    #[test]
    fn interrupted_staging_resumes_identically(
        cut in 0_usize..10_000_000,
        kept in 0.0..1.0_f64,
        zeroed in 0_u64..3_000_000,
    ) {
        let fixture = Fixture::small();
        fixture.parts();
        let store = fixture.site_store();
        stage_until(&fixture.find(&fixture.stick()).unwrap(), &store, cut);
        for path in partial_files(&store) {
            let file = File::options().write(true).open(&path).unwrap();
            let length = file.metadata().unwrap().len();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a place in the file")]
            let length = (length as f64 * kept) as u64;
            file.set_len(length).unwrap();
            let zeroed = zeroed.min(length);
            file.write_all_at(&vec![0; usize::try_from(zeroed).unwrap()], length - zeroed).unwrap();
        }
        let counters = Counters::new();
        let media = crate::bundle::locate(&fixture.stick())
            .unwrap()
            .assemble(fixture.payload.clone(), counters.clone())
            .unwrap();
        let found = counters.totals().read_bytes;
        let copied = stage(&media, &store, &SilentProgress).unwrap();
        is_whole(&fixture, &store);
        prop_assert_eq!(copied.bytes + copied.present_bytes, fixture.payload.blob_bytes());
        let read = counters.totals().read_bytes - found;
        prop_assert!(read <= copied.bytes + 1024 * copied.blobs as u64, "{} {:?}", read, copied);
    }
}

/// Returns a store with a blob of 120 MiB, of which 110 MiB were staged, and its unfinished file.
fn half_staged() -> (Fixture, ContentStore, File) {
    let fixture = Fixture::with_blobs(&[120 << 20]);
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    stage_until(&fixture.find(&fixture.stick()).unwrap(), &store, 110 << 20);
    let path = partial_files(&store).remove(0);
    let file = File::options().read(true).write(true).open(path).unwrap();
    (fixture, store, file)
}

/// Stages the rest. Returns the bytes read from the media in both runs, and the bytes read from the store.
fn stage_rest(fixture: &Fixture, store: &ContentStore) -> (u64, u64) {
    let media = fixture.find(&fixture.stick()).unwrap();
    let (found, before) = (media.counters().totals().read_bytes, store.counters().totals().read_bytes);
    let copied = stage(&media, store, &SilentProgress).unwrap();
    let after = store.counters().totals().read_bytes;
    is_whole(fixture, store);
    assert_eq!(media.counters().totals().read_bytes - found - 512, copied.bytes);
    (copied.bytes, after - before)
}

#[test]
fn resume_reads_at_most_64_mib() {
    let (fixture, store, file) = half_staged();
    // A power cut keeps at least the bytes that were synced behind the writer.
    let written = file.metadata().unwrap().len();
    file.set_len(written - UNSYNCED_BYTES).unwrap();
    drop(file);
    let (media, disk) = stage_rest(&fixture, &store);
    // Bytes that the first run had read ahead but not written.
    let ahead = 16 << 20;
    let twice = media + ahead - ((120 << 20) - written);
    assert!(disk <= UNSYNCED_BYTES + (2 << 20), "{disk} from the disk");
    assert!(twice + disk <= 64 << 20, "{twice} from the media again, {disk} from the disk");
}

#[test]
fn resume_reads_only_unsynced_end() {
    let (fixture, store, file) = half_staged();
    let length = file.metadata().unwrap().len();
    // The old bytes remain where a sync had begun but not ended.
    file.write_all_at(&vec![0; 1 << 20], length - (5 << 20)).unwrap();
    drop(file);
    let (media, disk) = stage_rest(&fixture, &store);
    assert_eq!(media, (120 << 20) - (length - (5 << 20)));
    assert!((UNSYNCED_BYTES - (5 << 20)..=UNSYNCED_BYTES + (2 << 20)).contains(&disk), "{disk}");
}

#[test]
fn lost_synced_bytes_are_read_again() {
    let (fixture, store, file) = half_staged();
    // The disk reports a sync that it did not do: everything after 3 MiB is lost, except the length.
    let length = file.metadata().unwrap().len();
    file.set_len(3 << 20).unwrap();
    file.set_len(length).unwrap();
    drop(file);
    let (media, disk) = stage_rest(&fixture, &store);
    assert_eq!(media, 117 << 20);
    assert!(disk < 6 << 20, "{disk}");
}

#[test]
fn small_blobs_resume_after_cut() {
    let fixture = Fixture::with_blobs(&[3000; 150]);
    fixture.pack(None).unwrap();
    let store = fixture.site_store();
    let media = fixture.find(&fixture.stick()).unwrap();
    stage_until(&media, &store, 100 * 3000);
    let blobs = fixture.payload.blobs();
    assert_eq!(blobs.iter().filter(|blob| store.contains(blob.sha256)).count(), 0);
    let copied = stage(&media, &store, &SilentProgress).unwrap();
    is_whole(&fixture, &store);
    // The blobs that waited for their common sync were checked on the disk, not read from the media again.
    assert_eq!(copied.blobs, blobs.len() - 102, "{copied:?}");
}

/// A store whose disk becomes full while accepted bytes are being kept.
struct Full(StoreSink);

impl BlobSink for Full {
    fn total_bytes(&self) -> u64 {
        self.0.total_bytes()
    }

    fn wants(&mut self, blob: usize) -> Result<Option<u64>> {
        self.0.wants(blob)
    }

    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64> {
        self.0.take(blob, chunk)
    }

    fn keep(&mut self) -> Result<()> {
        Err(MediaError::io("write", Path::new("store"), std::io::Error::from_raw_os_error(28)))
    }

    fn finish(&mut self) -> Result<u64> {
        self.0.finish()
    }
}

#[test]
fn damage_is_reported_despite_full_disk() {
    let fixture = Fixture::small();
    let path = fixture.stick().join(&fixture.pack(None).unwrap()[0].name);
    flip(&path, fixture.payload.layout().entries()[4].offset() + 5);
    let media = fixture.find(&path).unwrap();
    let mut sink = Full(StoreSink::new(fixture.site_store(), fixture.payload.clone()));
    let error = copy(&mut BundleSource::new(&media), &mut sink, "staging", &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1208");
}

#[test]
fn staging_resumes_after_full_disk() {
    let test = "stage::tests::staging_resumes_after_full_disk";
    let Some(disk) = crate::mounted::on_tmpfs(test, "size=4m") else { return };
    let fixture = Fixture::with_blobs(&[3000, 2 << 20, 3 << 20]);
    fixture.pack(None).unwrap();
    let media = fixture.find(&fixture.stick()).unwrap();
    let store = ContentStore::at(disk.join("store"));
    // The lack of space is known before the first byte.
    let refused = stage(&media, &store, &SilentProgress).map(drop).unwrap_err();
    assert!(refused.to_string().contains("bytes free"), "{refused}");
    assert_eq!((refused.code().id, store.counters().totals().written_bytes), ("LF1202", 0));
    // Other software takes the space during the copy.
    let mut sink = StoreSink::new(store.clone(), fixture.payload.clone());
    let full = copy(&mut BundleSource::new(&media), &mut sink, "staging", &SilentProgress).unwrap_err();
    drop(sink);
    assert_eq!(full.code().id, "LF1202", "{full}");
    rustix::mount::mount_remount(&disk, rustix::mount::MountFlags::empty(), c"size=40m").unwrap();
    let copied = stage(&media, &store, &SilentProgress).unwrap();
    assert!(copied.present_bytes >= 2 << 20, "{copied:?}");
    is_whole(&fixture, &store);
}

#[test]
fn concurrent_stages_take_turns() {
    for _ in 0..13 {
        let fixture = Fixture::with_blobs(&[30, 5000, 2 << 20, 60, 700]);
        fixture.pack(None).unwrap();
        let media = fixture.find(&fixture.stick()).unwrap();
        let root = fixture.site_store().root().to_owned();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| stage(&media, &ContentStore::at(&root), &SilentProgress).unwrap());
            }
        });
        is_whole(&fixture, &ContentStore::at(&root));
    }
}
