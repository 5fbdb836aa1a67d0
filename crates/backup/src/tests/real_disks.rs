//! Backups and their copies on real filesystems, made by a separate process whose power is cut, or whose disk fails, at
//! any instant. Everything that it reported as stored is stored, and everything listed is intact.

use std::time::Duration;

use landfall_media::mounted::on_tmpfs;
use landfall_media::real_disk::{Filesystem, RealDisk};
use landfall_progress::SilentProgress;

use super::*;
use crate::{Proof, Retention};

/// Number of nights of the process, and of cuts on each filesystem.
const NIGHTS: usize = 4;
const CUTS: u32 = 10;

const RETENTION: Retention = Retention { hourly: 0, daily: 2, weekly: 0, monthly: 0, log_days: 7 };

fn night(number: usize) -> String {
    format!("2026-11-{:02}T02:00:00Z", 10 + number)
}

fn data(number: usize) -> Vec<u8> {
    // Data that several nights share is stored once.
    [random(260, MIB), random(261 + number as u64, MIB / 2)].concat()
}

/// Does the work of a night. Returns the backup that it made.
fn work(number: usize, site: &Repository, copies: &Repository) -> Result<Backup> {
    let made = save(site, &night(number), &[("database", &data(number)), ("globals", b"roles")])?;
    let proof = Proof { time: made.time, report: "restored".to_owned() };
    let made = site.mark_proven(made.id, proof)?;
    RealDisk::promise(&format!("saved {number}"));
    site.copy_to(made.id, copies)?;
    RealDisk::promise(&format!("copied {number}"));
    site.forget_beside_readers(RETENTION, jiff::Span::new())?;
    copies.forget_beside_readers(RETENTION, jiff::Span::new())?;
    Ok(made)
}

fn open(disk: &Path, key: &RepositoryKey) -> [Repository; 2] {
    ["site", "copies"].map(|name| Repository::open(&disk.join(name), SITE, key).unwrap())
}

fn key_of(disk: &Path) -> RepositoryKey {
    RepositoryKey::read(&disk.join("key")).unwrap().deriving(Derivation::LEAST)
}

/// Returns the existing nights, and checks that each is intact.
fn nights(repository: &Repository, what: &str) -> Vec<usize> {
    assert_eq!(repository.check(&SilentProgress).unwrap(), [], "{what}");
    let number_of = |backup: Backup| {
        let number = (0..=NIGHTS).find(|number| time(&night(*number)) == backup.time).unwrap();
        assert!(read(repository, backup.id, "database").unwrap() == data(number), "{what}: night {number}");
        number
    };
    repository.backups().unwrap().into_iter().map(number_of).collect()
}

fn newest(promised: &[String], kind: &str) -> Option<usize> {
    promised.iter().rev().find_map(|promise| promise.strip_prefix(kind)?.trim().parse().ok())
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn real_filesystem_keeps_promised_backups() {
    let test = "tests::real_disks::real_filesystem_keeps_promised_backups";
    if let Some(disk) = RealDisk::of_this_process() {
        let key = key_of(&disk);
        let [site, copies] = open(&disk, &key);
        RealDisk::promise("begins");
        for number in 1..NIGHTS {
            work(number, &site, &copies).unwrap();
        }
        return;
    }
    let Some(folder) = on_tmpfs(test, "size=1g") else { return };
    for filesystem in Filesystem::ALL {
        let mut length: Option<Duration> = None;
        for cut in 0..CUTS {
            let disk = RealDisk::make(&folder, filesystem);
            RepositoryKey::generate().write_new(&disk.path().join("key")).unwrap();
            let key = key_of(&disk.path());
            let [site, copies] =
                ["site", "copies"].map(|name| Repository::create(&disk.path().join(name), SITE, &key).unwrap());
            work(0, &site, &copies).unwrap();
            let Some(length) = length else {
                length = Some(disk.run(test, &[]).0);
                continue;
            };
            let instant = length * cut / CUTS;
            let promised = if cut % 2 == 0 { disk.cut(test, &[], instant) } else { disk.fail(test, &[], instant) };
            let what = format!("{filesystem:?}, cut {cut}: {promised:?}");
            let [site, copies] = open(&disk.path(), &key);
            let [here, there] = [nights(&site, &what), nights(&copies, &what)];
            for (found, kind) in [(&here, "saved"), (&there, "copied")] {
                assert!(newest(&promised, kind).is_none_or(|number| found.contains(&number)), "{what}: {found:?}");
            }
            assert!(!here.is_empty() && !there.is_empty(), "{what}");
            work(NIGHTS, &site, &copies).unwrap();
            assert!(nights(&site, &what).contains(&NIGHTS) && nights(&copies, &what).contains(&NIGHTS), "{what}");
        }
    }
}
