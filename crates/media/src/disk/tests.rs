//! Tests of file I/O on a simulated disk that fails and loses data.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use proptest::prelude::*;

use super::*;
use crate::counters::Counters;
use crate::testing::random_bytes;

const PAGE: usize = 64 * 1024;
const MIB: usize = 1 << 20;

/// The bytes of a whole blob, slightly more than 41 MiB.
static BLOB: LazyLock<Vec<u8>> = LazyLock::new(|| random_bytes(41 * MIB + 4321, 7));

/// A file on a disk: the bytes that the kernel shows, the bytes that the disk returns, and the bytes left after a power
/// cut.
#[derive(Debug, Default)]
struct Disk {
    shown: Vec<u8>,
    returned: Vec<u8>,
    left: Vec<u8>,
    /// Pages that the kernel has not handed to the disk.
    dirty: Vec<usize>,
    /// Pages that the disk has not made durable.
    volatile: Vec<usize>,
    takes_direct: bool,
    /// Number of syncs that succeed before one fails.
    good_syncs: Option<usize>,
    /// State of the random choice of pages that reach the disk.
    luck: u64,
}

impl Disk {
    fn toss(&mut self) -> bool {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.luck >> 63 == 1
    }

    fn copy(page: usize, from: &[u8], to: &mut Vec<u8>) {
        let end = ((page + 1) * PAGE).min(from.len());
        if page * PAGE < end {
            to.resize(to.len().max(end), 0);
            to[page * PAGE..end].copy_from_slice(&from[page * PAGE..end]);
        }
    }

    /// The kernel hands its pages to the disk. If that fails, some pages are lost, and none is still dirty.
    fn write_back(&mut self, fails: bool) {
        for page in std::mem::take(&mut self.dirty) {
            if !fails || self.toss() {
                Self::copy(page, &self.shown, &mut self.returned);
                self.volatile.push(page);
            }
        }
        self.returned.resize(self.shown.len(), 0);
    }

    fn sync(&mut self) -> io::Result<()> {
        let fails = self.good_syncs == Some(0);
        self.good_syncs = self.good_syncs.map(|left| left.saturating_sub(1)).filter(|_| !fails);
        self.write_back(fails);
        if fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        for page in std::mem::take(&mut self.volatile) {
            Self::copy(page, &self.returned, &mut self.left);
        }
        self.left.resize(self.returned.len(), 0);
        Ok(())
    }

    /// Simulates a power cut: any subset of the unsynced bytes, and any length, may remain.
    fn reboot(&mut self) {
        self.write_back(true);
        for page in std::mem::take(&mut self.volatile) {
            if self.toss() {
                Self::copy(page, &self.returned, &mut self.left);
            }
        }
        if self.toss() {
            self.left.resize(self.returned.len(), 0);
        }
        (self.shown, self.returned) = (self.left.clone(), self.left.clone());
        self.good_syncs = None;
    }
}

#[derive(Debug, Clone, Default)]
struct FakeFile(Arc<Mutex<Disk>>);

impl FakeFile {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl DurableFile for FakeFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let offset = usize::try_from(offset).unwrap();
        let end = offset + bytes.len();
        let length = disk.shown.len().max(end);
        disk.shown.resize(length, 0);
        disk.shown[offset..end].copy_from_slice(bytes);
        disk.dirty.extend(offset / PAGE..end.div_ceil(PAGE));
        if disk.takes_direct {
            disk.write_back(false);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk().sync()
    }

    fn read_from_disk(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut disk = self.disk();
        if !disk.takes_direct {
            return Ok(None);
        }
        disk.write_back(false);
        let offset = usize::try_from(offset).unwrap().min(disk.returned.len());
        let count = buffer.len().min(disk.returned.len() - offset);
        buffer[..count].copy_from_slice(&disk.returned[offset..offset + count]);
        Ok(Some(count))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk().shown.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let length = usize::try_from(length).unwrap();
        disk.shown.resize(length, 0);
        disk.returned.resize(length, 0);
        disk.left.truncate(length);
        Ok(())
    }

    fn reserve(&self, _from: u64, _to: u64) -> io::Result<()> {
        Ok(())
    }
}

fn is_right(chunk: u64, bytes: &[u8]) -> bool {
    let begin = usize::try_from(chunk).unwrap() * MIB;
    BLOB[begin..(begin + MIB).min(BLOB.len())] == *bytes
}

/// Returns the number of bytes that a resume keeps after its first sync.
fn kept_after_resume(file: &FakeFile) -> io::Result<usize> {
    file.sync()?;
    let kept = kept_bytes(file, BLOB.len() as u64, &mut is_right)?;
    Ok(usize::try_from(kept).unwrap())
}

/// Resumes and writes until this many bytes are written, as staging does. Returns true if the blob is whole and on the
/// disk.
fn attempt(file: &FakeFile, bytes: usize) -> crate::error::Result<bool> {
    let kept =
        kept_after_resume(file).map_err(|error| crate::MediaError::io("sync", std::path::Path::new("fake"), error))?;
    // The kept bytes are already on the disk, whatever the kernel shows.
    assert!(
        file.disk().returned[..kept] == BLOB[..kept],
        "{kept} bytes are trusted, but the disk does not have them all"
    );
    let mut paced = PacedFile::new(file.clone(), PathBuf::from("fake"), kept as u64, Counters::new());
    paced.truncate(kept as u64)?;
    for chunk in BLOB[kept..].chunks(MIB).take(bytes.div_ceil(MIB)) {
        paced.write(chunk)?;
    }
    if paced.written_bytes() < BLOB.len() as u64 {
        return Ok(false);
    }
    paced.sync()?;
    Ok(true)
}

