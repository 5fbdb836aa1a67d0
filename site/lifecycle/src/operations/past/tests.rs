use std::path::PathBuf;

use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_engine::journal::{JournalFile, RecordedError, UndoCause, record};
use landfall_engine::plan::StepId;
use landfall_error_codes::{Coded, codes};
use serde_json::{Value, json};

use super::*;
use crate::operations::install::tests::{Fixture, release};
use crate::pins::{Entry, Event, Replay};

/// What an operation of this kind is pinned to, with one step.
fn pins(operation: &str, version: &str, counter: u64) -> Pins {
    let digest = format!("sha256:{}", "ab".repeat(32));
    serde_json::from_value(json!({
        "operation": operation, "bundle": digest, "release": "starter", "version": version, "counter": counter,
        "settings": {"node": {}, "network": {}, "values": {}}, "engine": digest,
        "trust": {"fingerprint": digest, "number": 1, "development": false, "came": "file", "root": "{}"},
        "media": "/media/stick", "node": {"name": "node", "address": "192.0.2.1"}, "steps": ["stage"], "plan": "{}",
    }))
    .unwrap()
}

/// The operation of a journal with these events, each at its second after the given time.
fn past(number: u64, begins: &str, pins: Pins, events: Vec<(i64, Event)>) -> Past {
    let begins: Timestamp = begins.parse().unwrap();
    let operation = pins.operation;
    let (mut bytes, mut tail) = (Vec::new(), record::Tail::default());
    for (second, event) in std::iter::once((0, Event::Opened { pins: Box::new(pins) })).chain(events) {
        let at = Timestamp::from_second(begins.as_second() + second).unwrap();
        let (encoded, next) = record::encode(&serde_json::to_vec(&Entry { at, event }).unwrap(), tail);
        bytes.extend(encoded);
        tail = next;
    }
    let path = PathBuf::from(format!("{number:06}-{}.journal", operation.name()));
    let replay = Replay::of(&bytes, &path).unwrap();
    Past { file: JournalFile { number, operation: Some(operation), path }, replay }
}

fn stage() -> StepId {
    StepId("stage".to_owned())
}

/// The one step is done.
fn done() -> Vec<(i64, Event)> {
    vec![
        (1, Event::Prepared { step: stage(), before: Value::Null }),
        (2, Event::Started { step: stage() }),
        (60, Event::Done { step: stage(), output: Value::Null }),
    ]
}

/// The same, and the operation is committed at this second.
fn committed(second: i64) -> Vec<(i64, Event)> {
    done().into_iter().chain([(second, Event::Committed)]).collect()
}

/// The step is done and undone again.
fn undone() -> Vec<(i64, Event)> {
    let undo = [
        (70, Event::UndoRequested { keep_data: true, cause: UndoCause::Requested }),
        (71, Event::UndoStarted { step: stage() }),
        (80, Event::UndoDone { step: stage() }),
        (81, Event::Undone),
    ];
    done().into_iter().chain(undo).collect()
}

/// The step failed with this code.
fn failed(code: &str) -> Vec<(i64, Event)> {
    let error = RecordedError {
        code: code.to_owned(),
        what: "it failed".to_owned(),
        causes: Vec::new(),
        hint: "look".to_owned(),
    };
    done().into_iter().take(2).chain([(9, Event::Failed { step: stage(), error })]).collect()
}

fn fields(operation: &PastOperation) -> (u64, &str, Option<&str>, &str, &str, Option<u64>) {
    let from = operation.from.as_ref().map(|from| from.version.as_str());
    let (name, outcome) = (operation.operation.name(), operation.outcome.name());
    (operation.number, name, from, operation.to.version.as_str(), outcome, operation.duration_seconds)
}

#[test]
fn each_operation_names_where_it_began_where_it_led_and_how_it_ended() {
    let operations = [
        past(1, "2026-11-20T08:00:00Z", pins("install", "1.0.0", 1), committed(300)),
        past(2, "2026-11-21T08:00:00Z", pins("upgrade", "1.1.0", 2), undone()),
        past(3, "2026-11-22T08:00:00Z", pins("upgrade", "1.1.0", 2), committed(600)),
        past(4, "2026-11-23T08:00:00Z", pins("configure", "1.1.0", 2), committed(61)),
        past(5, "2026-11-24T08:00:00Z", pins("rollback", "1.0.0", 1), committed(90)),
        past(6, "2026-11-25T08:00:00Z", pins("restore", "1.0.0", 1), done()),
    ];
    let listed = newest_first(&operations);
    let expected = [
        (6, "restore", Some("1.0.0"), "1.0.0", "open", None),
        (5, "rollback", Some("1.1.0"), "1.0.0", "committed", Some(90)),
        (4, "configure", Some("1.1.0"), "1.1.0", "committed", Some(61)),
        (3, "upgrade", Some("1.0.0"), "1.1.0", "committed", Some(600)),
        (2, "upgrade", Some("1.0.0"), "1.1.0", "undone", Some(81)),
        (1, "install", None, "1.0.0", "committed", Some(300)),
    ];
    assert_eq!(listed.iter().map(fields).collect::<Vec<_>>(), expected);
    let times = |operation: &PastOperation| (operation.began.clone(), operation.ended.clone());
    assert_eq!(times(&listed[0]), ("2026-11-25T08:00:00Z".to_owned(), None));
    let ended = Some("2026-11-20T08:05:00Z".to_owned());
    assert_eq!(times(&listed[5]), ("2026-11-20T08:00:00Z".to_owned(), ended));
}

#[test]
fn what_only_a_person_can_continue_is_stuck() {
    let outcome = |pins, events| newest_first(&[past(1, "2026-11-20T08:00:00Z", pins, events)])[0].outcome;
    let install = || pins("install", "1.0.0", 1);
    assert_eq!(outcome(install(), failed("LF4207")), OperationOutcome::Stuck);
    assert_eq!(outcome(install(), failed("LF4103")), OperationOutcome::Open, "resume tries it again");
    assert_eq!(outcome(install(), Vec::new()), OperationOutcome::Open);
    // Steps that follow the commit are still to be done.
    let closing = Pins { steps: vec![stage(), StepId("collect".to_owned())], closing: 1, ..install() };
    assert_eq!(outcome(closing, committed(61)), OperationOutcome::Open);
}

#[test]
fn a_clock_that_was_set_back_gives_no_duration() {
    let operations = [past(1, "2026-11-20T08:00:00Z", pins("install", "1.0.0", 1), committed(-5))];
    let listed = newest_first(&operations);
    assert_eq!((listed[0].outcome, listed[0].duration_seconds), (OperationOutcome::Committed, None));
    assert_eq!(listed[0].ended.as_deref(), Some("2026-11-20T07:59:55Z"));
}

#[test]
fn a_machine_without_a_site_has_no_operations_and_one_whose_journal_is_lost_says_so() {
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
    assert!(fixture.operations.past_operations().unwrap().is_empty());
    fixture.prepared().run().unwrap();
    let listed = fixture.operations.past_operations().unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.number, one.outcome)).collect::<Vec<_>>(),
        [(1, OperationOutcome::Committed)]
    );
    fs_err::remove_dir_all(fixture.operations.paths.journal()).unwrap();
    assert_eq!(fixture.operations.past_operations().unwrap_err().code(), codes::JOURNAL_MISSING);
}
