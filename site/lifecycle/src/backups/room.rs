//! Space that backups, drills and restores need beside everything that is there: the same filesystem has etcd and the databases.

use jiff::Timestamp;
use landfall_backup::{Repository, Reserve, Retention};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_host::space::Space;

use super::error::unusable;
use crate::preflight::size;
use crate::room::{Demand, FilesystemPeak, peaks, reserve};

/// Refuses what takes so many bytes of the data folder, for `purpose`, if less than the reserve would then be free.
pub(crate) fn refuse_without_room(paths: &SitePaths, bytes: u64, purpose: &'static str) -> Result<(), StepError> {
    let space = Space { bytes, inodes: 0 };
    refuse(paths, &[Demand { folder: paths.data(), space, purpose }], purpose)
}

/// Refuses what has these demands, if a filesystem lacks the room.
pub(crate) fn refuse(paths: &SitePaths, demands: &[Demand], purpose: &str) -> Result<(), StepError> {
    refuse_lacking(&peaks(paths, &[demands.to_vec()])?, purpose)
}

/// Refuses what has these peaks, if a filesystem lacks the room.
pub(crate) fn refuse_lacking(peaks: &[FilesystemPeak], purpose: &str) -> Result<(), StepError> {
    let Some(lacking) = peaks.iter().find(|peak| !peak.fits()) else { return Ok(()) };
    let listed: Vec<String> =
        lacking.parts.iter().map(|part| format!("{} {}", size(part.bytes), part.purpose)).collect();
    let mut what = format!(
        "{purpose} needs {} bytes in {} ({}), where {} are free",
        lacking.needed_bytes,
        lacking.folder,
        listed.join(", "),
        lacking.free_bytes
    );
    if let Some(free) = lacking.free_inodes.filter(|free| *free < lacking.needed_inodes) {
        what = format!("{what}; it needs {} inodes, and {free} are free", lacking.needed_inodes);
    }
    Err(StepError::new(codes::BACKUP_NO_ROOM, what))
}

/// Where these demands lack room, old backups go: those that the retention does not keep, and unproven ones. Fails if that is not
/// enough. What was removed is gone from the disk when this returns.
pub(crate) fn make_room(
    paths: &SitePaths,
    repository: &Repository,
    retention: Retention,
    demands: &[Demand],
) -> Result<(), StepError> {
    if refuse(paths, demands, "a backup").is_err() {
        repository.make_room(retention, Timestamp::now()).map_err(unusable)?;
    }
    refuse(paths, demands, "a backup")
}

/// What backups leave free of the filesystem of the repository.
pub(super) fn reserve_of_backups(paths: &SitePaths) -> Result<Reserve, StepError> {
    let Space { bytes, inodes } = reserve(paths, &paths.backup_repository())?;
    Ok(Reserve { bytes, inodes })
}

#[cfg(test)]
mod tests {
    use landfall_backup::{BackupKind, NewBackup};
    use landfall_error_codes::Coded;
    use landfall_host::space::tree;

    use super::*;
    use crate::backups::BackupFolder;
    use crate::backups::folder::tests::host;

    #[test]
    fn what_does_not_fit_is_refused_beforehand() {
        let (_root, paths) = host();
        refuse_without_room(&paths, 0, "nothing").unwrap();
        let error = refuse_without_room(&paths, u64::MAX / 2, "a drill").unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_NO_ROOM);
        assert!(error.to_string().starts_with("a drill needs "), "{error}");
        let inodes = Space { bytes: 0, inodes: u64::MAX };
        let demand = Demand { folder: paths.data(), space: inodes, purpose: "for a drill" };
        let limited = landfall_host::space::FreeSpace::at(&paths.data()).unwrap().inodes.is_some();
        assert_eq!(refuse(&paths, &[demand], "a drill").is_err(), limited);
    }

    #[test]
    fn unproven_backups_make_room_for_the_next_one() {
        let (_root, paths) = host();
        let repository = BackupFolder::of(&paths).open_or_create().unwrap();
        // Words that neither compress nor repeat.
        let noise = |seed: u8| -> Vec<u8> {
            let word = |index: u64| {
                let mixed = (index + (u64::from(seed) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed ^ (mixed >> 27)
            };
            (0..1 << 17).map(word).flat_map(u64::to_le_bytes).collect()
        };
        for day in 1..4_u8 {
            let time = format!("2026-11-0{day}T12:00:00Z").parse().unwrap();
            let documents = vec![("data".parse().unwrap(), noise(day))];
            let (facts, streams) = (std::collections::BTreeMap::new(), Vec::new());
            repository.save(NewBackup { kind: BackupKind::Full, time, facts, streams, documents }).unwrap();
        }
        let demands = |bytes| {
            let space = Space { bytes, inodes: 0 };
            [Demand { folder: paths.backup_repository(), space, purpose: "for a backup" }]
        };
        let before = tree(repository.folder()).unwrap().bytes;
        make_room(&paths, &repository, Retention::default(), &demands(1)).unwrap();
        assert_eq!(repository.backups().unwrap().len(), 3, "there is room");
        let error = make_room(&paths, &repository, Retention::default(), &demands(u64::MAX / 2)).unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_NO_ROOM);
        assert_eq!(repository.backups().unwrap().len(), 1, "the newest stays");
        assert!(tree(repository.folder()).unwrap().bytes + (1 << 20) < before, "at once");
    }
}
