//! Tests of bit rot: random damage to a repository is found the following night, and is repaired from a copy. Without a
//! copy, it costs no later backup.

use std::collections::{BTreeMap, BTreeSet};

use landfall_progress::SilentProgress;
use rand::RngExt as _;

use super::*;
use crate::{Damage, Proof, open_damaged};

/// Returns streams of a database that changes partly each night.
fn night(index: u64) -> Vec<(String, Vec<u8>)> {
    let table = [random(70, 300_000), random(80 + index, 120_000)].concat();
    vec![("postgres/database".to_owned(), table), ("own/data".to_owned(), random(90, 150_000))]
}

fn save_night(repository: &Repository, index: u64) -> Backup {
    let streams = night(index);
    let streams: Vec<(&str, &[u8])> = streams.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    save(repository, &format!("2026-11-{:02}T02:00:00Z", 10 + index), &streams).unwrap()
}

fn assert_whole(repository: &Repository, backup: &Backup, index: u64, case: &str) {
    for (stream, bytes) in night(index) {
        assert!(read(repository, backup.id, &stream).is_ok_and(|found| found == bytes), "{case}: {stream}");
    }
}

fn open(root: &Path, key: &RepositoryKey) -> Repository {
    open_damaged(root, SITE, key).unwrap()
}

/// Flips a byte of a file, truncates it, or removes it.
fn damage(root: &Path, file: &Path, random: &mut StdRng) -> &'static str {
    let path = root.join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    match random.random_range(0..3) {
        0 => {
            let position = random.random_range(0..bytes.len());
            bytes[position] ^= 1 << random.random_range(0..8);
            put(&path, &bytes);
            "flipped"
        }
        1 => {
            put(&path, &bytes[..random.random_range(0..bytes.len())]);
            "cut off"
        }
        _ => {
            std::fs::remove_file(&path).unwrap();
            "removed"
        }
    }
}

/// Returns true if the file's damage is reported: a removed key has no known name, and a config is rewritten when a
/// repository is opened.
fn is_named(found: &[Damage], file: &Path, kind: &str) -> bool {
    let is_it = |one: &Damage| one.file == *file || (kind == "removed" && one.file == Path::new("keys"));
    found.iter().any(is_it)
}

