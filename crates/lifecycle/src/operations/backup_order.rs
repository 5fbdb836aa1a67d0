//! Random histories of a wrong clock, backups, drills, copies, adoptions and removals. Protected backups stay, and
//! every search for the newest backup finds the one made last. A model of a site on top of the functions that decide.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use jiff::Timestamp;
use landfall_backup::{BEGINS_LOG, Backup, BackupId, BackupKind, Backups, Proof, Retention};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::adopt_backups::best;
use super::backup::{newest_of, proven_in};
use super::restore::RestoreRequest;
use super::restore_choice::candidates;
use super::testing::{installed_site, with_data};
use landfall_site::backups::missing_copies;
use landfall_site::pins::Pins;

const HISTORIES: u64 = 100_000;

/// Events per history.
const EVENTS: u32 = 12;

const HOUR: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * HOUR;

/// Seconds since 1970 of a time in 2026.
const NOW: i64 = 1_795_900_000;

/// Time of a clock without a battery, in 2020.
const DEAD: i64 = 1_577_836_800;

/// A site with its true history, and a disk with copies.
struct World {
    chance: StdRng,
    clock: i64,
    retention: Retention,
    site: Backups,
    copies: Backups,
    /// Every backup that was ever made here, in the true order, which no clock changes.
    made: Vec<BackupId>,
    last_sequence: u64,
}

