//! Speed of the data folder's disk and of the processor, measured in about two seconds. Written files have no name in
//! any folder, and are gone when the measurement ends, however it ends.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, Mode, OFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::host::nearest;
use crate::paths::SitePaths;

/// Maximum number of bytes written and read back.
const SAMPLE_BYTES: u64 = 64 << 20;

/// Bytes made durable together: a slow disk is given little more than it completes in time.
const SLICE_BYTES: usize = 4 << 20;

/// Bytes of a synced write, similar to one of etcd's.
const RECORD_BYTES: usize = 4 << 10;

/// Maximum number of synced writes.
const RECORDS: u64 = 200;

/// Minimum number of synced writes that allows a statement about the slowest ones.
const FEWEST_RECORDS: usize = 20;

/// Bytes that must be free, so that no other program runs out of space: the kubelet's eviction threshold, the
/// databases' working space, and the sample.
const FREE_BYTES: u64 = (1 << 30) + (256 << 20) + SAMPLE_BYTES;

/// Time limit for writes, and for synced writes, not counting the last one.
const WRITING: Duration = Duration::from_millis(600);

/// Time limit for reads.
const READING: Duration = Duration::from_millis(300);

/// Duration of the hash measurement.
const HASHING: Duration = Duration::from_millis(100);

/// Measured speeds of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Speeds {
    /// Bytes per second written durably to the data folder's filesystem.
    pub write_bytes_per_second: u64,
    /// Bytes per second read back from it.
    pub read_bytes_per_second: u64,
    /// Bytes per second for which one core computes SHA-256.
    pub hash_bytes_per_second: u64,
    /// 99th percentile of the duration of synced writes of 4 KiB, in microseconds.
    pub sync_p99_micros: u64,
}

/// Measures the speeds; `None` if nothing can be written, as for a user without permission. Leaves nothing on the disk.
pub(super) fn measure(paths: &SitePaths) -> Option<Speeds> {
    let folder = nearest(&paths.data());
    let free = rustix::fs::statvfs(&folder).ok()?;
    if free.f_bavail.saturating_mul(free.f_frsize) < FREE_BYTES {
        return None;
    }
    let file = open_unnamed(&folder)?;
    let slice = noise();
    let written = write(&file, &slice)?;
    let read = read_back(&file, written.bytes)?;
    let sync_p99_micros = sync(&file, &slice[..RECORD_BYTES])?;
    let hashed = hash(&slice);
    Some(Speeds {
        write_bytes_per_second: written.rate(),
        read_bytes_per_second: read.rate(),
        hash_bytes_per_second: hashed.rate(),
        sync_p99_micros,
    })
}

/// Bytes moved, and the time it took.
struct Transfer {
    bytes: u64,
    took: Duration,
}

impl Transfer {
    /// Returns the bytes per second.
    fn rate(&self) -> u64 {
        let nanoseconds = self.took.as_nanos().max(1);
        u64::try_from(u128::from(self.bytes) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
    }
}

/// Opens a file without a name in any folder.
fn open_unnamed(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

/// Returns incompressible bytes.
fn noise() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLICE_BYTES);
    let mut block: [u8; 32] = Sha256::digest(b"landfall").into();
    while bytes.len() < SLICE_BYTES {
        block = Sha256::digest(block).into();
        bytes.extend_from_slice(&block);
    }
    bytes
}

fn write(file: &File, slice: &[u8]) -> Option<Transfer> {
    let begun = Instant::now();
    let mut bytes = 0;
    while bytes < SAMPLE_BYTES && begun.elapsed() < WRITING {
        file.write_all_at(slice, bytes).ok()?;
        file.sync_data().ok()?;
        bytes += slice.len() as u64;
    }
    Some(Transfer { bytes, took: begun.elapsed() })
}

fn read_back(file: &File, written: u64) -> Option<Transfer> {
    // Without this, the page cache would be measured.
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).ok()?;
    let mut buffer = vec![0; SLICE_BYTES];
    let begun = Instant::now();
    let mut bytes = 0;
    while bytes < written && begun.elapsed() < READING {
        let read = file.read_at(&mut buffer, bytes).ok().filter(|read| *read > 0)?;
        bytes += read as u64;
    }
    Some(Transfer { bytes, took: begun.elapsed() })
}

/// Returns the 99th percentile of synced writes, in microseconds. Each one appends to the file, as a log does.
fn sync(file: &File, record: &[u8]) -> Option<u64> {
    let end = file.metadata().ok()?.len();
    let begun = Instant::now();
    let mut took = Vec::new();
    for index in 0..RECORDS {
        let one = Instant::now();
        file.write_all_at(record, end + index * record.len() as u64).ok()?;
        file.sync_data().ok()?;
        took.push(one.elapsed());
        if begun.elapsed() > WRITING && took.len() >= FEWEST_RECORDS {
            break;
        }
        // On a disk this slow, a few records are enough.
        if begun.elapsed() > 2 * WRITING {
            break;
        }
    }
    took.sort_unstable();
    let slow = took.get((took.len() * 99).div_ceil(100).saturating_sub(1))?;
    Some(u64::try_from(slow.as_micros()).unwrap_or(u64::MAX))
}

fn hash(slice: &[u8]) -> Transfer {
    let begun = Instant::now();
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while begun.elapsed() < HASHING {
        for part in slice.chunks(1 << 20) {
            hasher.update(part);
            bytes += part.len() as u64;
        }
    }
    let _digest = hasher.finalize();
    Transfer { bytes, took: begun.elapsed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_measurement_leaves_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        fs_err::create_dir_all(paths.data()).unwrap();
        let begun = Instant::now();
        let speeds = measure(&paths).expect("a folder in which files can be made");
        // Slices and synced writes may be late on a busy disk.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let Speeds { write_bytes_per_second, read_bytes_per_second, hash_bytes_per_second, sync_p99_micros } = speeds;
        assert!(write_bytes_per_second > 1000 && read_bytes_per_second > 1000, "{speeds:?}");
        assert!(hash_bytes_per_second > 1 << 20 && sync_p99_micros > 0, "{speeds:?}");
        assert_eq!(fs_err::read_dir(paths.data()).unwrap().count(), 0);
    }

    #[test]
    fn unwritable_folder_has_no_speeds() {
        // `/proc` is not a disk, and does not accept files.
        assert_eq!(measure(&SitePaths::below("/proc/self/nothing")), None);
    }

    #[test]
    fn rate_is_bytes_per_second() {
        let moved = |bytes, millis| Transfer { bytes, took: Duration::from_millis(millis) }.rate();
        assert_eq!([moved(10 << 20, 500), moved(0, 7), moved(5, 0)], [20 << 20, 0, 5_000_000_000]);
    }
}
