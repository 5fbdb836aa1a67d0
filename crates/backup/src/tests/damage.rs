//! Tests of damage that the check must find, report, and attribute to the right streams.

use std::collections::{BTreeMap, BTreeSet};

use landfall_progress::SilentProgress;
use rand::RngExt as _;

use super::*;
use crate::{Damage, DamageKind, Part, Proof};

/// Returns three backups that share data, one of them proven.
fn several() -> (TestRepository, Vec<Backup>) {
    let kept = empty();
    let mut data = random(10, 2 * MIB);
    let mut saved = Vec::new();
    for (index, at) in ["2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"].iter().enumerate() {
        data.extend(random(20 + index as u64, 700_000));
        let own = random(30 + index as u64, 100_000);
        let streams: [(&str, &[u8]); 4] =
            [("postgres/database", &data), ("own/data", &own), ("postgres/globals", b"roles"), ("empty", b"")];
        saved.push(save(&kept.repository, at, &streams).unwrap());
    }
    let proof = Proof { time: time("2026-11-21T20:00:00Z"), report: "restored".into() };
    saved[1] = kept.repository.mark_proven(saved[1].id, proof).unwrap();
    (kept, saved)
}

/// Kind of damage to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Missing,
    Truncated,
    Flipped,
    Grown,
    /// A block of zeros, as a disk returns for lost data.
    Zeroed,
    /// Two files of one kind have each other's bytes: each is intact, but under the wrong name.
    Swapped,
}

const KINDS: [Kind; 6] = [Kind::Missing, Kind::Truncated, Kind::Flipped, Kind::Grown, Kind::Zeroed, Kind::Swapped];

/// Damages this file, and for a swap another one of its kind. Returns every damaged file, relative to the repository's
/// folder.
fn damage_randomly(
    root: &Path,
    all: &[PathBuf],
    file: &Path,
    kind: Kind,
    random: &mut StdRng,
) -> Vec<(PathBuf, DamageKind)> {
    let path = root.join(file);
    let whole = std::fs::read(&path).unwrap();
    let mut changed = whole.clone();
    match kind {
        Kind::Missing => {
            std::fs::remove_file(path).unwrap();
            return vec![(file.to_owned(), DamageKind::Missing)];
        }
        Kind::Truncated => changed.truncate(random.random_range(0..whole.len())),
        Kind::Flipped => changed[random.random_range(0..whole.len())] ^= 1_u8 << random.random_range(0..8),
        Kind::Grown => changed.extend(super::random(random.random(), 1 + whole.len() % 500)),
        Kind::Zeroed => {
            let begin = random.random_range(0..whole.len());
            let end = whole.len().min(begin + 512);
            changed[begin..end].fill(0);
            // A zero byte would not change anything.
            changed[begin] = !whole[begin];
        }
        Kind::Swapped => {
            let others: Vec<&PathBuf> =
                all.iter().filter(|other| *other != file && part_of(other) == part_of(file)).collect();
            let other = others[random.random_range(0..others.len())];
            put(&path, &std::fs::read(root.join(other)).unwrap());
            put(&root.join(other), &whole);
            return vec![(file.to_owned(), DamageKind::Changed), (other.clone(), DamageKind::Changed)];
        }
    }
    put(&path, &changed);
    vec![(file.to_owned(), DamageKind::Changed)]
}

/// Returns the streams that can be read completely with the bytes that were stored.
fn readable(repository: &Repository, backup: &Backup) -> Vec<StreamName> {
    let Ok(opened) = repository.open_backup(backup.id) else { return Vec::new() };
    let is_readable = |stream: &&crate::Stream| {
        let mut bytes = Vec::new();
        let read = opened.read(&stream.name).ok().and_then(|mut reader| reader.read_to_end(&mut bytes).ok());
        read.is_some() && stream.sha256 == Some(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes)))
    };
    backup.streams.iter().filter(is_readable).map(|stream| stream.name.clone()).collect()
}

fn takes(damage: &[Damage], backup: &Backup, stream: &crate::Stream) -> bool {
    damage.iter().flat_map(|one| &one.takes).any(|taken| {
        taken.backup == backup.id && taken.time == Some(backup.time) && taken.streams.contains(&stream.name)
    })
}

const PARTS: [Part; 6] = [Part::Config, Part::Key, Part::Snapshot, Part::Index, Part::Pack, Part::Ledger];

fn part_of(file: &Path) -> Part {
    match file.iter().next().and_then(|first| first.to_str()) {
        Some("config") => Part::Config,
        Some("keys") => Part::Key,
        Some("snapshots") => Part::Snapshot,
        Some("index") => Part::Index,
        Some("data") => Part::Pack,
        _ if file.ends_with("ledger.json") => Part::Ledger,
        _ => Part::Key,
    }
}

