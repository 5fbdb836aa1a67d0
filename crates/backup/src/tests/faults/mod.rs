//! Faults of the disk below a repository, or below its copies, at any call of an operation that changes or checks one.
//! Each is an error with a code, or is repaired; reported successes are real, and the other repository loses nothing.

mod failing;

use std::collections::BTreeMap;
use std::sync::Arc;

use failing::{FailingDisk, Fault, PlannedFault, return_files};
use jiff::Span;
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_progress::SilentProgress;
use rand::RngExt as _;

use super::*;
use crate::store::Place;
use crate::{Proof, Retention, open_damaged};

const DAYS: [&str; 4] =
    ["2026-11-18T12:00:00Z", "2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"];

const NOW: &str = "2026-11-22T00:00:00Z";

const ONE: Retention = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };

/// Number of faults tried for each operation.
const FAULTS: u64 = 40;

fn data(day: usize) -> Vec<u8> {
    // Data that several days share is stored once.
    [random(160, 150_000), random(161 + day as u64, 90_000)].concat()
}

fn save_day(repository: &Repository, day: usize) -> Result<Backup> {
    save(repository, DAYS[day], &[("database", &data(day)), ("globals", b"roles")])
}

fn proof() -> Proof {
    Proof { time: time(NOW), report: "restored".to_owned() }
}

type Files = Vec<(PathBuf, Vec<u8>)>;

/// A site with a repository and one with copies, each on its own disk.
struct TwoDisks {
    folder: TempDir,
    key: RepositoryKey,
    whole: [Files; 2],
}

/// Index of the site's disk.
const SITE_DISK: usize = 0;
const COPIES_DISK: usize = 1;

/// An operation, and the condition that holds once it reports success.
struct Operation {
    name: &'static str,
    run: fn(&Repository, &Repository) -> Result<()>,
    is_done: fn(&Repository, &Repository) -> bool,
}

fn days_of(repository: &Repository) -> Vec<usize> {
    let day_of = |backup: &Backup| DAYS.iter().position(|day| time(day) == backup.time).unwrap();
    let mut days: Vec<usize> = repository.backups().unwrap().iter().map(day_of).collect();
    // A repeated backup appears twice.
    days.dedup();
    days
}

/// Returns the backup of a day; fails if its snapshot cannot be read.
fn of_day(repository: &Repository, day: usize) -> Result<BackupId> {
    let found = repository.backups()?.into_iter().find(|backup| backup.time == time(DAYS[day]));
    let id = "0".repeat(64).parse().unwrap();
    found.map(|backup| backup.id).ok_or(BackupError::NoBackup { folder: repository.folder().to_owned(), id })
}

/// Operations on a site with days 0 to 2, of which 0 and 1 are proven; day 0 is copied.
const OPERATIONS: [Operation; 8] = [
    Operation {
        name: "save",
        run: |site, _| save_day(site, 3).map(drop),
        is_done: |site, _| days_of(site) == [0, 1, 2, 3],
    },
    Operation {
        name: "prove",
        run: |site, _| site.mark_proven(of_day(site, 2)?, proof()).map(drop),
        is_done: |site, _| site.backups().unwrap()[2].is_proven(),
    },
    Operation {
        name: "forget",
        run: |site, _| site.forget_beside_readers(ONE, Span::new()).map(drop),
        // A backup whose snapshot could not be read stays for another night.
        is_done: |site, _| days_of(site).ends_with(&[1, 2]),
    },
    Operation {
        name: "make room",
        run: |site, _| site.make_room(ONE).map(drop),
        is_done: |site, _| days_of(site).contains(&2),
    },
    Operation {
        name: "copy",
        run: |site, copies| site.copy_to(of_day(site, 1)?, copies),
        is_done: |_, copies| days_of(copies) == [0, 1],
    },
    Operation {
        name: "check",
        run: |site, _| match site.check(&SilentProgress)?.as_slice() {
            [] => Ok(()),
            found => Err(BackupError::damaged(site.folder(), format!("{found:?}"))),
        },
        is_done: |_, _| true,
    },
    Operation {
        name: "check in rounds",
        run: |site, _| match site.check_round(u64::MAX, &SilentProgress)?.as_slice() {
            [] => Ok(()),
            found => Err(BackupError::damaged(site.folder(), format!("{found:?}"))),
        },
        is_done: |_, _| true,
    },
    Operation {
        name: "repair",
        run: |site, copies| match site.repair(std::slice::from_ref(copies), &SilentProgress)?.lost.as_slice() {
            [] => Ok(()),
            lost => Err(BackupError::damaged(site.folder(), format!("{lost:?}"))),
        },
        is_done: |_, _| true,
    },
];

