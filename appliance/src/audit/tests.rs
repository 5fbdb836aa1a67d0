use proptest::prelude::*;

use super::chain::Follower;
use super::export::{Line, SCHEMA};
use super::head::Hash;
use super::*;
use crate::database::Database;

/// A log of so many entries, as it is exported.
fn log(count: i64) -> Vec<String> {
    let mut previous = Hash::BEGIN;
    let mut lines = Vec::new();
    for number in 1..=count {
        let entry = Entry {
            action: "user.create".to_owned(),
            actor: format!("person-{number} \"ü\"\n"),
            at: "2026-11-20T08:00:00.123Z".parse().unwrap(),
            correlation: format!("{number:032x}"),
            detail: String::new(),
            from: "192.0.2.7".to_owned(),
            number,
            object: format!("object-{number}"),
            outcome: if number % 3 == 0 { Outcome::Refused } else { Outcome::Done },
        };
        previous = entry.hash(&previous).unwrap();
        let line = Line::AuditEntry { schema: SCHEMA, entry, hash: previous.to_string() };
        lines.push(serde_json::to_string(&line).unwrap());
    }
    let head = Head { number: count, hash: previous };
    let exported = "2026-11-20T09:00:00Z".parse().unwrap();
    lines.push(serde_json::to_string(&Line::AuditHead { schema: SCHEMA, exported, head: head.to_string() }).unwrap());
    lines
}

fn check(lines: &[String]) -> Result<Head, String> {
    verify(lines.join("\n").as_bytes(), None).map_err(|error| error.to_string())
}

#[test]
fn a_whole_log_is_whole() {
    for count in [0, 1, 2, 100] {
        assert_eq!(check(&log(count)).unwrap().number, count);
    }
    assert!(verify(&b""[..], None).is_err(), "nothing is no log");
}

#[test]
fn the_first_broken_entry_is_named() {
    let mut lines = log(20);
    lines[11] = lines[11].replace("object-12", "object-21");
    assert!(check(&lines).unwrap_err().starts_with("entry 12 "), "{:?}", check(&lines));
    let mut lines = log(20);
    lines.remove(4);
    assert!(check(&lines).unwrap_err().starts_with("entry 5 "));
}

#[test]
fn a_removed_end_is_found_by_a_head() {
    let whole = log(20);
    let mut cut = whole.clone();
    cut.drain(15..20);
    assert!(check(&cut).is_err(), "the head names an entry that is missing");
    cut.pop();
    assert!(check(&cut).is_err(), "the head is missing");
    let forged = log(15);
    let known = check(&whole).unwrap();
    assert!(check(&forged).is_ok(), "alone it is consistent");
    assert!(verify(forged.join("\n").as_bytes(), Some(&known)).is_err(), "an earlier head finds it");
    assert!(verify(log(25).join("\n").as_bytes(), Some(&known)).is_ok());
}

#[derive(Debug, Clone)]
enum Tampering {
    Flip(usize, u8),
    Remove(usize),
    Repeat(usize),
    Swap(usize, usize),
    Cut(usize),
    Insert(usize, usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        (any::<usize>(), 1..=255_u8).prop_map(|(place, mask)| Tampering::Flip(place, mask)),
        any::<usize>().prop_map(Tampering::Remove),
        any::<usize>().prop_map(Tampering::Repeat),
        (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Tampering::Swap(one, other)),
        any::<usize>().prop_map(Tampering::Cut),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Tampering::Insert(from, to)),
    ]
}

/// The log as bytes after the tampering; none where nothing changed.
fn tampered(lines: &[String], tampering: &Tampering) -> Option<Vec<u8>> {
    let mut lines = lines.to_vec();
    let count = lines.len();
    match *tampering {
        Tampering::Flip(place, mask) => {
            let mut bytes = lines.join("\n").into_bytes();
            let place = place % bytes.len();
            bytes[place] ^= mask;
            // The time of the export is about the file, not about an entry, and nothing vouches for it.
            let head = lines.join("\n").rfind("\"exported\"").unwrap();
            let is_time = (head..head + 35).contains(&place);
            return (!is_time).then_some(bytes);
        }
        Tampering::Remove(place) => drop(lines.remove(place % count)),
        Tampering::Repeat(place) => lines.insert(place % count, lines[place % count].clone()),
        Tampering::Swap(one, other) => lines.swap(one % count, other % count),
        Tampering::Cut(place) => lines.truncate(place % count),
        Tampering::Insert(from, to) => lines.insert(to % count, lines[from % count].clone()),
    }
    Some(lines.join("\n").into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn every_tampering_is_found(tampering in tampering()) {
        let whole = log(12);
        if let Some(bytes) = tampered(&whole, &tampering)
            && bytes != whole.join("\n").into_bytes()
        {
            prop_assert!(verify(&bytes[..], None).is_err(), "{tampering:?}");
        }
    }
}

#[tokio::test]
async fn what_the_database_exports_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    let author = Author { name: "alice".into(), from: "192.0.2.7".into(), correlation: "c".into() };
    for number in 0..1203 {
        let mut write = database.write().await.unwrap();
        record(&mut write, &author, Event::done("test", &number.to_string())).await.unwrap();
        write.commit().await.unwrap();
    }
    let mut write = database.write().await.unwrap();
    record(&mut write, &author, Event::done("test", "undone")).await.unwrap();
    write.rollback().await.unwrap();
    let head = end(database.read()).await.unwrap();
    let (mut text, mut after) = (String::new(), Some(0));
    while let Some(number) = after {
        let (more, next) = export(database.read(), number, head).await.unwrap();
        text.push_str(&more);
        after = next;
    }
    assert_eq!(verify(text.as_bytes(), None).map_err(|error| error.to_string()), Ok(head));
    assert_eq!(head.number, 1203);
    let chain = Chain::of(&mut database.read().acquire().await.unwrap()).await.unwrap();
    assert!(matches!(chain, Chain::Whole(last) if last == head), "{chain:?}");
    assert_eq!(
        page(database.read(), Some(11), 3).await.unwrap().iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        [10, 9, 8]
    );
}

#[test]
fn a_follower_begins_at_the_beginning() {
    assert_eq!(Follower::new().head(), Head::EMPTY);
    assert_eq!(Head::EMPTY.to_string().parse(), Ok(Head::EMPTY));
}