#[test]
fn damage_is_found_and_healed() {
    let kept = empty();
    let root = kept.repository.folder().to_owned();
    let place = kept.folder.path().join("copies");
    let copies = Repository::create(&place, SITE, &kept.key).unwrap();
    let proof = Proof { time: time("2026-11-12T03:00:00Z"), report: "restored".into() };
    let saved: Vec<Backup> = (0..3)
        .map(|index| kept.repository.mark_proven(save_night(&kept.repository, index).id, proof.clone()).unwrap())
        .collect();
    let ids: Vec<BackupId> = saved.iter().map(|backup| backup.id).collect();
    kept.repository.copy_all_to(&ids, &copies).unwrap();
    let whole: BTreeMap<PathBuf, Vec<u8>> =
        files(&root).into_iter().map(|file| (file.clone(), std::fs::read(root.join(file)).unwrap())).collect();
    let all: Vec<&PathBuf> = whole.keys().collect();
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let file = all[random.random_range(0..all.len())];
        let kind = damage(&root, file, &mut random);
        let case = format!("seed {seed}, {} {kind}", file.display());

        // The check of the following night reports it by name.
        let found = kept.repository.check_round(u64::MAX, &SilentProgress).unwrap();
        assert!(is_named(&found, file, kind), "{case}: {found:?}");
        if seed % 2 == 0 {
            let repository = open(&root, &kept.key);
            let repaired = repository.repair(std::slice::from_ref(&copies), &SilentProgress).unwrap();
            assert_eq!(repaired.lost, [], "{case}");
            assert_eq!(repository.check(&SilentProgress).unwrap(), [], "{case}");
            for (index, backup) in (0..).zip(&saved) {
                assert_whole(&repository, backup, index, &case);
            }
        } else {
            // The same night's backup is intact without a copy, and so are later ones.
            let repository = open(&root, &kept.key);
            let tonight = save_night(&repository, 3);
            assert_whole(&repository, &tonight, 3, &case);
            let found = repository.check(&SilentProgress).unwrap();
            let takes_it = |one: &Damage| one.takes.iter().any(|taken| taken.backup == tonight.id);
            assert!(!found.iter().any(takes_it), "{case}: {found:?}");
        }
        for file in files(&root).into_iter().filter(|file| !whole.contains_key(file)) {
            std::fs::remove_file(root.join(file)).unwrap();
        }
        for (file, bytes) in &whole {
            put(&root.join(file), bytes);
        }
    }
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn backups_after_damage_stay_intact() {
    let kept = empty();
    let root = kept.repository.folder().to_owned();
    let retention = crate::Retention { hourly: 0, daily: 3, weekly: 0, monthly: 0, log_days: 7 };
    save_night(&kept.repository, 0);
    let largest = |files: Vec<PathBuf>| files.into_iter().max_by_key(|file| root.join(file).metadata().unwrap().len());
    let pack = largest(files(&root)).unwrap();
    let mut bytes = std::fs::read(root.join(&pack)).unwrap();
    bytes[1000] ^= 1;
    put(&root.join(&pack), &bytes);
    for index in 1..8 {
        let found = kept.repository.check_round(u64::MAX, &SilentProgress).unwrap();
        assert_eq!(index == 1, found.iter().any(|one| one.file == pack), "night {index}: {found:?}");
        let saved = save_night(&kept.repository, index);
        assert_whole(&kept.repository, &saved, index, "a night");
        kept.repository.forget(retention).unwrap();
    }
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn lost_backup_blocks_removal_until_forgotten() {
    let kept = empty();
    let root = kept.repository.folder().to_owned();
    let saved = |seed, at| save(&kept.repository, at, &[("a/b", &random(seed, 400_000))]).unwrap();
    let packs = || -> BTreeSet<PathBuf> { files(&root).into_iter().filter(|file| file.starts_with("data")).collect() };
    let lost = saved(700, "2026-11-18T02:00:00Z");
    for pack in packs() {
        std::fs::remove_file(root.join(pack)).unwrap();
    }
    // The next nightly check finds it.
    kept.repository.check_round(u64::MAX, &SilentProgress).unwrap();
    let (old, new) = (saved(701, "2026-11-19T02:00:00Z"), saved(702, "2026-11-20T02:00:00Z"));
    let taken = || -> Vec<BackupId> { kept.repository.losses().unwrap().iter().map(|taken| taken.backup).collect() };
    assert_eq!(taken(), [lost.id]);
    let refused = kept.repository.forget_lost(&BTreeSet::from([lost.id, new.id])).unwrap_err();
    assert!(matches!(refused, BackupError::NotLost { id, .. } if id == new.id), "{refused:?}");
    assert_eq!(kept.repository.backups().unwrap().len(), 3, "nothing was dropped");

    let forgotten = kept.repository.forget_lost(&BTreeSet::from([lost.id])).unwrap();
    assert_eq!(forgotten.dropped.iter().map(|backup| backup.id).collect::<Vec<_>>(), [lost.id]);
    assert_eq!((taken(), kept.repository.check(&SilentProgress).unwrap()), (Vec::new(), Vec::new()));
    // From now on, retention frees what it drops.
    let one = crate::Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 0 };
    let before = stored_bytes(&root);
    for _ in 0..2 {
        kept.repository.forget_beside_readers(one, jiff::Span::new()).unwrap();
    }
    assert_eq!(kept.repository.backups().unwrap(), [new]);
    assert!(before - stored_bytes(&root) > 300_000, "the data of {} is freed", old.id);
}

