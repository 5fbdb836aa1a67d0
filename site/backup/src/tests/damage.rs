//! Damage that the check must find, name, and attribute to the right streams.

use landfall_progress::Silent;
use rand::RngExt as _;

use super::*;
use crate::{Damage, Part, Proof, What};

/// Three backups that share data, one of them proven.
fn several() -> (Kept, Vec<Backup>) {
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

fn damage_randomly(path: &Path, whole: &[u8], random: &mut StdRng) -> What {
    match random.random_range(0..3) {
        0 => {
            std::fs::remove_file(path).unwrap();
            What::Missing
        }
        1 => {
            put(path, &whole[..random.random_range(0..whole.len())]);
            What::Changed
        }
        _ => {
            let mut changed = whole.to_vec();
            changed[random.random_range(0..whole.len())] ^= 1_u8 << random.random_range(0..8);
            put(path, &changed);
            What::Changed
        }
    }
}

/// The streams that can be read to their ends with the bytes that were stored.
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

fn part_of(file: &Path) -> Part {
    match file.iter().next().and_then(|first| first.to_str()) {
        Some("config") => Part::Config,
        Some("keys") => Part::Key,
        Some("snapshots") => Part::Snapshot,
        Some("index") => Part::Index,
        Some("data") => Part::Pack,
        _ => Part::Ledger,
    }
}

#[test]
fn two_hundred_damages_are_found_and_named_with_what_they_take() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    assert_eq!(kept.repository.check(&Silent).unwrap(), []);
    let all = files(root);
    let mut hit = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let file = &all[random.random_range(0..all.len())];
        let (path, part) = (root.join(file), part_of(file));
        let whole = std::fs::read(&path).unwrap();
        let what = damage_randomly(&path, &whole, &mut random);
        let found = kept.repository.check(&Silent).unwrap();

        let lines: Vec<String> = found.iter().map(Damage::to_string).collect();
        assert_eq!(found.len(), 1, "seed {seed}, {}: {lines:#?}", file.display());
        let is_nameless = part == Part::Key && what == What::Missing;
        let named = if is_nameless { Path::new("keys") } else { file };
        assert_eq!((found[0].file.as_path(), found[0].part, &found[0].what), (named, part, &what), "seed {seed}");
        for backup in &saved {
            let readable = if kept.repository.opens() { readable(&kept.repository, backup) } else { Vec::new() };
            for stream in &backup.streams {
                let is_lost = !readable.contains(&stream.name);
                assert_eq!(takes(&found, backup, stream), is_lost, "seed {seed}: {} {}", lines[0], stream.name);
            }
        }
        hit.insert(part);
        put(&path, &whole);
    }
    assert_eq!(hit.len(), 6, "{hit:?}");
    assert_eq!(kept.repository.check(&Silent).unwrap(), []);
}

#[test]
fn several_damages_are_all_named() {
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
    let found = kept.repository.check(&Silent).unwrap();
    assert_eq!(found.len(), packs.len() + 2);
    // Without the ledger it is not known of which backup the lost snapshot was.
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
fn a_backup_is_made_beside_damage() {
    let (kept, _) = several();
    let root = kept.repository.folder();
    let index = files(root).into_iter().find(|file| part_of(file) == Part::Index).unwrap();
    put(&root.join(&index), b"damaged");
    let added = save(&kept.repository, "2026-11-22T12:00:00Z", &[("database", &random(40, MIB))]).unwrap();
    assert!(read(&kept.repository, added.id, "database").unwrap() == random(40, MIB));
    let found = kept.repository.check(&Silent).unwrap();
    assert_eq!(found.iter().map(|one| &one.file).collect::<Vec<_>>(), [&index]);
    assert!(!takes(&found, &added, &added.streams[0]));
}

#[test]
fn a_lost_ledger_is_written_again_and_a_lost_backup_stays_named() {
    let (kept, saved) = several();
    let root = kept.repository.folder();
    let names = |found: &[Damage]| found.iter().map(|one| one.part).collect::<Vec<_>>();
    std::fs::remove_file(root.join(crate::ledger::FILE)).unwrap();
    assert_eq!(names(&kept.repository.check(&Silent).unwrap()), [Part::Ledger]);
    save(&kept.repository, "2026-11-22T12:00:00Z", &[("database", b"rows")]).unwrap();
    assert_eq!(names(&kept.repository.check(&Silent).unwrap()), []);
    // Lost snapshots are not lost from memory by the next change.
    let (_, snapshot) = kept.repository.latest_snapshots().unwrap().remove(0);
    std::fs::remove_file(root.join("snapshots").join(snapshot.id.to_hex().as_str())).unwrap();
    save(&kept.repository, "2026-11-23T12:00:00Z", &[("database", b"rows")]).unwrap();
    let found = kept.repository.check(&Silent).unwrap();
    assert_eq!(names(&found), [Part::Snapshot]);
    assert_eq!(found[0].takes[0].backup, saved[0].id);
    let line = found[0].to_string();
    assert!(line.contains("is missing: takes empty, own/data, postgres/database"), "{line}");
    assert!(line.contains("of 2026-11-19T12:00:00Z"), "{line}");
    // It is forgotten when backups of its time are.
    let retention = crate::Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };
    kept.repository.forget(retention, time("2026-11-24T00:00:00Z")).unwrap();
    assert_eq!(names(&kept.repository.check(&Silent).unwrap()), []);
}