impl TwoDisks {
    fn new() -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), new_key());
        let of = |name: &str| Repository::create(&folder.path().join(name), SITE, &key).unwrap();
        let (site, copies) = (of("site"), of("copies"));
        for day in 0..3 {
            let made = save_day(&site, day).unwrap();
            if day < 2 {
                site.mark_proven(made.id, proof()).unwrap();
            }
        }
        site.copy_to(site.backups().unwrap()[0].id, &copies).unwrap();
        let mut disks = Self { folder, key, whole: [Files::new(), Files::new()] };
        for disk in [SITE_DISK, COPIES_DISK] {
            let root = disks.root(disk);
            disks.whole[disk] =
                files(&root).into_iter().map(|file| (file.clone(), std::fs::read(root.join(file)).unwrap())).collect();
        }
        disks
    }

    fn root(&self, disk: usize) -> PathBuf {
        self.folder.path().join(["site", "copies"][disk])
    }

    fn open(&self, disk: usize) -> Repository {
        Repository::open(&self.root(disk), SITE, &self.key).unwrap()
    }

    fn return_whole(&self) {
        for disk in [SITE_DISK, COPIES_DISK] {
            return_files(&self.root(disk), &self.whole[disk]);
        }
    }

    /// Runs an operation with a fault below one of the repositories.
    fn run(&self, operation: &Operation, failing: usize, planned: Option<PlannedFault>) -> (Result<()>, FailingDisk) {
        let disk = FailingDisk::new(&self.root(failing), planned);
        let opened = Repository::open(Place(Arc::new(disk.clone())), SITE, &self.key);
        let other = self.open(1 - failing);
        let ran = opened.and_then(|opened| {
            let both = if failing == SITE_DISK { [&opened, &other] } else { [&other, &opened] };
            (operation.run)(both[0], both[1])
        });
        (ran, disk)
    }

    /// Checks that every listed backup can be read completely.
    fn expect_whole(&self, disk: usize, what: &str) {
        let repository = self.open(disk);
        for backup in repository.backups().unwrap() {
            let day = DAYS.iter().position(|day| time(day) == backup.time).unwrap();
            let found = read(&repository, backup.id, "database");
            assert!(found.as_ref().is_ok_and(|found| *found == data(day)), "{what}: day {day}: {:?}", found.err());
        }
        assert_eq!(repository.check(&SilentProgress).unwrap(), [], "{what}");
    }
}

/// Returns true for codes that may be reported for a failing disk.
fn is_of_disk(code: Code) -> bool {
    let codes = [
        codes::MEDIA_IO,
        codes::NO_SPACE,
        codes::SYNC_FAILED,
        codes::BACKUP_DAMAGED,
        codes::BACKUP_NOT_FREED,
        codes::BACKUP_LIBRARY,
        codes::BACKUP_UNKNOWN,
    ];
    codes.contains(&code)
}

/// Injects one fault after the other at the calls of a clean run. `judge` receives the operation's result and the disk.
fn each_fault(
    disks: &TwoDisks,
    operation: &Operation,
    faults: &[Fault],
    judge: impl Fn(usize, PlannedFault, &str, Result<()>, &FailingDisk),
) -> BTreeMap<Fault, usize> {
    let counts = [SITE_DISK, COPIES_DISK].map(|failing| {
        disks.return_whole();
        let (ran, disk) = disks.run(operation, failing, None);
        ran.unwrap();
        disk.counts()
    });
    let mut met = BTreeMap::new();
    for seed in 0..FAULTS {
        let mut random = StdRng::seed_from_u64(seed);
        let failing = usize::from(counts[COPIES_DISK].0 > 3 && random.random_bool(0.4));
        let fault = faults[random.random_range(0..faults.len())];
        let (all, writes) = counts[failing];
        let count = if fault.is_of_writes() { writes } else { all };
        if count == 0 {
            continue;
        }
        let planned = PlannedFault { fault, at: random.random_range(0..count) };
        disks.return_whole();
        let (ran, disk) = disks.run(operation, failing, Some(planned));
        let Some(hit) = disk.hit() else { continue };
        let place = ["the site", "the copies"][failing];
        let what = format!("{}, seed {seed}: {fault:?} of {place}, call {}, {hit}", operation.name, planned.at);
        judge(failing, planned, &what, ran, &disk);
        *met.entry(fault).or_default() += 1;
    }
    met
}

