use std::collections::BTreeMap;

use rustic_core::Id;

use super::*;
use crate::backup::{BackupKind, Proof};

fn backups(times: &[&str], proven: &[usize]) -> Vec<Backup> {
    let one = |(index, time): (usize, &&str)| Backup {
        id: BackupId::of(Id::new([u8::try_from(index).unwrap(); 32])),
        kind: BackupKind::Full,
        sequence: None,
        time: time.parse().unwrap(),
        ended: None,
        facts: BTreeMap::new(),
        streams: Vec::new(),
        proof: proven.contains(&index).then(|| Proof { time: Timestamp::UNIX_EPOCH, report: String::new() }),
        disproof: None,
    };
    times.iter().enumerate().map(one).collect()
}

fn kept_indices(retention: Retention, times: &[&str], proven: &[usize]) -> Vec<usize> {
    let backups = Backups { full: backups(times, proven), logs: Vec::new() };
    let kept = retention.kept_backups(&backups);
    (0..times.len()).filter(|index| kept.contains(&backups.full[*index].id)).collect()
}

/// Retention that keeps only what is always kept.
const NONE: Retention = Retention { hourly: 0, daily: 0, weekly: 0, monthly: 0, log_days: 0 };

/// Times within two months: several in one hour, in one day, in one week.
const TIMES: [&str; 8] = [
    "2026-10-05T12:00:00Z",
    "2026-10-30T12:00:00Z",
    "2026-11-16T12:00:00Z",
    "2026-11-17T12:00:00Z",
    "2026-11-20T23:00:00Z",
    "2026-11-21T10:00:00Z",
    "2026-11-21T11:05:00Z",
    "2026-11-21T11:55:00Z",
];

#[test]
fn newest_of_each_period_is_kept() {
    let table = [
        (NONE, vec![7]),
        (Retention { hourly: 2, ..NONE }, vec![5, 7]),
        (Retention { hourly: 3, ..NONE }, vec![4, 5, 7]),
        (Retention { daily: 1, ..NONE }, vec![7]),
        (Retention { daily: 3, ..NONE }, vec![3, 4, 7]),
        (Retention { weekly: 2, ..NONE }, vec![1, 7]),
        (Retention { monthly: 2, ..NONE }, vec![1, 7]),
        (Retention { hourly: 2, daily: 2, weekly: 3, monthly: 1, log_days: 7 }, vec![0, 1, 4, 5, 7]),
        (Retention::default(), vec![0, 1, 2, 3, 4, 7]),
    ];
    for (retention, expected) in table {
        assert_eq!(kept_indices(retention, &TIMES, &[]), expected, "{retention:?}");
    }
    assert_eq!(kept_indices(Retention::default(), &[], &[]), Vec::<usize>::new());
}

#[test]
fn default_keeps_thirty_days() {
    let day = |index: i64| (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * index)).to_string();
    let days: Vec<String> = (0..40).map(day).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    assert_eq!(kept_indices(Retention::default(), &days, &[]), (10..40).collect::<Vec<_>>());
}

#[test]
fn upgrade_backup_survives_same_night() {
    let times = ["2026-11-21T02:00:00Z", "2026-11-22T18:00:00Z", "2026-11-22T23:30:00Z"];
    let mut full = backups(&times, &[0, 1, 2]);
    for (backup, version) in full.iter_mut().zip(["1.0.0", "1.0.0", "1.1.0"]) {
        backup.facts.insert(VERSION.to_owned(), version.to_owned());
    }
    let ids: Vec<_> = full.iter().map(|backup| backup.id).collect();
    let kept = Retention { daily: 1, ..NONE }.kept_backups(&Backups { full, logs: Vec::new() });
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), ids[1..]);
}

#[test]
fn unproven_backup_displaces_no_proven_one() {
    let times = ["2026-11-20T02:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z"];
    assert_eq!(kept_indices(Retention { daily: 9, ..NONE }, &times, &[0, 2]), [0, 1, 2]);
}

#[test]
fn incomplete_backup_displaces_no_complete_one() {
    let times = ["2026-11-20T02:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"];
    let mut full = backups(&times, &[0, 1, 2, 3]);
    let lacking = crate::lacking_facts(["web/files"].into_iter());
    for index in [1, 2] {
        full[index].facts = lacking.clone();
    }
    assert_eq!(full[1].lacking().collect::<Vec<_>>(), ["web/files"]);
    let kept = |full: &[Backup]| {
        let kept = Retention { daily: 3, ..NONE }.kept_backups(&Backups { full: full.to_vec(), logs: Vec::new() });
        (0..full.len()).filter(|index| kept.contains(&full[*index].id)).collect::<Vec<_>>()
    };
    assert_eq!(kept(&full[..3]), [0, 1, 2], "the newest proven one, and everything after it");
    assert_eq!(kept(&full), [0, 3], "all of it is in a later one");
}

