//! Power cuts at every edge of an operation that changes a repository: before the first act on the disk, between any
//! two, and after the last. Whatever the fate of unsynced data, the repository opens, valid backups restore, and the
//! operation succeeds when repeated.

use std::path::PathBuf;

use jiff::Span;
use landfall_media::mounted::on_tmpfs;
use landfall_media::power::{Fate, PowerCutState, Recording};
use landfall_progress::SilentProgress;

use super::*;
use crate::{Proof, Retention};

const FATES: [Fate; 5] = [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Mixed(1), Fate::Mixed(2)];

const DAYS: [&str; 3] = ["2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"];

const NOW: &str = "2026-11-22T00:00:00Z";

const ONE: Retention = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };

/// A disk with a repository, and room for one with copies.
struct Disk {
    folder: PathBuf,
    key: RepositoryKey,
}

impl Disk {
    fn new(tmpfs: &Path) -> Self {
        let (folder, key) = (tmpfs.join("disk"), new_key());
        Repository::create(&folder.join("backups"), SITE, &key).unwrap();
        Self { folder, key }
    }

    fn backups(&self) -> Repository {
        Repository::open(&self.folder.join("backups"), SITE, &self.key).unwrap()
    }

    fn copies(&self) -> Repository {
        Repository::open(&self.folder.join("copies"), SITE, &self.key).unwrap()
    }

    /// Runs the operation, and examines every state that a power cut may leave. Returns their number.
    fn cut(self, operation: impl Fn(&Self), look: impl Fn(&Self, &PowerCutState)) -> usize {
        let check = |disk: &Self| assert_eq!(disk.backups().check(&SilentProgress).unwrap(), []);
        self.cut_with(operation, look, check)
    }

