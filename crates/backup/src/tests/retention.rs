//! Tests of marks, and of the removal of backups.

use jiff::Span;

use super::*;
use crate::{Proof, Retention};

fn proof(report: &str) -> Proof {
    Proof { time: time("2026-11-21T20:00:00Z"), report: report.to_owned() }
}

const ONE: Retention = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };

#[test]
fn mark_stays_with_its_backup() {
    let kept = empty();
    let first = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    let second = save(&kept.repository, "2026-11-21T12:00:00Z", &[("database", b"more rows")]).unwrap();
    let marked = kept.repository.mark_proven(first.id, proof("12 tables")).unwrap();
    assert_eq!(marked, Backup { proof: Some(proof("12 tables")), ..first.clone() });
    let reopened = Repository::open(kept.repository.folder(), SITE, &kept.key).unwrap();
    assert_eq!(reopened.backups().unwrap(), [marked, second]);
    assert_eq!(read(&reopened, first.id, "database").unwrap(), b"rows");
    let again = reopened.mark_proven(first.id, proof("13 tables")).unwrap();
    assert_eq!(reopened.backups().unwrap()[0], again);
    assert_eq!(reopened.backups().unwrap().len(), 2);
    assert_eq!(reopened.check(&landfall_progress::SilentProgress).unwrap(), []);
    let unknown = "0f".repeat(32).parse().unwrap();
    assert!(matches!(reopened.mark_proven(unknown, proof("")), Err(BackupError::NoBackup { .. })));
}

#[test]
fn last_proven_backup_and_later_stay() {
    let kept = empty();
    let days = ["2026-11-17T12:00:00Z", "2026-11-18T12:00:00Z", "2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z"];
    let saved: Vec<Backup> = (0..4)
        .map(|day| save(&kept.repository, days[day], &[("database", &random(day as u64, MIB))]).unwrap())
        .collect();
    kept.repository.mark_proven(saved[0].id, proof("an old one")).unwrap();
    kept.repository.mark_proven(saved[1].id, proof("the last one")).unwrap();
    let forgotten = kept.repository.forget(ONE).unwrap();
    let ids = |backups: &[Backup]| backups.iter().map(|backup| backup.id).collect::<Vec<_>>();
    assert_eq!(ids(&forgotten.dropped), [saved[0].id]);
    let left = kept.repository.backups().unwrap();
    assert_eq!(ids(&left), [saved[1].id, saved[2].id, saved[3].id]);
    assert_eq!(left[0].proof, Some(proof("the last one")));
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    assert!(read(&kept.repository, saved[1].id, "database").unwrap() == random(1, MIB));
    assert!(read(&kept.repository, saved[3].id, "database").unwrap() == random(3, MIB));
    // Nothing more is dropped.
    assert!(kept.repository.forget(ONE).unwrap().dropped.is_empty());
}

#[test]
fn unneeded_data_is_removed_in_phases() {
    let kept = empty();
    let root = kept.repository.folder();
    save(&kept.repository, "2026-11-19T12:00:00Z", &[("database", &random(5, 20 * MIB))]).unwrap();
    let last = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", &random(6, MIB))]).unwrap();
    let before = stored_bytes(root);
    for _ in 0..2 {
        assert_eq!(kept.repository.forget(ONE).unwrap().freed_bytes, 0);
        assert!(stored_bytes(root) >= before - MIB as u64, "a reader that began before still finds its packs");
    }
    let freed = kept.repository.forget_beside_readers(ONE, Span::new()).unwrap().freed_bytes;
    assert!(freed > 20 << 20, "{freed}");
    assert!(stored_bytes(root) < 3 << 20);
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    assert!(read(&kept.repository, last.id, "database").unwrap() == random(6, MIB));
}

#[test]
fn foreign_snapshots_stay() {
    let kept = empty();
    let first = save(&kept.repository, "2026-11-19T12:00:00Z", &[("database", b"rows")]).unwrap();
    let (_, mut foreign) = kept.repository.latest_snapshots().unwrap().remove(0);
    foreign.tags = rustic_core::StringList::default();
    let (_, opened) = kept.repository.session(crate::folder::View::default()).unwrap();
    opened.save_snapshots(vec![foreign]).unwrap();
    save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"more rows")]).unwrap();
    assert_eq!(kept.repository.backups().unwrap().len(), 2);
    assert_eq!(kept.repository.forget(ONE).unwrap().dropped, [first]);
    assert_eq!(opened.get_all_snapshots().unwrap().len(), 2);
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
}