#[test]
fn next_backup_heals_failed_read() {
    let kept = empty();
    let root = kept.repository.folder().to_owned();
    let first = save_night(&kept.repository, 0);
    let pack = files(&root).into_iter().max_by_key(|file| root.join(file).metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(root.join(&pack)).unwrap();
    bytes[1000] ^= 1;
    put(&root.join(&pack), &bytes);
    let failed = night(0).into_iter().filter_map(|(stream, _)| read(&kept.repository, first.id, &stream).err());
    let failed: Vec<String> = failed.map(|error| error.to_string()).collect();
    assert!(matches!(&failed[..], [error] if error.contains("is damaged: the blob ")), "{failed:?}");
    // A new process also knows of the damage: the next backup stores the missing data again, also for the earlier one.
    let repository = Repository::open(&root, SITE, &kept.key).unwrap();
    let second = save_night(&repository, 0);
    for backup in [first, second] {
        assert_whole(&repository, &backup, 0, "after a failed read");
    }
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn seven_rounds_read_the_repository() {
    let kept = empty();
    for index in 0..8 {
        save(&kept.repository, "2026-11-20T02:00:00Z", &[("a/b", &random(300 + index, 400_000))]).unwrap();
    }
    let root = kept.repository.folder();
    let packs: Vec<PathBuf> = files(root).into_iter().filter(|file| file.starts_with("data")).collect();
    let bytes: u64 = packs.iter().map(|pack| root.join(pack).metadata().unwrap().len()).sum();
    let pack = packs.last().unwrap();
    let whole = std::fs::read(root.join(pack)).unwrap();
    put(&root.join(pack), &whole[..whole.len() - 1]);
    let round = || kept.repository.check_round(bytes.div_ceil(7), &SilentProgress).unwrap();
    let rounds = (0..7).find(|_| round().iter().any(|one| one.file == *pack));
    assert!(rounds.is_some_and(|rounds| rounds > 0), "{rounds:?}");
}

/// A stream that performs an action when it is read for the first time.
struct TriggerStream<'a>(Option<Box<dyn FnOnce() + 'a>>, Cursor<Vec<u8>>);

impl Read for TriggerStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The data that was read earlier has been stored by now.
        if self.1.position() > 0
            && let Some(act) = self.0.take()
        {
            act();
        }
        let length = buffer.len().min(64 << 10);
        self.1.read(&mut buffer[..length])
    }
}

pub(super) fn save_log(repository: &Repository, bytes: &[u8]) -> Backup {
    let mut reader = Cursor::new(bytes);
    let streams: Vec<(StreamName, &mut dyn Read)> = vec![(name("postgres/database"), &mut reader)];
    let (kind, documents) = (BackupKind::Log, Vec::new());
    repository
        .save(NewBackup { kind, time: time("2026-11-20T02:10:00Z"), facts: facts("starter"), streams, documents })
        .unwrap()
}

#[test]
fn log_backup_runs_during_base_backup() {
    let kept = empty();
    save_night(&kept.repository, 0);
    let other = || {
        let opened = Repository::open(kept.repository.folder(), SITE, &kept.key).unwrap();
        opened.with_patience(std::time::Duration::ZERO)
    };
    let log = std::cell::RefCell::new(None);
    let act = || {
        *log.borrow_mut() = Some(save_log(&other(), b"rows"));
        // The data that the base backup refers to or has written must stay.
        let none = crate::Retention { hourly: 0, daily: 0, weekly: 0, monthly: 0, log_days: 7 };
        let refused = [other().forget(none).map(drop), other().make_room(none).map(drop)];
        assert!(refused.iter().all(|refused| matches!(refused, Err(BackupError::InUse(_)))), "{refused:?}");
        let second = save(&other(), "2026-11-20T02:20:00Z", &[("a/b", b"rows")]);
        assert!(matches!(second, Err(BackupError::InUse(_))), "two of all data");
    };
    let data = random(400, 3 * MIB);
    let mut base = TriggerStream(Some(Box::new(act)), Cursor::new(data.clone()));
    let saved = kept
        .repository
        .save(NewBackup {
            kind: BackupKind::Full,
            time: time("2026-11-20T02:00:00Z"),
            facts: facts("starter"),
            streams: vec![(name("postgres/database"), &mut base)],
            documents: Vec::new(),
        })
        .unwrap();
    drop(base);
    let log = log.into_inner().unwrap();
    assert!(saved.order() < log.order(), "a concurrent log backup follows the base");
    assert!(read(&kept.repository, saved.id, "postgres/database").unwrap() == data);
    assert_eq!(read(&kept.repository, log.id, "postgres/database").unwrap(), b"rows");
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
}
