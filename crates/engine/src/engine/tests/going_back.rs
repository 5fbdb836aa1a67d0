//! Operations that undo themselves. Whatever fails, and whenever the power is cut, the site ends either with everything
//! that the plan makes or exactly as it was.

use landfall_documents::operation::Operation;

use super::world::{Fault, Sees, Syncs, World, WriteFiles, birth, plan_of, planned_step};
use super::*;
use crate::journal::UndoCause;
use crate::journal::simulated::UnsyncedFate;

/// Plan with a step that only prepares, two that change what users see, and one that removes what the previous state
/// needed.
fn change() -> Plan<WriteFiles> {
    let step = |name: &str| planned_step(name, vec![format!("{name}.1"), format!("{name}.2")], Syncs::Each, Sees::Done);
    let mut plan = plan_of(vec![step("one"), step("two"), step("three")]);
    plan.closing = vec![step("closing")];
    plan.on_failure = OnFailure::Undo { from: 1 };
    plan
}

fn world() -> World {
    World::new(change(), birth())
}

/// Causes of the undo according to the journal.
fn causes(world: &World) -> Vec<UndoCause> {
    let cause = |event: Event<_>| match event {
        Event::UndoRequested { cause, keep_data } => {
            assert!(keep_data, "an automatic undo deletes no data");
            Some(cause)
        }
        _ => None,
    };
    world.records().into_iter().filter_map(cause).collect()
}

#[test]
fn commit_precedes_closing_steps() {
    let mut world = world();
    assert_eq!(world.change().unwrap(), End::Committed);
    assert_eq!(world.disk.contents(), world.goal());
    let names: Vec<_> = world.records().iter().map(|event| (event.name(), event.step().cloned())).collect();
    let committed = names.iter().position(|(name, _)| *name == "committed").unwrap();
    assert!(names[committed + 1..].iter().all(|(_, step)| step.as_ref().is_some_and(|step| step.0 == "closing")));
    assert_eq!(world.change().unwrap(), End::Committed, "again, it has nothing to do");
}

#[test]
fn permanent_failure_undoes_the_change() {
    let mut world = world();
    world.fault = Some(Fault::Act("three"));
    assert_eq!(world.change().unwrap(), End::Undone);
    assert_eq!(world.disk.contents(), birth());
    assert_eq!(causes(&world), [UndoCause::Failed { step: StepId("three".to_owned()) }]);
    assert_eq!(world.undone, ["three", "two", "one"]);
    assert_eq!(world.change().unwrap(), End::Undone, "again, it has nothing to do");
}

#[test]
fn failed_undo_resumes() {
    let mut world = world();
    world.plan.operation = Operation::Configure;
    world.fault = Some(Fault::Act("three"));
    world.then = Some(Fault::Undo("two"));
    let error = world.change().unwrap_err();
    assert_eq!(error.code(), codes::UNDO_FAILED);
    assert!(error.hint().unwrap().contains("run `landfall resume`"), "{error:?}");
    assert_eq!(world.change().unwrap(), End::Undone);
    assert_eq!(world.disk.contents(), birth());
}

#[test]
fn failure_before_first_change_stops() {
    let mut world = world();
    world.fault = Some(Fault::Act("one"));
    assert_eq!(world.change().unwrap_err().code(), codes::SITE_IO);
    assert_eq!(world.phase(), Phase::Forward);
    assert_eq!(world.change().unwrap(), End::Committed);
}

#[test]
fn transient_failure_retries_then_undoes() {
    let mut world = world();
    world.fault = Some(Fault::Always("two"));
    assert_eq!(world.change().unwrap(), End::Undone);
    assert_eq!(world.acts["two"], 3, "it was tried three times");
    assert_eq!(world.disk.contents(), birth());
}

#[test]
fn closing_failure_resumes_after_commit() {
    let mut world = world();
    world.plan.closing = vec![planned_step("three", vec!["a".to_owned(), "b".to_owned()], Syncs::Each, Sees::Done)];
    world.plan.steps.pop();
    world.fault = Some(Fault::Act("three"));
    assert_eq!(world.change().unwrap_err().code(), codes::SITE_IO);
    assert_eq!(world.phase(), Phase::Committed);
    assert_eq!(world.uninstall(false).unwrap_err().code(), codes::BUG, "a commit cannot be undone");
    assert_eq!(world.change().unwrap(), End::Committed);
    assert_eq!(world.disk.contents(), world.goal());
}

#[test]
fn repeated_power_loss_undoes_the_change() {
    let mut world = world();
    world.fault = Some(Fault::Power("two"));
    for _ in 0..3 {
        // The journal cannot record that the step failed.
        assert_eq!(world.change().unwrap_err().code(), codes::JOURNAL_IO);
        assert!(world.disk.is_off());
        world.disk.boot(UnsyncedFate::Lost);
        assert_eq!(world.status_of("two").status, StepStatus::Started);
    }
    assert_eq!(world.change().unwrap(), End::Undone);
    assert_eq!(causes(&world), [UndoCause::Died { step: StepId("two".to_owned()) }]);
    assert_eq!(world.disk.contents(), birth());
}

/// The site ends in exactly one of the two states, after any cut, with and without a fault that triggers the undo.
#[test]
fn cut_change_ends_committed_or_undone() {
    for fault in [None, Some(Fault::Act("three"))] {
        for fate in [UnsyncedFate::Lost, UnsyncedFate::Kept, UnsyncedFate::Torn(500)] {
            for cut in 0.. {
                let mut world = world();
                world.fault = fault;
                world.disk.cut_before(cut);
                let first = world.change();
                if first.is_ok() {
                    assert!(cut > 40, "there are more edges than this: {cut}");
                    break;
                }
                world.disk.boot(fate);
                let end = world.change().unwrap();
                let expected = if end == End::Committed { world.goal() } else { birth() };
                assert_eq!(world.disk.contents(), expected, "{fault:?}, {fate:?}, cut {cut}");
                assert!(fault.is_some() || end == End::Committed, "only a fault makes it go back");
            }
        }
    }
}