#[test]
fn disk_faults_are_reported_and_harmless() {
    let disks = TwoDisks::new();
    for operation in &OPERATIONS {
        let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| !fault.is_silent()).collect();
        let met = each_fault(&disks, operation, &faults, |_, _, what, ran, _| {
            match ran {
                Ok(()) => assert!((operation.is_done)(&disks.open(SITE_DISK), &disks.open(COPIES_DISK)), "{what}"),
                Err(error) => assert!(is_of_disk(error.code()), "{what}: {error:?}"),
            }
            for disk in [SITE_DISK, COPIES_DISK] {
                disks.expect_whole(disk, what);
            }
            assert!(days_of(&disks.open(SITE_DISK)).ends_with(&[1, 2]) || operation.name == "save", "{what}");
            assert!(days_of(&disks.open(COPIES_DISK)).starts_with(&[0]), "{what}");
            // The next night's run, or a user, repeats it.
            let (ran, _) = disks.run(operation, SITE_DISK, None);
            assert!(ran.is_ok(), "{what}: again: {ran:?}");
            assert!((operation.is_done)(&disks.open(SITE_DISK), &disks.open(COPIES_DISK)), "{what}: again");
            assert!(operation.name != "forget" || days_of(&disks.open(SITE_DISK)) == [1, 2], "{what}: again");
        });
        assert!(met.contains_key(&Fault::Fails) && met.contains_key(&Fault::Dies), "{}: {met:?}", operation.name);
    }
}

/// Backups that can still be read are listed; if none can be read, that is reported.
#[test]
fn dead_disk_is_not_listed_empty() {
    let disks = TwoDisks::new();
    let list = |planned: Option<PlannedFault>| {
        let disk = FailingDisk::new(&disks.root(SITE_DISK), planned);
        let opened = Repository::open(Place(Arc::new(disk.clone())), SITE, &disks.key);
        (opened.and_then(|opened| opened.backups()), disk.counts().0)
    };
    let (whole, calls) = list(None);
    let mut refused = 0;
    for at in 0..calls {
        let (listed, _) = list(Some(PlannedFault { fault: Fault::Dies, at }));
        match listed {
            Ok(listed) => assert!(!listed.is_empty(), "call {at} of {calls}"),
            Err(error) => {
                assert!(is_of_disk(error.code()), "call {at}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && whole.unwrap().len() == 3, "{refused} of {calls}");
}

#[test]
fn lost_writes_are_found_and_healed() {
    let disks = TwoDisks::new();
    let faults = [Fault::Shortens, Fault::Zeroes, Fault::Loses];
    let mut met = BTreeMap::new();
    for operation in &OPERATIONS {
        met.extend(each_fault(&disks, operation, &faults, |failing, _, what, ran, _| {
            if let Err(error) = ran {
                assert!(is_of_disk(error.code()), "{what}: {error:?}");
            }
            // The other repository is unchanged, or contains what the operation copied to it.
            disks.expect_whole(1 - failing, what);
            let open = || open_damaged(&disks.root(failing), SITE, &disks.key).unwrap();
            for backup in open().backups().unwrap() {
                let day = DAYS.iter().position(|day| time(day) == backup.time).unwrap();
                // Other bytes are never returned as the backup.
                let found = read(&open(), backup.id, "database");
                assert!(found.is_err() || found.is_ok_and(|found| found == data(day)), "{what}: day {day}");
            }
            let others = [disks.open(1 - failing)];
            let repaired = open().repair(&others, &SilentProgress).unwrap();
            let is_elsewhere = |id: BackupId| others[0].backups().unwrap().iter().any(|backup| backup.id == id);
            assert!(repaired.lost.iter().all(|taken| !is_elsewhere(taken.backup)), "{what}: {repaired:?}");
            // Whatever was lost, the next backup is intact.
            let repository = open();
            let tonight = save(&repository, NOW, &[("database", &data(3))]).unwrap();
            assert!(read(&repository, tonight.id, "database").unwrap() == data(3), "{what}: {repaired:?}");
            if repaired.lost.is_empty() {
                assert_eq!(repository.check(&SilentProgress).unwrap(), [], "{what}");
            }
        }));
    }
    assert_eq!(met.len(), faults.len(), "{met:?}");
}
