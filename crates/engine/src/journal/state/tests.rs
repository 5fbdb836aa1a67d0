use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use landfall_documents::operation::Operation;
use serde_json::json;

use super::*;
use crate::journal::Outline;

fn step(number: usize) -> StepId {
    StepId(number.to_string())
}

pub(crate) fn pins(steps: usize) -> Outline {
    Outline { operation: Operation::Install, steps: (1..=steps).map(step).collect(), closing: 0 }
}

/// Returns every possible event for steps 1 and 2 of the plan and for a step that the plan lacks.
fn every_event(pins: &Outline) -> Vec<Event<Outline>> {
    let error = || Failure {
        code: "LF9001".into(),
        what: "it broke".to_owned(),
        causes: Vec::new(),
        hint: "Repair it.".to_owned(),
    };
    let mut events = vec![
        Event::Opened { pins: pins.clone().into() },
        Event::Committed,
        Event::UndoRequested { keep_data: false, cause: UndoCause::Requested },
        Event::UndoRequested { keep_data: true, cause: UndoCause::Failed { step: step(1) } },
        Event::Undone,
    ];
    for number in 1..=3 {
        events.extend([
            Event::Prepared { step: step(number), before: json!({"mode": number}) },
            Event::Started { step: step(number) },
            Event::Done { step: step(number), output: json!(number) },
            Event::Failed { step: step(number), error: error() },
            Event::Blocked { step: step(number), what: "a file of other software".to_owned() },
            Event::UndoStarted { step: step(number) },
            Event::UndoDone { step: step(number) },
            Event::UndoFailed { step: step(number), error: error() },
        ]);
    }
    events
}

/// Returns the parts of a state that determine legality: the phase and the status of each step.
fn shape(state: &State<Outline>) -> String {
    let steps: Vec<String> = state.steps.iter().map(|step| format!("{:?}", step.status)).collect();
    let phase = match state.phase {
        Phase::Undoing { keep_data: true } => "Undoing and keeping".to_owned(),
        Phase::Undoing { keep_data: false } => "Undoing".to_owned(),
        Phase::Undone { keep_data: true } => "Undone and kept".to_owned(),
        Phase::Undone { keep_data: false } => "Undone".to_owned(),
        phase => format!("{phase:?}"),
    };
    format!("{phase} [{}]", steps.join(" "))
}

fn label(event: &Event<Outline>) -> String {
    match event {
        Event::UndoRequested { keep_data: true, .. } => "undo-requested, keeping".to_owned(),
        _ => event.step().map_or_else(|| event.name().to_owned(), |step| format!("{} {step}", event.name())),
    }
}

/// Returns every reachable shape of an operation with these pins, each with a state of that shape.
fn every_state(pins: &Outline) -> BTreeMap<String, State<Outline>> {
    let mut found = BTreeMap::from([(shape(&State::default()), State::default())]);
    let mut queue = VecDeque::from([State::default()]);
    while let Some(state) = queue.pop_front() {
        for next in every_event(pins).iter().filter_map(|event| transition(&state, event).ok()) {
            if found.insert(shape(&next), next.clone()).is_none() {
                queue.push_back(next);
            }
        }
    }
    found
}

/// Renders the table of an operation with these pins: every state by every event. Unlisted events are refused.
fn table(pins: &Outline) -> String {
    let mut table = String::new();
    for (shape_before, state) in every_state(pins) {
        writeln!(table, "{shape_before}").unwrap();
        for event in every_event(pins) {
            if let Ok(next) = transition(&state, &event) {
                writeln!(table, "    {} -> {}", label(&event), shape(&next)).unwrap();
            }
        }
    }
    table
}

/// Compares the whole table with the checked-in one.
#[test]
fn transition_table_is_unchanged() {
    insta::assert_snapshot!(table(&pins(2)));
}

/// Like `transition_table_is_unchanged`, with the second step after the commit, which makes undo impossible from there
/// on.
#[test]
fn transition_table_with_closing_step_is_unchanged() {
    insta::assert_snapshot!(table(&Outline { closing: 1, ..pins(2) }));
}

/// Invariants, checked independently of the table.
#[test]
fn transitions_keep_invariants() {
    let both = [pins(2), Outline { closing: 1, ..pins(2) }];
    for (pins, state) in both.iter().flat_map(|pins| every_state(pins).into_values().map(move |state| (pins, state))) {
        let statuses: Vec<StepStatus> = state.steps.iter().map(|step| step.status).collect();
        let begun = statuses.iter().filter(|status| **status != StepStatus::Pending).count();
        assert!(
            statuses.iter().skip(begun).all(|status| *status == StepStatus::Pending),
            "one at a time: {statuses:?}"
        );
        // Preconditions of the binary searches.
        let first_open = statuses.iter().position(|status| *status != StepStatus::Done);
        let is_before_commit = |next: &usize| state.phase != Phase::Forward || *next < state.commit_at();
        assert_eq!(state.next_forward(), first_open.filter(is_before_commit), "{statuses:?}");
        assert_eq!(state.next_undo(), statuses.iter().rposition(|status| status.is_there()), "{statuses:?}");
        if matches!(state.phase, Phase::Forward | Phase::Committed) {
            assert!(statuses.iter().rev().skip(statuses.len() - begun + 1).all(|status| *status == StepStatus::Done));
        }
        match state.phase {
            Phase::Committed => {
                let before = &statuses[..state.commit_at()];
                assert!(before.iter().all(|status| *status == StepStatus::Done));
            }
            Phase::Undone { .. } => assert!(!statuses.iter().any(|status| status.is_there())),
            _ => {}
        }
        for event in every_event(pins) {
            let Ok(next) = transition(&state, &event) else { continue };
            let is_committed = pins.closing > 0 && state.phase == Phase::Committed;
            assert!(!is_committed || next.phase == Phase::Committed, "back from the commit: {}", label(&event));
            assert!(!state.is_closed() || matches!(event, Event::UndoRequested { .. }), "closed: {}", label(&event));
            for (before, after) in state.steps.iter().zip(&next.steps) {
                let is_first = before.status == StepStatus::Pending;
                assert!(is_first || before.before == after.before, "the state before is recorded once");
            }
        }
    }
}

#[test]
fn refusal_names_event_step_and_reason() {
    let open = transition(&State::default(), &Event::Opened { pins: pins(2).into() }).unwrap();
    let refused = |event: &Event<Outline>| transition(&open, event).unwrap_err().to_string();
    insta::assert_snapshot!(refused(&Event::Started { step: step(1) }), @"`started` of step 1 is not allowed: the step is Pending");
    insta::assert_snapshot!(refused(&Event::Started { step: step(2) }), @"`started` of step 2 is not allowed: it is another step's turn");
    insta::assert_snapshot!(refused(&Event::Started { step: step(9) }), @"`started` of step 9 is not allowed: the plan has no such step");
    insta::assert_snapshot!(refused(&Event::Committed), @"`committed` is not allowed: the operation is Forward");
}