#[test]
fn damage_is_found_with_affected_streams() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
    let all = files(root);
    let bytes: BTreeMap<&PathBuf, Vec<u8>> =
        all.iter().map(|file| (file, std::fs::read(root.join(file)).unwrap())).collect();
    let of = |part| all.iter().filter(|file| part_of(file) == part).collect::<Vec<_>>();
    let mut hit = BTreeSet::new();
    for (seed, index) in (0..200).zip(0_usize..) {
        let mut random = StdRng::seed_from_u64(seed);
        // Each kind of file is hit equally often, whatever their numbers.
        let (part, kind) = (PARTS[index % PARTS.len()], KINDS[index / PARTS.len() % KINDS.len()]);
        let files = of(part);
        let kind = if files.len() == 1 && kind == Kind::Swapped { Kind::Flipped } else { kind };
        let file = files[random.random_range(0..files.len())];
        let mut damaged = damage_randomly(root, &all, file, kind, &mut random);
        damaged.sort_by(|one, other| one.0.cmp(&other.0));
        let found = kept.repository.check(&SilentProgress).unwrap();

        let lines: Vec<String> = found.iter().map(Damage::to_string).collect();
        let named: Vec<_> = found.iter().map(|one| (one.file.clone(), one.part, one.what.clone())).collect();
        let is_nameless = file.starts_with("keys") && kind == Kind::Missing;
        let name = |file: PathBuf| if is_nameless { PathBuf::from("keys") } else { file };
        let expected: Vec<_> = damaged.iter().map(|(file, what)| (name(file.clone()), part, what.clone())).collect();
        assert_eq!(named, expected, "seed {seed}, {kind:?} {}: {lines:#?}", file.display());
        for backup in &saved {
            let readable = if kept.repository.opens() { readable(&kept.repository, backup) } else { Vec::new() };
            for stream in &backup.streams {
                let is_lost = !readable.contains(&stream.name);
                assert_eq!(takes(&found, backup, stream), is_lost, "seed {seed}: {} {}", lines[0], stream.name);
            }
        }
        hit.insert((part, kind));
        for (file, _) in &damaged {
            put(&root.join(file), &bytes[file]);
        }
    }
    // Config and ledger exist once, so they cannot be swapped with another file.
    assert_eq!(hit.len(), PARTS.len() * KINDS.len() - 2, "{hit:?}");
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
}

#[test]
fn swapped_snapshots_are_not_listed() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    let of = |backup: &Backup| root.join("snapshots").join(backup.id.to_string());
    let [first, last] = [&saved[0], &saved[2]].map(|backup| std::fs::read(of(backup)).unwrap());
    put(&of(&saved[0]), &last);
    put(&of(&saved[2]), &first);
    assert_eq!(kept.repository.backups().unwrap(), [saved[1].clone()]);
    assert!(matches!(kept.repository.open_backup(saved[0].id), Err(crate::BackupError::NoBackup { .. })));
    assert_eq!(kept.repository.check(&SilentProgress).unwrap().len(), 2);
    put(&of(&saved[0]), &first);
    put(&of(&saved[2]), &last);
    assert_eq!(kept.repository.backups().unwrap(), saved);
}

#[test]
fn all_damage_is_named() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    let all = files(root);
    let of = |part| all.iter().filter(move |file| part_of(file) == part).collect::<Vec<_>>();
    let (packs, snapshots) = (of(Part::Pack), of(Part::Snapshot));
    for pack in &packs {
        std::fs::remove_file(root.join(pack)).unwrap();
    }
    put(&root.join(snapshots[0]), b"");
    put(&root.join(of(Part::Ledger)[0]), b"");
    let found = kept.repository.check(&SilentProgress).unwrap();
    assert_eq!(found.len(), packs.len() + 2);
    // Without the ledger, the backup of the lost snapshot is unknown.
    let nameless = found.iter().find(|one| one.part == Part::Snapshot).unwrap();
    assert_eq!((nameless.takes.len(), nameless.takes[0].time), (1, None));
    let left = kept.repository.backups().unwrap();
    assert_eq!(left.len(), saved.len() - 1);
    for backup in &left {
        for stream in &backup.streams {
            assert!(takes(&found, backup, stream), "{}", stream.name);
        }
    }
}

#[test]
fn next_backup_rewrites_damaged_index() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    let index = files(root).into_iter().find(|file| part_of(file) == Part::Index).unwrap();
    put(&root.join(&index), b"damaged");
    let found = kept.repository.check(&SilentProgress).unwrap();
    assert_eq!(found.iter().map(|one| &one.file).collect::<Vec<_>>(), [&index]);
    let added = save(&kept.repository, "2026-11-22T12:00:00Z", &[("database", &random(40, MIB))]).unwrap();
    assert!(read(&kept.repository, added.id, "database").unwrap() == random(40, MIB));
    assert_eq!(kept.repository.check(&SilentProgress).unwrap(), []);
    for backup in &saved {
        assert_eq!(readable(&kept.repository, backup).len(), backup.streams.len());
    }
}

#[test]
fn lost_backup_stays_reported() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    let names = |found: &[Damage]| found.iter().map(|one| one.part).collect::<Vec<_>>();
    std::fs::remove_file(root.join(crate::ledger::FILE)).unwrap();
    assert_eq!(names(&kept.repository.check(&SilentProgress).unwrap()), [Part::Ledger]);
    save(&kept.repository, "2026-11-22T12:00:00Z", &[("database", b"rows")]).unwrap();
    assert_eq!(names(&kept.repository.check(&SilentProgress).unwrap()), []);
    // The next change does not forget lost snapshots.
    let (_, snapshot) = kept.repository.latest_snapshots().unwrap().remove(0);
    std::fs::remove_file(root.join("snapshots").join(snapshot.id.to_hex().as_str())).unwrap();
    save(&kept.repository, "2026-11-23T12:00:00Z", &[("database", b"rows")]).unwrap();
    let found = kept.repository.check(&SilentProgress).unwrap();
    assert_eq!(names(&found), [Part::Snapshot]);
    assert_eq!(found[0].takes[0].backup, saved[0].id);
    let line = found[0].to_string();
    assert!(line.contains("is missing: takes empty, own/data, postgres/database"), "{line}");
    assert!(line.contains("of 2026-11-19T12:00:00Z"), "{line}");
    // It is forgotten together with other backups of its age.
    let retention = crate::Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };
    kept.repository.forget(retention).unwrap();
    assert_eq!(names(&kept.repository.check(&SilentProgress).unwrap()), []);
}