/// Events during one run and after it.
#[derive(Debug, Clone)]
struct Run {
    bytes: usize,
    good_syncs: Option<usize>,
    reboots: bool,
}

fn any_run() -> impl Strategy<Value = Run> {
    (0..45 * MIB, prop::option::of(0..5_usize), any::<bool>()).prop_map(|(bytes, good_syncs, reboots)| Run {
        bytes,
        good_syncs,
        reboots,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// After kills, power cuts and failures in any order, a blob reported as whole is on the disk.
    #[test]
    fn accepted_blob_is_on_disk(
        runs in prop::collection::vec(any_run(), 0..5),
        takes_direct: bool,
        luck: u64,
    ) {
        let file = FakeFile::default();
        (file.disk().takes_direct, file.disk().luck) = (takes_direct, luck);
        let mut is_whole = false;
        for run in runs {
            file.disk().good_syncs = run.good_syncs;
            is_whole = attempt(&file, run.bytes).unwrap_or(false);
            file.disk().good_syncs = None;
            if run.reboots {
                file.disk().reboot();
            }
            if is_whole {
                break;
            }
        }
        prop_assert!(is_whole || attempt(&file, usize::MAX).unwrap());
        file.disk().reboot();
        prop_assert!(file.disk().left == *BLOB);
    }
}

#[test]
fn failed_sync_discards_cached_bytes() {
    for takes_direct in [false, true] {
        let file = FakeFile::default();
        // The second sync of the run fails; the kernel continues to show the bytes that it lost.
        (file.disk().takes_direct, file.disk().good_syncs) = (takes_direct, Some(2));
        let error = attempt(&file, usize::MAX).unwrap_err();
        assert!(error.is_fatal(), "{error}");
        if takes_direct {
            // Lost after the sync had succeeded.
            let mut disk = file.disk();
            let length = disk.returned.len();
            disk.returned[length - 5 * MIB..].fill(0);
        }
        let length = file.disk().shown.len();
        assert!(file.disk().shown == BLOB[..length]);
        let kept = kept_after_resume(&file).unwrap();
        assert!(file.disk().returned[..kept] == BLOB[..kept]);
        assert!(kept + 17 * MIB >= length && kept < length, "{kept} of {length}");
    }
}

#[test]
fn power_cut_costs_at_most_16_mib() {
    let file = FakeFile::default();
    assert!(!attempt(&file, 40 * MIB).unwrap());
    file.disk().reboot();
    assert!(file.disk().left.len() as u64 >= 40 * MIB as u64 - UNSYNCED_BYTES);
    assert!(kept_after_resume(&file).unwrap() as u64 >= 40 * MIB as u64 - 2 * UNSYNCED_BYTES);
}

#[test]
fn lost_synced_data_restarts_check() {
    let file = FakeFile::default();
    file.disk().takes_direct = true;
    assert!(!attempt(&file, 40 * MIB).unwrap());
    file.disk().returned[3 * MIB..].fill(0);
    assert_eq!(kept_after_resume(&file).unwrap(), 3 * MIB);
}

#[test]
fn reserving_allocates_without_growing_file() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = DiskFile::writing(crate::durable::create_file(&path, 0o644).unwrap());
    file.write_at(0, b"begun").unwrap();
    file.reserve(5, 8 << 20).unwrap();
    let found = std::fs::metadata(&path).unwrap();
    // The unit is 512 bytes, whatever the filesystem's block size.
    assert!(found.blocks() * 512 >= 8 << 20, "{} blocks", found.blocks());
    assert_eq!(found.len(), 5);
}

#[test]
fn real_file_reads_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = crate::durable::create_file(&path, 0o644).unwrap();
    let mut paced = PacedFile::new(DiskFile::writing(file), path.clone(), 0, Counters::new());
    // Lengths that leave blocks, pages and sectors unaligned, and a continuation in the middle.
    let mut rest = &BLOB[..];
    for length in [1, 4095, 700_001, 3 << 20, 512, 9_000_000] {
        let (now, later) = rest.split_at(length);
        paced.write(now).unwrap();
        rest = later;
    }
    paced.sync().unwrap();
    paced.write(rest).unwrap();
    paced.sync().unwrap();
    assert_eq!(paced.unsynced_bytes(), 0);
    assert!(std::fs::read(&path).unwrap() == *BLOB);

    let file = DiskFile::reading(std::fs::File::open(&path).unwrap());
    for (offset, length) in [(0, 2 * MIB), (512, 2 * MIB), (4097, MIB), (40 * MIB, 3 * MIB), (BLOB.len(), 5), (7, 9)] {
        let mut buffer = vec![0; length];
        let end = BLOB.len().min(offset + length);
        assert_eq!(file.read_at(offset as u64, &mut buffer).unwrap(), end - offset);
        assert!(buffer[..end - offset] == BLOB[offset..end], "{offset} {length}");
    }
}
