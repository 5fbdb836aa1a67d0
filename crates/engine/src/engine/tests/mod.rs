//! Tests of the engine over a disk that loses unsynced writes, with steps that write to that disk.

mod cuts;
mod going_back;
mod world;

use landfall_error_codes::{ExitClass, codes};

use self::world::{Fault, World, birth, plan, starter};
use super::*;

#[test]
fn uninterrupted_run_acts_once_per_step() {
    let mut world = World::new(starter(), birth());
    world.install().unwrap();
    assert_eq!(world.disk.contents(), world.goal());
    assert!(world.acts.values().all(|acts| *acts == 1), "{:?}", world.acts);
    let names: Vec<String> = world.records().iter().map(|event| event.name().to_owned()).collect();
    let step = ["prepared", "started", "done"];
    let expected: Vec<&str> = ["opened"].into_iter().chain(step.repeat(3)).chain(["committed"]).collect();
    assert_eq!(names, expected);
}

#[test]
fn undo_runs_in_reverse() {
    let mut world = World::new(starter(), birth());
    world.install().unwrap();
    world.uninstall(false).unwrap();
    assert_eq!(world.disk.contents(), birth());
    assert_eq!(world.undone, ["three", "two", "one"]);
}

#[test]
fn rescues_precede_first_undo() {
    let mut world = World::new(starter(), birth());
    world.fault = Some(Fault::Act("two"));
    assert_eq!(world.install().unwrap_err().code(), codes::SITE_IO);
    // A failed rescue does not keep the undo from trying.
    world.fault = Some(Fault::Rescue("one"));
    world.uninstall(false).unwrap();
    assert_eq!(world.rescued, [("one".to_owned(), 0), ("two".to_owned(), 0)]);
    assert_eq!(world.undone, ["two", "one"]);
    assert_eq!(world.disk.contents(), birth());
}

#[test]
fn failed_step_resumes_with_recorded_state() {
    let mut world = World::new(starter(), birth());
    world.fault = Some(Fault::Act("two"));
    let error = world.install().unwrap_err();
    assert_eq!((error.code(), error.code().class), (codes::SITE_IO, ExitClass::Resumable));
    insta::assert_snapshot!(error, @"step two (write two) failed; journal record 6");
    assert!(matches!(world.records().last(), Some(Event::Failed { step, .. }) if step.0 == "two"));
    world.install().unwrap();
    assert_eq!(world.disk.contents(), world.goal());
    assert_eq!(world.acts["one"], 1);
    world.uninstall(false).unwrap();
    assert_eq!(world.disk.contents(), birth(), "a state before taken after the failure would be wrong");
}

#[test]
fn failed_observation_leaves_nothing_to_undo() {
    let mut world = World::new(starter(), birth());
    world.fault = Some(Fault::Observe("two"));
    let error = world.install().unwrap_err();
    assert!(matches!(&error, EngineError::StepFailed { step, record: 4, .. } if step.0 == "two"), "{error:?}");
    world.uninstall(false).unwrap();
    assert_eq!(world.undone, ["one"]);
    assert_eq!(world.disk.contents(), birth());
}

#[test]
fn foreign_objects_leave_operation_stuck() {
    let mut world = World::new(starter(), birth());
    world.disk.place("two.2", b"foreign: a file of other software").unwrap();
    let found = world.disk.contents();
    let error = world.install().unwrap_err();
    assert_eq!((error.code(), error.code().class), (codes::STEP_FOREIGN, ExitClass::Stuck));
    insta::assert_snapshot!(error, @"step two (write two) found what is not Landfall's: two.2 holds a file of other software; journal record 4");
    assert!(!world.acts.contains_key("two"));
    assert_eq!(world.status_of("two").blocked.as_deref(), Some("two.2 holds a file of other software"));
    assert_eq!(world.install().unwrap_err().code(), codes::STEP_FOREIGN);
    world.disk.place("two.2", b"").unwrap();
    world.install().unwrap();
    assert_eq!(world.disk.contents(), world.goal());
    assert_eq!(found["two.2"], b"foreign: a file of other software");
}

