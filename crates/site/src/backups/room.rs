//! Space for backups, drills and restores in addition to existing data: etcd and the databases share the filesystem.

use std::path::Path;

use landfall_backup::{BackupError, Repository, Reserve, Retention};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_host::space::{self, FreeSpace, Space};
use landfall_media::progress::{Event, Progress};

use super::error::unusable;
use crate::room::{Demand, FilesystemPeak, peaks, reserve, size};

/// Fails if a filesystem lacks the space for these demands.
pub fn refuse(paths: &SitePaths, demands: &[Demand], purpose: &str) -> Result<(), StepError> {
    refuse_lacking(&peaks(paths, &[demands.to_vec()])?, purpose)
}

/// Fails if a filesystem lacks the space for these peaks.
pub fn refuse_lacking(peaks: &[FilesystemPeak], purpose: &str) -> Result<(), StepError> {
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

/// Removes old backups beyond the retention, and unproven ones, if their space is needed for these demands. Fails if
/// that is not enough. Removed backups are reported, and gone from the disk on return.
pub(crate) fn make_room(
    paths: &SitePaths,
    repository: &Repository,
    retention: Retention,
    demands: &[Demand],
    progress: &dyn Progress,
) -> Result<(), StepError> {
    let found = peaks(paths, &[demands.to_vec()])?;
    let held = space::tree(repository.folder())?;
    let own = FreeSpace::at(repository.folder())?.device;
    let is_own = |peak: &FilesystemPeak| FreeSpace::at(Path::new(&peak.folder)).is_ok_and(|free| free.device == own);
    if can_help(&found, is_own, held) {
        drop_old(repository, retention, progress)?;
    }
    refuse(paths, demands, "a backup")
}

/// Returns true if only the repository's filesystem lacks space, and no more than the repository holds.
fn can_help(found: &[FilesystemPeak], is_own: impl Fn(&FilesystemPeak) -> bool, held: Space) -> bool {
    let mut lacking = found.iter().filter(|peak| !peak.fits()).peekable();
    lacking.peek().is_some()
        && lacking.all(|peak| {
            let inodes = peak.free_inodes.map_or(0, |free| peak.needed_inodes.saturating_sub(free));
            is_own(peak) && peak.needed_bytes.saturating_sub(peak.free_bytes) <= held.bytes && inodes <= held.inodes
        })
}

/// Removes backups beyond the retention, and unproven ones. Removed backups are reported even if their data was not
/// freed.
fn drop_old(repository: &Repository, retention: Retention, progress: &dyn Progress) -> Result<(), StepError> {
    let made = repository.make_room(retention);
    let dropped = match &made {
        Ok(dropped) | Err(BackupError::NotFreed { dropped, .. }) => dropped.as_slice(),
        Err(_) => &[],
    };
    if !dropped.is_empty() {
        let times: Vec<String> = dropped.iter().map(|backup| backup.time.to_string()).collect();
        let text = format!("to make room for a backup, the backups of {} were removed", times.join(", "));
        progress.event(Event::Note(text));
    }
    made.map(drop).map_err(unusable)
}

/// Returns the space that backups leave free on the repository's filesystem.
pub(super) fn reserve_of_backups(paths: &SitePaths) -> Result<Reserve, StepError> {
    let Space { bytes, inodes } = reserve(paths, &paths.backup_repository())?;
    Ok(Reserve { bytes, inodes })
}

#[cfg(test)]
mod tests {
    use landfall_backup::{BackupKind, NewBackup};
    use landfall_error_codes::CodedError;
    use landfall_host::space::tree;

    use super::*;
    use crate::backups::BackupFolder;
    use crate::backups::folder::tests::host;
    use crate::testing::Notes;

    #[test]
    fn demand_beyond_free_space_is_refused() {
        let (_root, paths) = host();
        let drill = |bytes| {
            let demand = Demand { folder: paths.data(), space: Space { bytes, inodes: 0 }, purpose: "for a drill" };
            refuse(&paths, &[demand], "a drill")
        };
        drill(0).unwrap();
        let error = drill(u64::MAX / 2).unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_NO_ROOM);
        assert!(error.to_string().starts_with("a drill needs "), "{error}");
        let inodes = Space { bytes: 0, inodes: u64::MAX };
        let demand = Demand { folder: paths.data(), space: inodes, purpose: "for a drill" };
        let limited = landfall_host::space::FreeSpace::at(&paths.data()).unwrap().inodes.is_some();
        let refused = refuse(&paths, &[demand], "a drill").err().map(|error| error.code());
        assert_eq!(refused, limited.then_some(codes::BACKUP_NO_ROOM));
    }

    #[test]
    fn backups_go_only_if_it_helps() {
        let peak = |folder: &str, needed_bytes: u64, needed_inodes: u64| FilesystemPeak {
            folder: folder.to_owned(),
            needed_bytes,
            free_bytes: 10,
            needed_inodes,
            free_inodes: Some(10),
            parts: Vec::new(),
        };
        let held = Space { bytes: 5, inodes: 2 };
        let helps = |found: &[FilesystemPeak]| can_help(found, |peak| peak.folder == "backups", held);
        assert!(helps(&[peak("backups", 15, 12), peak("data", 10, 10)]));
        assert!(!helps(&[peak("backups", 10, 10)]), "there is room");
        assert!(!helps(&[peak("backups", 16, 0)]) && !helps(&[peak("backups", 0, 13)]), "more lacks than it holds");
        assert!(!helps(&[peak("backups", 11, 0), peak("data", 11, 0)]), "the other one lacks room in any case");
    }

    #[test]
    fn unproven_backups_make_room() {
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
        let notes = Notes::default();
        make_room(&paths, &repository, Retention::default(), &demands(1), &notes).unwrap();
        assert_eq!(repository.backups().unwrap().len(), 3, "there is room");
        let error = make_room(&paths, &repository, Retention::default(), &demands(u64::MAX / 2), &notes).unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_NO_ROOM);
        assert_eq!(repository.backups().unwrap().len(), 3, "all of them take less than what is missing");
        assert!(notes.0.lock().unwrap().is_empty());
        drop_old(&repository, Retention::default(), &notes).unwrap();
        assert_eq!(repository.backups().unwrap().len(), 1, "the newest stays");
        let reported = notes.0.lock().unwrap().concat();
        assert!(reported.contains("2026-11-01T12:00:00Z, 2026-11-02T12:00:00Z were removed"), "{reported}");
        assert!(tree(repository.folder()).unwrap().bytes + (1 << 20) < before, "at once");
    }
}