impl World {
    fn new(seed: u64, with_earlier: bool) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut few = || chance.random_range(0..3);
        let retention = Retention { hourly: few(), daily: few(), weekly: few(), monthly: few(), log_days: few() };
        let (site, copies) = (Backups::default(), Backups::default());
        let mut world = Self { chance, clock: NOW, retention, site, copies, made: Vec::new(), last_sequence: 0 };
        let earlier = if with_earlier { world.chance.random_range(1..4) } else { 0 };
        for _ in 0..earlier {
            world.tick();
            world.save(BackupKind::Full, None);
        }
        // Backups of an earlier version have no numbers: only their times order them.
        world.made = world.site.full.iter().map(|backup| backup.id).collect();
        world
    }

    fn tick(&mut self) {
        self.clock = match self.chance.random_range(0..8) {
            0 => DEAD,
            1 => self.clock + self.chance.random_range(1..9) * 30 * 24 * HOUR,
            2 => self.clock - self.chance.random_range(1..9) * 30 * 24 * HOUR,
            3 => NOW + 40 * YEAR,
            4 => NOW,
            _ => self.clock + self.chance.random_range(0..36) * HOUR,
        };
    }

    fn save(&mut self, kind: BackupKind, sequence: Option<u64>) {
        let bytes: [u8; 32] = self.chance.random();
        let mut facts = BTreeMap::from([("release".to_owned(), "tiny".to_owned())]);
        facts.insert("version".to_owned(), "1.0.0".to_owned());
        if self.chance.random_range(0..4) == 0 {
            facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
        }
        let backup = Backup {
            id: hex::encode(bytes).parse().unwrap(),
            kind,
            sequence,
            time: Timestamp::from_second(self.clock).unwrap(),
            ended: None,
            facts,
            streams: Vec::new(),
            proof: None,
            disproof: None,
        };
        self.made.push(backup.id);
        let known = std::mem::take(&mut self.site);
        self.site = Backups::of(known.full.into_iter().chain(known.logs).chain([backup]).collect());
    }

    fn drill(&mut self) {
        if self.site.full.is_empty() {
            return;
        }
        let (count, passed) = (self.site.full.len(), self.chance.random_range(0..3) > 0);
        // Usually the newest backup, sometimes one that a person names.
        let index = if self.chance.random_range(0..4) == 0 { self.chance.random_range(0..count) } else { count - 1 };
        let drill = Some(Proof { time: Timestamp::from_second(self.clock).unwrap(), report: String::new() });
        let backup = &mut self.site.full[index];
        (backup.proof, backup.disproof) = if passed { (drill, None) } else { (None, drill) };
    }

    fn copy(&mut self) {
        forget(&mut self.copies, self.retention);
        let missing = missing_copies(self.site.clone(), self.copies.clone(), self.retention);
        let there = std::mem::take(&mut self.copies);
        let all = [there.full, there.logs, missing.full, missing.logs].concat();
        self.copies = Backups::of(all);
        self.last_sequence = self.last_sequence.max(self.copies.last_sequence().unwrap_or_default());
    }

    /// Replaces the lost machine by another one that adopts the copies.
    fn adopt(&mut self) {
        if self.copies.full.is_empty() {
            return;
        }
        self.site = self.copies.clone();
        self.last_sequence = self.site.last_sequence().unwrap_or_default();
    }

    fn step(&mut self, pins: &Pins) {
        match self.chance.random_range(0..16) {
            0..5 => {
                self.tick();
                let kind = if self.chance.random_range(0..3) == 0 { BackupKind::Log } else { BackupKind::Full };
                self.last_sequence += 1;
                self.save(kind, Some(self.last_sequence));
            }
            5..9 => self.drill(),
            9..11 => self.copy(),
            11 => self.adopt(),
            _ => {
                let before = self.site.clone();
                forget(&mut self.site, self.retention);
                self.expect_kept(&before);
            }
        }
        self.expect_one_newest(pins);
    }

    /// Returns the newest of these by the true order.
    fn last_made<'a>(&self, of: &'a [Backup], fits: impl Fn(&Backup) -> bool) -> Option<&'a Backup> {
        let place = |backup: &&Backup| self.made.iter().rposition(|made| *made == backup.id);
        of.iter().filter(|backup| fits(backup)).max_by_key(place)
    }

    fn expect_kept(&self, before: &Backups) {
        let Some(newest) = self.last_made(&before.full, |_| true) else { return };
        assert!(self.site.full.contains(newest), "the backup just made");
        let Some(proven) = self.last_made(&before.full, |backup| backup.proof.is_some()) else { return };
        let place = |id: BackupId| self.made.iter().rposition(|made| *made == id);
        let is_kept = |backup: &Backup| self.site.full.contains(backup) || self.site.logs.contains(backup);
        let logs = before.logs.iter().filter(|_| self.retention.log_days > 0);
        for backup in before.full.iter().chain(logs).filter(|backup| place(backup.id) >= place(proven.id)) {
            assert!(is_kept(backup), "what is later than the newest proven one");
        }
    }

    fn expect_one_newest(&self, pins: &Pins) {
        let full = &self.site.full;
        let newest = self.last_made(full, |_| true).map(|backup| backup.id);
        assert_eq!(newest_of(full, pins).map(|backup| backup.id), newest, "drill");
        let proven = self.last_made(full, |backup| backup.proof.is_some()).map(|backup| backup.id);
        let restored = candidates(&self.site, &RestoreRequest::default(), pins).ok();
        assert_eq!(restored.map(|found| found[0].id), proven, "restore");
        assert_eq!(proven_in(full, "tiny", "1.0.0").map(|backup| backup.id), proven, "rollback");
        let adopted = best(full).map(|backup| backup.id);
        assert_eq!(adopted.is_some(), newest.is_some());
        assert!(proven.is_none() || adopted == proven, "adoption");
    }
}

fn forget(backups: &mut Backups, retention: Retention) {
    let kept = retention.kept_backups(backups);
    backups.full.retain(|backup| kept.contains(&backup.id));
    backups.logs.retain(|backup| kept.contains(&backup.id));
}

#[test]
fn protected_backups_survive_random_histories() {
    let fixture = installed_site(&with_data(), json!({}));
    let history = fixture.operations.history().unwrap();
    let pins = fixture.operations.changeable(&history).unwrap();
    assert_eq!((pins.release.as_str(), pins.version.as_str()), ("tiny", "1.0.0"));
    let workers = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                for seed in (worker..HISTORIES).step_by(usize::try_from(workers).unwrap()) {
                    let mut world = World::new(seed, seed.is_multiple_of(4));
                    for _ in 0..EVENTS {
                        world.step(pins);
                    }
                }
            });
        }
    });
}