#[test]
fn newest_proven_backup_is_kept() {
    assert_eq!(kept_indices(NONE, &TIMES, &[0, 2]), [2, 3, 4, 5, 6, 7], "with everything later");
    assert_eq!(kept_indices(Retention { daily: 2, ..NONE }, &TIMES, &[0]), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(kept_indices(NONE, &TIMES, &[0, 6]), [6, 7]);
    assert_eq!(kept_indices(NONE, &TIMES, &[7]), [7]);
}

#[test]
fn needed_log_stays_with_its_backup() {
    let mut nights = nights();
    let (needed, other) = (nights.logs[0].id, nights.logs[1].id);
    nights.full[1].facts = crate::needed_log_facts([("db/rows", needed)].into_iter());
    let kept = |daily: u16| Retention { daily, log_days: 2, ..NONE }.kept_backups(&nights);
    let (thirty, three) = (kept(30), kept(3));
    assert!(thirty.contains(&nights.full[1].id) && thirty.contains(&needed) && !thirty.contains(&other));
    assert!(!three.contains(&nights.full[1].id) && !three.contains(&needed));
}

/// Returns a full backup for each night at 02:00 from the 10th to the 20th, and a log backup at noon of each day.
fn nights() -> Backups {
    let times = |hour: u8| (10..=20).map(|day| format!("2026-11-{day}T{hour:02}:00:00Z")).collect::<Vec<_>>();
    let as_str = |times: &[String]| backups(&times.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let (full, mut logs) = (as_str(&times(2)), as_str(&times(12)));
    for (index, log) in logs.iter_mut().enumerate() {
        log.id = BackupId::of(Id::new([100 + u8::try_from(index).unwrap(); 32]));
        log.kind = BackupKind::Log;
    }
    Backups { full, logs }
}

fn kept_days(retention: Retention, backups: &Backups) -> (Vec<i8>, Vec<i8>) {
    let kept = retention.kept_backups(backups);
    let days = |of: &[Backup]| {
        let kept = of.iter().filter(|backup| kept.contains(&backup.id));
        kept.map(|backup| backup.time.to_zoned(TimeZone::UTC).day()).collect()
    };
    (days(&backups.full), days(&backups.logs))
}

#[test]
fn points_in_time_stay_restorable() {
    let nights = nights();
    let two = Retention { daily: 1, log_days: 2, ..NONE };
    // The kept two days begin at noon of the 18th: that night's backup and all later ones are kept.
    assert_eq!(kept_days(two, &nights), (vec![18, 20], vec![17, 18, 19, 20]));
    assert_eq!(kept_days(Retention { log_days: 0, ..two }, &nights), (vec![20], vec![]));
    // A log started over in the evening of the 19th, and again an hour later.
    let mut again = nights.clone();
    for (hour, id) in [(20, 51), (21, 52)] {
        let mut begun = backups(&[&format!("2026-11-19T{hour}:00:00Z")], &[]).remove(0);
        begun.id = BackupId::of(Id::new([id; 32]));
        begun.facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
        again.full.insert(again.full.len() - 1, begun);
    }
    assert_eq!(kept_days(two, &again).0, [18, 19, 19, 20]);
    let all = Retention { daily: 1, log_days: 400, ..NONE };
    assert_eq!(kept_days(all, &nights), (vec![20], (10..=20).collect()));
}

#[test]
fn wrong_clock_drops_no_log_backup() {
    let two = Retention { daily: 9, log_days: 2, ..NONE };
    let right = kept_days(two, &nights()).1;
    for wrong in ["2036-01-01T02:00:00Z", "2020-01-01T02:00:00Z"] {
        let mut all = nights();
        let [backup] = &backups(&[wrong], &[])[..] else { panic!("one") };
        all.full.push(Backup { id: BackupId::of(Id::new([99; 32])), sequence: Some(1), ..backup.clone() });
        let (_, logs) = kept_days(two, &all);
        assert!(right.iter().all(|day| logs.contains(day)), "{wrong}: {logs:?}");
    }
}

/// Returns backups in this order, each with its sequence number.
fn sequence(times: &[&str], proven: &[usize]) -> Backups {
    let numbered = backups(times, proven).into_iter().zip(1..);
    Backups::of(numbered.map(|(backup, number)| Backup { sequence: Some(number), ..backup }).collect())
}

#[test]
fn newest_backup_survives_dead_clock() {
    let nights: Vec<String> = (0..31).map(|day| format!("2026-10-{:02}T02:00:00Z", day + 1)).collect();
    let mut times: Vec<&str> = nights.iter().map(String::as_str).collect();
    times.push("2020-01-01T00:03:00Z");
    let all = sequence(&times, &(0..31).collect::<Vec<_>>());
    let kept = Retention::default().kept_backups(&all);
    assert!(kept.contains(&all.full[31].id), "the newest");
    assert_eq!(kept.len(), 31);
}

#[test]
fn nights_after_fast_clock_are_kept() {
    let times = [
        "2026-12-20T02:00:00Z",
        "2026-12-21T02:00:00Z",
        "2026-12-22T02:00:00Z",
        "2026-11-23T02:00:00Z",
        "2026-11-24T02:00:00Z",
    ];
    let all = sequence(&times, &[0, 1, 2, 3, 4]);
    let kept = Retention { daily: 3, ..NONE }.kept_backups(&all);
    let expected: BTreeSet<BackupId> = all.full[2..].iter().map(|backup| backup.id).collect();
    assert_eq!(kept, expected);
}

#[test]
fn nightly_clock_resets_drop_nothing() {
    let all = sequence(&["2020-01-01T02:15:09Z", "2020-01-01T02:15:07Z", "2020-01-01T02:15:03Z"], &[0, 1, 2]);
    assert_eq!(Retention { daily: 7, ..NONE }.kept_backups(&all).len(), 3);
}
