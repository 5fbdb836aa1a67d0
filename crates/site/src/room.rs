//! Space on filesystems: an operation's peak, the reserve that always stays free, and a guard during writes.
//!
//! The data folder's filesystem holds etcd and the databases, which fail when it is full. Landfall's writes there may
//! therefore never use the reserve, even if an estimate was too low.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::space::{FreeSpace, Space};
use schemars::JsonSchema;
use serde::Serialize;

/// Path of the data folder.
pub const DATA: &str = "/var/lib/landfall";

/// Free space in bytes below which the kubelet evicts pods; it is added to the need.
pub const EVICTION_BYTES: u64 = 1 << 30;

/// Reserve of the data folder's filesystem. The kubelet evicts pods below its own reserve, and databases continue to
/// write while an operation is stopped.
const DATA_RESERVE: Space = Space { bytes: EVICTION_BYTES + (256 << 20), inodes: 20_000 };

/// Reserve of a disk with only backups, for their lists.
const BACKUPS_RESERVE: Space = Space { bytes: 64 << 20, inodes: 256 };

/// Bytes between two checks of a filesystem.
const LOOK_BYTES: u64 = 16 << 20;

/// A planned write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Folder of the write.
    pub folder: PathBuf,
    /// Size of the write.
    pub space: Space,
    /// Purpose, such as `for a backup`.
    pub purpose: &'static str,
}

/// Peak use of one filesystem by an operation, in addition to existing data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemPeak {
    /// Folder on it that is written to.
    pub folder: String,
    /// Required free bytes, including the reserve.
    pub needed_bytes: u64,
    /// Free bytes.
    pub free_bytes: u64,
    /// Required free inodes, including the reserve.
    pub needed_inodes: u64,
    /// Number of free inodes; null if the filesystem creates them as needed.
    pub free_inodes: Option<u64>,
    /// Purposes of the bytes.
    pub parts: Vec<PeakPart>,
}

/// Part of the required space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PeakPart {
    /// Purpose, as in `for a backup`.
    pub purpose: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl FilesystemPeak {
    /// Returns true if the needed space is free.
    pub fn fits(&self) -> bool {
        self.needed_bytes <= self.free_bytes && self.free_inodes.is_none_or(|free| self.needed_inodes <= free)
    }
}

/// Formats bytes for people.
pub fn size(bytes: u64) -> String {
    const GIBIBYTE: u64 = 1 << 30;
    const MEBIBYTE: u64 = 1 << 20;
    if bytes < GIBIBYTE {
        return format!("{} MiB", bytes / MEBIBYTE);
    }
    format!("{}.{} GiB", bytes / GIBIBYTE, bytes % GIBIBYTE * 10 / GIBIBYTE)
}

/// Returns the reserve of this folder's filesystem.
pub fn reserve(paths: &SitePaths, folder: &Path) -> Result<Space, StepError> {
    let (data, own) = (FreeSpace::at(&paths.data())?, FreeSpace::at(folder)?);
    Ok(if data.device == own.device { DATA_RESERVE } else { BACKUPS_RESERVE })
}

/// Returns an operation's peak on each filesystem. Each phase lists all demands that exist at the same time. The
/// filesystem of the first demand comes first.
pub fn peaks(paths: &SitePaths, phases: &[Vec<Demand>]) -> Result<Vec<FilesystemPeak>, StepError> {
    let mut found: Vec<(FreeSpace, FilesystemPeak)> = Vec::new();
    for phase in phases {
        for (free, peak) in of_phase(paths, phase)? {
            match found.iter_mut().find(|(known, _)| known.device == free.device) {
                None => found.push((free, peak)),
                Some((_, known)) => {
                    let needed_inodes = known.needed_inodes.max(peak.needed_inodes);
                    let larger = if peak.needed_bytes > known.needed_bytes { peak } else { known.clone() };
                    *known = FilesystemPeak { needed_inodes, folder: known.folder.clone(), ..larger };
                }
            }
        }
    }
    Ok(found.into_iter().map(|(_, peak)| peak).collect())
}

fn of_phase(paths: &SitePaths, demands: &[Demand]) -> Result<Vec<(FreeSpace, FilesystemPeak)>, StepError> {
    let mut found: Vec<(FreeSpace, Space, Vec<&Demand>)> = Vec::new();
    for demand in demands.iter().filter(|demand| demand.space != Space::default()) {
        let free = FreeSpace::at(&demand.folder)?;
        match found.iter_mut().find(|(known, ..)| known.device == free.device) {
            Some((_, _, known)) => known.push(demand),
            None => found.push((free, reserve(paths, &demand.folder)?, vec![demand])),
        }
    }
    let peak = |(free, kept, demands): (FreeSpace, Space, Vec<&Demand>)| {
        let needed = demands.iter().fold(kept, |sum, demand| sum.plus(demand.space));
        let part = |purpose: &str, bytes| PeakPart { purpose: purpose.to_owned(), bytes };
        let parts = demands.iter().map(|demand| part(demand.purpose, demand.space.bytes));
        let peak = FilesystemPeak {
            folder: demands[0].folder.display().to_string(),
            needed_bytes: needed.bytes,
            free_bytes: free.bytes,
            needed_inodes: needed.inodes,
            free_inodes: free.inodes,
            parts: parts.filter(|part| part.bytes > 0).chain([part("that stays free", kept.bytes)]).collect(),
        };
        (free, peak)
    };
    Ok(found.into_iter().map(peak).collect())
}