#[test]
fn undo_leaves_initially_complete_steps() {
    let before = [("one.1", "one.1 by landfall"), ("one.2", "one.2 by landfall")];
    let before: world::Contents =
        before.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into_iter().collect();
    let mut world = World::new(starter(), before.clone());
    world.install().unwrap();
    assert!(!world.acts.contains_key("one"));
    world.uninstall(false).unwrap();
    assert_eq!(world.disk.contents(), before);
}

#[test]
fn failed_undo_is_stuck_and_retryable() {
    let mut world = World::new(starter(), birth());
    world.fault = Some(Fault::Act("three"));
    assert_eq!(world.install().unwrap_err().code(), codes::SITE_IO);
    world.fault = Some(Fault::Undo("two"));
    let error = world.uninstall(false).unwrap_err();
    assert_eq!((error.code(), error.code().class), (codes::UNDO_FAILED, ExitClass::Stuck));
    insta::assert_snapshot!(error, @"step two (write two) could not be undone; journal record 14; before that, cannot write three [LF4015]");
    assert_eq!(world.install().unwrap_err().code(), codes::BUG, "an undo cannot be turned back into a change");
    world.uninstall(false).unwrap();
    assert_eq!(world.disk.contents(), birth());
    assert_eq!(world.undone, ["three", "two", "one"]);
}

#[test]
fn irreversible_step_refuses_undo_unchanged() {
    let mut steps = starter();
    steps.steps[1].undo = Undo::Irreversible;
    let mut world = World::new(steps, birth());
    world.install().unwrap();
    let error = world.uninstall(false).unwrap_err();
    assert_eq!((error.code(), error.code().class), (codes::UNDO_IMPOSSIBLE, ExitClass::Stuck));
    assert_eq!(world.disk.contents(), world.goal());
    assert_eq!(world.undone, Vec::<String>::new());
}

#[test]
fn keep_data_can_be_revoked() {
    let mut world = World::new(starter(), birth());
    world.install().unwrap();
    world.fault = Some(Fault::Undo("two"));
    assert_eq!(world.uninstall(true).unwrap_err().code(), codes::UNDO_FAILED);
    assert_eq!(world.phase(), Phase::Undoing { keep_data: true });
    world.uninstall(false).unwrap();
    assert_eq!(world.phase(), Phase::Undone { keep_data: false });
}

#[test]
fn failed_step_sync_stops_all_writes() {
    let mut world = World::new(starter(), birth());
    world.fault = Some(Fault::Sync("two"));
    let error = world.install().unwrap_err();
    assert_eq!(error.code(), codes::SYNC_FAILED);
    assert!(matches!(world.records().last(), Some(Event::Started { step }) if step.0 == "two"));
    world.install().unwrap();
    assert_eq!(world.disk.contents(), world.goal());
}

/// The disk fails one sync and claims success from then on. The journal must not be used again, and no step may act on
/// a record that is not durable.
#[test]
fn failed_sync_ends_operation() {
    let mut failures = 0;
    for operation in 0.. {
        let mut world = World::new(plan(&["one", "two"]), birth());
        world.disk.fail_sync(operation);
        match world.install() {
            Err(EngineError::Journal(error)) => {
                assert!(error.is_fatal(), "{error:?}");
                assert_eq!(error.code(), codes::JOURNAL_SYNC);
                assert_eq!(world.operations_of_last_run, operation + 1, "nothing accessed the disk after the failure");
                failures += 1;
            }
            // The step's own sync failed, or the operation was not a sync.
            Err(error) => assert_eq!(error.code(), codes::SITE_IO),
            Ok(()) if world.operations_of_last_run < operation => break,
            Ok(()) => {}
        }
    }
    assert_eq!(failures, 1 + 2 * 3 + 1, "the load, three records per step, and the commit");
}