#[test]
fn make_room_spares_last_proven_backup() {
    let kept = empty();
    let days = ["2026-11-17T12:00:00Z", "2026-11-18T12:00:00Z", "2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z"];
    let saved: Vec<Backup> = (0..4)
        .map(|day| save(&kept.repository, days[day], &[("database", &random(day as u64, 2 * MIB))]).unwrap())
        .collect();
    kept.repository.mark_proven(saved[1].id, proof("the last one")).unwrap();
    let size = || -> u64 {
        let data = kept.repository.folder().join("data");
        let folders = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
        files.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let before = size();
    let dropped = kept.repository.make_room(Retention::default()).unwrap();
    let ids = |backups: &[Backup]| backups.iter().map(|backup| backup.id).collect::<Vec<_>>();
    assert_eq!(ids(&dropped), [saved[0].id, saved[2].id]);
    assert_eq!(ids(&kept.repository.backups().unwrap()), [saved[1].id, saved[3].id]);
    assert!(size() + 3 * MIB as u64 <= before, "{before} bytes became {}", size());
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    assert!(read(&kept.repository, saved[1].id, "database").unwrap() == random(1, 2 * MIB));
}

#[test]
fn newest_backup_ignores_the_clock() {
    let kept = empty();
    let clocks = ["2026-11-20T12:00:00Z", "2031-01-01T00:00:00Z", "2020-01-01T00:00:00Z"];
    let saved: Vec<Backup> =
        clocks.iter().map(|clock| save(&kept.repository, clock, &[("database", b"rows")]).unwrap()).collect();
    assert_eq!(saved.iter().map(|backup| backup.sequence).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(kept.repository.backups().unwrap(), saved);
    let dropped = kept.repository.forget(ONE).unwrap().dropped;
    assert_eq!(dropped, saved[..2]);
    // The number of a removed backup is not assigned again, even if the ledger is lost.
    std::fs::remove_file(kept.repository.folder().join(crate::ledger::FILE)).unwrap();
    assert_eq!(save(&kept.repository, clocks[0], &[("database", b"rows")]).unwrap().sequence, Some(4));
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
}

#[test]
fn unnumbered_backups_come_first() {
    let kept = empty();
    let ahead = save(&kept.repository, "2031-01-01T00:00:00Z", &[("database", b"rows")]).unwrap();
    // The state that earlier versions left: the ledger and the snapshot have no number.
    let (_, mut snapshot) = kept.repository.latest_snapshots().unwrap().remove(0);
    let tags = snapshot.tags.iter().filter(|tag| !tag.starts_with("sequence=")).cloned().collect::<Vec<_>>();
    snapshot.tags = rustic_core::StringList::default();
    for tag in tags {
        snapshot.tags.add(tag);
    }
    let (_, opened) = kept.repository.session(crate::folder::View::default()).unwrap();
    opened.delete_snapshots(&[snapshot.id]).unwrap();
    snapshot.original = Some(snapshot.id);
    opened.save_snapshots(vec![snapshot]).unwrap();
    std::fs::remove_file(kept.repository.folder().join(crate::ledger::FILE)).unwrap();

    let next = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"more rows")]).unwrap();
    let known = kept.repository.backups().unwrap();
    assert_eq!((known[0].id, known[0].sequence), (ahead.id, None));
    assert_eq!(known[1], next);
    assert_eq!(kept.repository.forget(ONE).unwrap().dropped, known[..1]);
}

#[test]
fn numbers_continue_after_another_repository() {
    let kept = empty();
    kept.repository.continue_after(40).unwrap();
    assert_eq!(save(&kept.repository, "2026-11-20T12:00:00Z", &[]).unwrap().sequence, Some(41));
    kept.repository.continue_after(7).unwrap();
    assert_eq!(save(&kept.repository, "2026-11-20T13:00:00Z", &[]).unwrap().sequence, Some(42));
}

#[test]
fn failed_drill_replaces_proof() {
    let kept = empty();
    let saved = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", b"rows")]).unwrap();
    kept.repository.mark_proven(saved.id, proof("12 tables")).unwrap();
    let marked = kept.repository.mark_disproved(saved.id, proof("no tables")).unwrap();
    assert_eq!(marked, Backup { disproof: Some(proof("no tables")), ..saved.clone() });
    let reopened = Repository::open(kept.repository.folder(), SITE, &kept.key).unwrap();
    assert_eq!(reopened.backups().unwrap(), [marked]);
    let proven = reopened.mark_proven(saved.id, proof("12 tables")).unwrap();
    assert_eq!(reopened.backups().unwrap(), [Backup { proof: Some(proof("12 tables")), ..saved }]);
    assert_eq!(proven.disproof, None);
    assert_eq!(reopened.check(&landfall_progress::SilentProgress).unwrap(), []);
}

#[test]
fn packs_with_future_marks_are_removed() {
    let kept = empty();
    let root = kept.repository.folder();
    save(&kept.repository, "2026-11-19T12:00:00Z", &[("database", &random(5, 20 * MIB))]).unwrap();
    let last = save(&kept.repository, "2026-11-20T12:00:00Z", &[("database", &random(6, MIB))]).unwrap();
    kept.repository.forget(ONE).unwrap();
    let (_, opened) = kept.repository.session(crate::folder::View::default()).unwrap();
    kept.repository.date_marked_packs(&opened, |_| time("2099-01-01T00:00:00Z")).unwrap();
    let before = stored_bytes(root);
    // Newly marked data is first kept for readers.
    assert_eq!(kept.repository.forget(ONE).unwrap().freed_bytes, 0);
    assert!(stored_bytes(root) >= before - MIB as u64);
    assert!(kept.repository.forget_beside_readers(ONE, Span::new()).unwrap().freed_bytes > 20 << 20);
    assert_eq!(kept.repository.check(&landfall_progress::SilentProgress).unwrap(), []);
    assert!(read(&kept.repository, last.id, "database").unwrap() == random(6, MIB));
}