    /// Like [`Self::cut`], with a condition that holds after the operation was repeated. Restores the disk at the end.
    fn cut_with(
        &self,
        operation: impl Fn(&Self),
        look: impl Fn(&Self, &PowerCutState),
        repeated: impl Fn(&Self),
    ) -> usize {
        let recording = Recording::begin(&self.folder).unwrap();
        operation(self);
        let states = recording.end(&FATES);
        let last = states.iter().map(|left| left.edge).max().unwrap();
        assert!(last > 8, "there are more edges than {last}");
        std::fs::remove_dir_all(&self.folder).unwrap();
        for left in &states {
            left.place(&self.folder).unwrap();
            look(self, left);
            // The operation is repeated, as the next night or a user would.
            operation(self);
            repeated(self);
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
        states.iter().find(|left| left.edge == 0).unwrap().place(&self.folder).unwrap();
        states.len()
    }
}

fn cut_name(left: &PowerCutState) -> String {
    format!("{} acts, {:?}", left.edge, left.fate)
}

fn data(day: usize) -> Vec<u8> {
    // Data that several days share is stored once.
    [random(60, MIB / 2), random(61 + day as u64, MIB / 2)].concat()
}

fn save_day(repository: &Repository, day: usize) -> Backup {
    save(repository, DAYS[day], &[("database", &data(day)), ("globals", b"roles")]).unwrap()
}

fn prove(repository: &Repository, backup: &Backup) -> Backup {
    repository.mark_proven(backup.id, Proof { time: time(NOW), report: "restored".to_owned() }).unwrap()
}

/// Checks that every listed backup can be read completely, and that the check finds nothing. Returns the existing days.
fn days(repository: &Repository, left: &PowerCutState) -> Vec<usize> {
    assert_eq!(repository.check(&SilentProgress).unwrap(), [], "after {}", cut_name(left));
    let day_of = |backup: Backup| {
        let day = DAYS.iter().position(|day| time(day) == backup.time).unwrap();
        assert!(read(repository, backup.id, "database").unwrap() == data(day), "day {day} after {}", cut_name(left));
        day
    };
    repository.backups().unwrap().into_iter().map(day_of).collect()
}

#[test]
fn cut_backup_keeps_older_ones() {
    let test = "tests::power_cuts::cut_backup_keeps_older_ones";
    let Some(tmpfs) = on_tmpfs(test, "size=256m") else { return };
    let disk = Disk::new(&tmpfs);
    let first = prove(&disk.backups(), &save_day(&disk.backups(), 0));
    let states = disk.cut(
        |disk| {
            let made = save_day(&disk.backups(), 1);
            prove(&disk.backups(), &made);
        },
        |disk, left| {
            let found = days(&disk.backups(), left);
            assert!(found == [0] || found == [0, 1], "{found:?} after {}", cut_name(left));
            assert_eq!(disk.backups().backups().unwrap()[0], first, "after {}", cut_name(left));
        },
    );
    assert!(states > 40, "{states}");
}

#[test]
fn cut_expiry_keeps_retained_backups() {
    let test = "tests::power_cuts::cut_expiry_keeps_retained_backups";
    let Some(tmpfs) = on_tmpfs(test, "size=256m") else { return };
    let disk = Disk::new(&tmpfs);
    for day in 0..DAYS.len() {
        let made = save_day(&disk.backups(), day);
        if day == 1 {
            prove(&disk.backups(), &made);
        }
    }
    let states = disk.cut(
        |disk| {
            // Unneeded data is marked, and removed by a later run.
            for readers in [Span::new().hours(23), Span::new()] {
                disk.backups().forget_beside_readers(ONE, readers).unwrap();
            }
            let left: Vec<_> = disk.backups().backups().unwrap().iter().map(|backup| backup.time).collect();
            assert_eq!(left, [time(DAYS[1]), time(DAYS[2])]);
        },
        |disk, left| {
            let found = days(&disk.backups(), left);
            assert!(found == [0, 1, 2] || found == [1, 2], "{found:?} after {}", cut_name(left));
        },
    );
    assert!(states > 20, "{states}");
}

#[test]
fn cut_cleanup_keeps_needed_backups() {
    let test = "tests::power_cuts::cut_cleanup_keeps_needed_backups";
    let Some(tmpfs) = on_tmpfs(test, "size=256m") else { return };
    let disk = Disk::new(&tmpfs);
    for day in 0..DAYS.len() {
        save_day(&disk.backups(), day);
    }
    prove(&disk.backups(), &disk.backups().backups().unwrap()[1]);
    let states = disk.cut(
        |disk| drop(disk.backups().make_room(Retention::default()).unwrap()),
        |disk, left| {
            let found = days(&disk.backups(), left);
            assert!(found == [0, 1, 2] || found == [1, 2], "{found:?} after {}", cut_name(left));
        },
    );
    assert!(states > 20, "{states}");
}

#[test]
fn cut_copy_keeps_both_sides() {
    let test = "tests::power_cuts::cut_copy_keeps_both_sides";
    let Some(tmpfs) = on_tmpfs(test, "size=256m") else { return };
    let disk = Disk::new(&tmpfs);
    Repository::create(&disk.folder.join("copies"), SITE, &disk.key).unwrap();
    let made: Vec<Backup> = (0..2).map(|day| prove(&disk.backups(), &save_day(&disk.backups(), day))).collect();
    disk.backups().copy_to(made[0].id, &disk.copies()).unwrap();
    let states = disk.cut(
        |disk| {
            disk.backups().copy_to(made[1].id, &disk.copies()).unwrap();
            assert_eq!(disk.copies().backups().unwrap(), made);
            assert_eq!(disk.copies().check(&SilentProgress).unwrap(), []);
        },
        |disk, left| {
            assert_eq!(days(&disk.backups(), left), [0, 1]);
            let found = days(&disk.copies(), left);
            assert!(found == [0] || found == [0, 1], "{found:?} after {}", cut_name(left));
        },
    );
    assert!(states > 20, "{states}");
}

#[test]
fn cut_key_exchange_keeps_a_key() {
    let test = "tests::power_cuts::cut_key_exchange_keeps_a_key";
    let Some(tmpfs) = on_tmpfs(test, "size=256m") else { return };
    let (disk, new) = (Disk::new(&tmpfs), new_key());
    save_day(&disk.backups(), 0);
    let open = |disk: &Disk, key: &RepositoryKey| Repository::open(&disk.folder.join("backups"), SITE, key);
    let is_refused = |disk: &Disk, key: &RepositoryKey| matches!(open(disk, key), Err(BackupError::WrongKey(_)));
    // The first half, during which both keys open it.
    let admit = |disk: &Disk| disk.backups().admit(&new).unwrap();
    let states = disk.cut_with(
        admit,
        |disk, left| assert_eq!(days(&disk.backups(), left), [0], "the previous key opens it after {}", cut_name(left)),
        |disk| assert_eq!(open(disk, &new).unwrap().check(&SilentProgress).unwrap(), []),
    );
    assert!(states > 15, "{states}");
    // The second half, after which only the new key opens it.
    disk.backups().admit(&new).unwrap();
    let states = disk.cut_with(
        |disk| {
            let others = open(disk, &new).unwrap().shut_out(std::slice::from_ref(&disk.key)).unwrap();
            assert_eq!(others, 0);
        },
        |disk, left| {
            assert_eq!(days(&open(disk, &new).unwrap(), left), [0], "the new key opens it after {}", cut_name(left));
        },
        |disk| assert!(is_refused(disk, &disk.key) && !is_refused(disk, &new)),
    );
    assert!(states > 10, "{states}");
}
