//! Tests of full and read-only disks, and of states after a power cut.

use landfall_error_codes::{CodedError, codes};
use landfall_media::durable;
use landfall_media::mounted::on_tmpfs;
use landfall_progress::SilentProgress;

use super::*;
use crate::Reserve;
use crate::ledger::{Ledger, LedgerState};

/// Returns a repository in this folder with one backup, and that backup's data.
fn with_older(folder: &Path) -> (Repository, Backup, Vec<u8>) {
    let repository = Repository::create(&folder.join("backups"), SITE, &new_key()).unwrap();
    let data = random(50, 3 * MIB);
    let older = save(&repository, "2026-11-20T12:00:00Z", &[("database", &data)]).unwrap();
    (repository, older, data)
}

fn assert_only_older(repository: &Repository, older: &Backup, data: &[u8]) {
    assert_eq!(repository.backups().unwrap(), std::slice::from_ref(older));
    assert!(read(repository, older.id, "database").unwrap() == data);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn full_disk_keeps_older_backups() {
    let test = "tests::interrupted::full_disk_keeps_older_backups";
    let Some(disk) = on_tmpfs(test, "size=128m") else { return };
    let (repository, older, data) = with_older(&disk);
    let new = random(51, 20 * MIB);
    let mut failures = 0;
    for free_kib in [0, 4, 8, 20, 40, 1000, 5000, 16_500, 16_600, 20_600, 20_900] {
        let filler = disk.join("filler");
        let file = durable::create_file(&filler, 0o600).unwrap();
        let free = rustix::fs::fstatvfs(&file).map(|stat| stat.f_bavail * stat.f_frsize).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free.saturating_sub(free_kib * 1024))
            .unwrap();
        if let Err(error) = save(&repository, "2026-11-21T12:00:00Z", &[("database", &new)]) {
            assert_eq!(error.code(), codes::NO_SPACE, "{free_kib} KiB: {error:?}");
            assert_only_older(&repository, &older, &data);
            failures += 1;
        }
        drop(file);
        std::fs::remove_file(&filler).unwrap();
        // The next attempt reuses nothing of the failed one, so that it fails in the same places.
        if repository.backups().unwrap().len() == 1 {
            repository.forget_beside_readers(crate::Retention::default(), jiff::Span::new()).unwrap();
        }
    }
    assert!(failures > 5, "{failures}");
    let saved = save(&repository, "2026-11-21T13:00:00Z", &[("database", &new)]).unwrap();
    assert!(read(&repository, saved.id, "database").unwrap() == new);
}

/// A stream that records the minimum of free disk space while it is read.
struct FreeSpaceProbe<'a> {
    bytes: Cursor<&'a [u8]>,
    disk: &'a Path,
    least_free_bytes: u64,
}

impl Read for FreeSpaceProbe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.least_free_bytes = self.least_free_bytes.min(free_bytes(self.disk));
        self.bytes.read(buffer)
    }
}

fn free_bytes(disk: &Path) -> u64 {
    rustix::fs::statvfs(disk).map(|stat| stat.f_bavail * stat.f_frsize).unwrap()
}

#[test]
fn backup_stops_at_reserve_without_leftovers() {
    let test = "tests::interrupted::backup_stops_at_reserve_without_leftovers";
    let Some(disk) = on_tmpfs(test, "size=192m") else { return };
    let (repository, older, data) = with_older(&disk);
    let before = free_bytes(&disk);
    let reserve = Reserve { bytes: before - 40 * MIB as u64, inodes: 0 };
    let repository = repository.with_reserve(reserve);
    let new = random(53, 120 * MIB);
    let mut probe = FreeSpaceProbe { bytes: Cursor::new(&new), disk: &disk, least_free_bytes: u64::MAX };
    let stopped = repository.save(NewBackup {
        kind: BackupKind::Full,
        time: time("2026-11-21T12:00:00Z"),
        facts: facts("1.1.0"),
        streams: vec![(name("database"), &mut probe)],
        documents: Vec::new(),
    });
    assert_eq!(stopped.unwrap_err().code(), codes::BACKUP_STOPPED);
    // Index files are written however little space is free.
    assert!(probe.least_free_bytes + MIB as u64 >= reserve.bytes, "{} {reserve:?}", probe.least_free_bytes);
    assert!(probe.least_free_bytes < before - 10 * MIB as u64, "it began to write");
    assert_only_older(&repository, &older, &data);
    assert!(free_bytes(&disk) + MIB as u64 > before, "{} {before}", free_bytes(&disk));
    let saved = save(&repository, "2026-11-21T13:00:00Z", &[("database", &new[..20 * MIB])]).unwrap();
    assert!(read(&repository, saved.id, "database").unwrap() == new[..20 * MIB]);
    let crowded = repository.with_reserve(Reserve { bytes: 0, inodes: u64::MAX });
    let error = save(&crowded, "2026-11-21T14:00:00Z", &[("database", b"rows")]).unwrap_err();
    assert_eq!(error.code(), codes::BACKUP_STOPPED);
}

#[test]
fn read_only_folder_stays_readable() {
    let test = "tests::interrupted::read_only_folder_stays_readable";
    let Some(disk) = on_tmpfs(test, "size=32m") else { return };
    let (repository, older, data) = with_older(&disk);
    let mounted = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap();
    assert!(mounted.success());
    let error = save(&repository, "2026-11-21T12:00:00Z", &[("database", b"rows")]).unwrap_err();
    assert_eq!(error.code(), codes::MEDIA_IO, "{error:?}");
    assert_eq!(repository.forget(crate::Retention::default()).unwrap_err().code(), codes::MEDIA_IO);
    assert_only_older(&repository, &older, &data);
}

/// State after a power cut before the snapshot was written: its data is stored, and nothing names it.
#[test]
fn unfinished_backup_leftovers_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (repository, older, data) = with_older(folder.path());
    let root = repository.folder();
    let LedgerState::Ledger(mut ledger) = Ledger::read(&**repository.store()).unwrap() else { panic!("no ledger") };
    let new = random(52, 5 * MIB);
    let cut = save(&repository, "2026-11-21T12:00:00Z", &[("database", &new)]).unwrap();
    std::fs::remove_file(root.join("snapshots").join(cut.id.to_string())).unwrap();
    ledger.indexes = None;
    ledger.write(&**repository.store()).unwrap();
    let temporary = root.join(format!("data/0f/.{}.landfall-temporary", "0f".repeat(32)));
    durable::write_file(&temporary, b"half a pack", 0o600).unwrap();
    assert_only_older(&repository, &older, &data);

    let before = stored_bytes(root);
    let saved = save(&repository, "2026-11-21T13:00:00Z", &[("database", &new)]).unwrap();
    assert!(!temporary.exists());
    assert!(stored_bytes(root) - before < MIB as u64, "the data was stored twice");
    assert!(read(&repository, saved.id, "database").unwrap() == new);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
}

/// State after a power cut during a mark: both snapshots exist.
#[test]
fn interrupted_mark_leaves_one_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (repository, older, data) = with_older(folder.path());
    let path = repository.folder().join("snapshots").join(older.id.to_string());
    let unmarked = std::fs::read(&path).unwrap();
    let proof = crate::Proof { time: older.time, report: "restored".into() };
    let marked = repository.mark_proven(older.id, proof).unwrap();
    durable::write_file(&path, &unmarked, 0o600).unwrap();
    assert_only_older(&repository, &marked, &data);
    let forgotten = repository.forget(crate::Retention::default()).unwrap();
    assert_eq!(forgotten.dropped, []);
    assert!(!path.exists());
    assert_only_older(&repository, &marked, &data);
}