/// Reason for stopping a write that would have filled its filesystem.
#[derive(Debug, thiserror::Error)]
#[error("{free_bytes} bytes are free in {}, and {} must stay free", folder.display(), reserve.bytes)]
struct OutOfRoom {
    folder: PathBuf,
    free_bytes: u64,
    reserve: Space,
}

/// Returns true if a [`GuardedReader`] reader failed because space ran out.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<OutOfRoom>)
}

/// A reader whose data is written to a filesystem: it fails with an inner `OutOfRoom` when the reserve is reached.
pub struct GuardedReader<R> {
    from: R,
    folder: PathBuf,
    reserve: Space,
    unseen_bytes: u64,
}

impl<R> GuardedReader<R> {
    /// Guards the filesystem of this folder.
    pub(crate) fn new(from: R, folder: PathBuf, reserve: Space) -> Self {
        Self { from, folder, reserve, unseen_bytes: LOOK_BYTES }
    }

    fn look(&mut self) -> io::Result<()> {
        let free = FreeSpace::at(&self.folder).map_err(io::Error::other)?;
        if free.has(self.reserve) {
            self.unseen_bytes = 0;
            return Ok(());
        }
        let (folder, reserve) = (self.folder.clone(), self.reserve);
        Err(io::Error::other(OutOfRoom { folder, free_bytes: free.bytes, reserve }))
    }
}

impl<R: Read> Read for GuardedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unseen_bytes >= LOOK_BYTES {
            self.look()?;
        }
        let read = self.from.read(buffer)?;
        self.unseen_bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;
    use crate::testing::other_disk;

    fn demand(folder: &Path, bytes: u64, purpose: &'static str) -> Demand {
        Demand { folder: folder.to_owned(), space: Space { bytes, inodes: 1 }, purpose }
    }

    #[test]
    fn peak_is_the_largest_phase() {
        let (root, disk) = (tempfile::tempdir().unwrap(), other_disk());
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        let (data, backups) = (paths.data(), disk.path());
        let phases = [
            vec![demand(&data, 10, "for one"), demand(&data, 20, "for another"), demand(backups, 7, "for a backup")],
            vec![demand(&paths.storage(), 25, "for a third"), demand(backups, 7, "for a backup")],
            vec![demand(&data, 0, "for nothing")],
        ];
        let found = peaks(&paths, &phases).unwrap();
        let shown: Vec<(&str, u64)> = found.iter().map(|peak| (peak.folder.as_str(), peak.needed_bytes)).collect();
        let expected =
            [(data.to_str().unwrap(), DATA_RESERVE.bytes + 30), (backups.to_str().unwrap(), BACKUPS_RESERVE.bytes + 7)];
        assert_eq!(shown, expected);
        let parts: Vec<(&str, u64)> = found[0].parts.iter().map(|part| (part.purpose.as_str(), part.bytes)).collect();
        assert_eq!(parts, [("for one", 10), ("for another", 20), ("that stays free", DATA_RESERVE.bytes)]);
        assert_eq!(found[0].needed_inodes, DATA_RESERVE.inodes + 2);
        let lacking = FilesystemPeak { free_bytes: found[0].needed_bytes - 1, ..found[0].clone() };
        let fitting = FilesystemPeak { free_bytes: found[0].needed_bytes, free_inodes: None, ..found[0].clone() };
        let crowded = FilesystemPeak { free_inodes: Some(0), ..fitting.clone() };
        assert_eq!([&lacking, &fitting, &crowded].map(FilesystemPeak::fits), [false, true, false]);
    }

    #[test]
    fn guarded_reader_stops_at_reserve() {
        let disk = tempfile::tempdir_in("/dev/shm").unwrap();
        let read = |reserve: Space| {
            let mut guarded = GuardedReader::new(&b"rows"[..], disk.path().join("not-there"), reserve);
            let mut bytes = Vec::new();
            guarded.read_to_end(&mut bytes).map(|_| bytes)
        };
        assert_eq!(read(Space { bytes: 1, inodes: 0 }).unwrap(), b"rows");
        let error = read(Space { bytes: u64::MAX, inodes: 0 }).unwrap_err();
        assert!(is_out_of_room(&error), "{error}");
    }
}
