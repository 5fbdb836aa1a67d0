//! Power cuts at every edge: before and after every append and sync, in the journal and inside steps, with every legal
//! fate of unsynced data.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::world::{Contents, Sees, Syncs, World, WriteFiles, birth, plan_of, planned_step, starter, starter_with};
use crate::journal::simulated::UnsyncedFate;
use crate::journal::{Event, Phase, StepStatus};
use crate::plan::Plan;

const FATES: [UnsyncedFate; 8] = [
    UnsyncedFate::Lost,
    UnsyncedFate::Kept,
    UnsyncedFate::Torn(1),
    UnsyncedFate::Torn(500),
    UnsyncedFate::Torn(999),
    UnsyncedFate::Zeroed(400),
    UnsyncedFate::Mixed(1),
    UnsyncedFate::Mixed(2),
];

/// Runs `first` with a power cut before operation `cut`. Returns true if the cut came before the end of the run.
fn run_until_cut(world: &mut World, cut: usize, way: Way) -> bool {
    world.disk.cut_before(cut);
    let result = way.run(world);
    assert!(world.disk.is_off() || result.is_ok(), "only the power cut may stop it: {result:?}");
    result.is_err()
}

/// Steps of all kinds: when they sync, and what they observe once complete.
const KINDS: [(Syncs, Sees); 4] = [
    (Syncs::Each, Sees::Done),
    (Syncs::AtTheEnd, Sees::Done),
    (Syncs::Each, Sees::Partial),
    (Syncs::AtTheEnd, Sees::Partial),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

impl Way {
    fn run(self, world: &mut World) -> Result<(), crate::engine::EngineError> {
        match self {
            Self::Forward => world.install(),
            Self::Back => world.uninstall(false),
        }
    }
}

fn assert_installed(world: &World, cuts: usize) {
    assert_eq!(world.disk.contents(), world.goal());
    assert_eq!(world.phase(), Phase::Committed);
    let total: usize = world.acts.values().sum();
    assert!(total <= world.plan.steps.len() + cuts, "each cut costs at most one more act: {:?}", world.acts);
}

#[test]
fn resume_completes_install_after_any_cut() {
    for fate in FATES {
        for cut in 0.. {
            let mut world = World::new(starter(), birth());
            if !run_until_cut(&mut world, cut, Way::Forward) {
                assert!(cut > 30, "there are more edges than this: {cut}");
                break;
            }
            world.disk.boot(fate);
            world.install().unwrap();
            assert_installed(&world, 1);
        }
    }
}

/// After a cut between the end of an act and its `Done`, the step is found to be done and is not started again.
#[test]
fn finished_steps_run_once_despite_cuts() {
    let mut found = 0;
    for cut in 0.. {
        let mut world = World::new(starter(), birth());
        if !run_until_cut(&mut world, cut, Way::Forward) {
            break;
        }
        world.disk.boot(UnsyncedFate::Lost);
        let files = world.disk.contents();
        let is_written = files.contains_key("one.1") && files.contains_key("one.2");
        if is_written && world.status_of("one").status == StepStatus::Started {
            found += 1;
            world.install().unwrap();
            assert_eq!(world.acts["one"], 1);
            let starts = world
                .records()
                .iter()
                .filter(|event| matches!(event, Event::Started { step } if step.0 == "one"))
                .count();
            assert_eq!(starts, 1);
        }
    }
    assert_eq!(found, 2, "before the append of Done, and before its sync");
}

#[test]
fn resume_completes_install_after_two_cuts() {
    for (first_fate, second_fate) in
        [(UnsyncedFate::Lost, UnsyncedFate::Lost), (UnsyncedFate::Torn(500), UnsyncedFate::Kept)]
    {
        for first in 0.. {
            let mut world = World::new(starter(), birth());
            if !run_until_cut(&mut world, first, Way::Forward) {
                break;
            }
            for second in 0.. {
                let mut world = World::new(starter(), birth());
                run_until_cut(&mut world, first, Way::Forward);
                world.disk.boot(first_fate);
                let is_cut = run_until_cut(&mut world, second, Way::Forward);
                world.disk.boot(second_fate);
                world.install().unwrap();
                assert_installed(&world, 2);
                if !is_cut {
                    break;
                }
            }
        }
    }
}

#[test]
fn undo_restores_birth_after_any_cut() {
    for fate in FATES {
        for cut in 0.. {
            let mut world = World::new(starter(), birth());
            if !run_until_cut(&mut world, cut, Way::Forward) {
                break;
            }
            world.disk.boot(fate);
            world.uninstall(false).unwrap();
            assert_eq!((world.disk.contents(), world.phase()), (birth(), Phase::Undone { keep_data: false }));
        }
    }
}

#[test]
fn undo_continues_after_any_cut() {
    for fate in FATES {
        for cut in 0.. {
            let mut world = World::new(starter(), birth());
            world.install().unwrap();
            world.disk.boot(UnsyncedFate::Lost);
            if !run_until_cut(&mut world, cut, Way::Back) {
                assert!(cut > 25, "there are more edges than this: {cut}");
                break;
            }
            world.disk.boot(fate);
            world.uninstall(false).unwrap();
            assert_eq!((world.disk.contents(), world.phase()), (birth(), Phase::Undone { keep_data: false }));
        }
    }
}

/// The unsynced writes of a dead process stay in the kernel's memory, where the next process finds them.
#[test]
fn leftover_writes_are_synced_before_done() {
    for (syncs, sees) in KINDS {
        for cut in 0.. {
            let mut world = World::new(starter_with(syncs, sees), birth());
            if !run_until_cut(&mut world, cut, Way::Forward) {
                break;
            }
            world.disk.revive();
            world.install().unwrap();
            world.disk.boot(UnsyncedFate::Lost);
            let found = (world.disk.contents(), world.phase());
            assert_eq!(found, (world.goal(), Phase::Committed), "{syncs:?}, {sees:?}, {cut}");
        }
    }
}

/// A complete step that does not look complete runs again with the previous state that was recorded first. A newly read
/// one would contain the step's own writes, and undo would leave those behind.
#[test]
fn repeated_step_keeps_recorded_prior_state() {
    let mut repeated = 0;
    for (syncs, fate) in KINDS.iter().flat_map(|(syncs, _)| FATES.map(|fate| (*syncs, fate))) {
        for cut in 0.. {
            let mut world = World::new(starter_with(syncs, Sees::Partial), birth());
            if !run_until_cut(&mut world, cut, Way::Forward) {
                break;
            }
            world.disk.boot(fate);
            let acts = world.acts.values().sum::<usize>();
            let is_complete = world.disk.contents() == world.goal();
            world.install().unwrap();
            assert_installed(&world, 1);
            repeated += usize::from(is_complete && world.acts.values().sum::<usize>() > acts);
            world.uninstall(false).unwrap();
            let found = (world.disk.contents(), world.phase());
            assert_eq!(found, (birth(), Phase::Undone { keep_data: false }), "{syncs:?}, {fate:?}, {cut}");
        }
    }
    assert!(repeated > 0, "no finished step was done again");
}

/// Steps of all kinds with one to three files; two steps may write the same file.
fn plans() -> impl Strategy<Value = Plan<WriteFiles>> {
    let files = vec(0..6_usize, 1..4);
    vec((files, select(&KINDS[..])), 1..5).prop_map(|steps| {
        let steps = steps.into_iter().enumerate().map(|(number, (mut files, (syncs, sees)))| {
            files.dedup();
            planned_step(
                &format!("step {number}"),
                files.iter().map(|file| format!("file {file}")).collect(),
                syncs,
                sees,
            )
        });
        plan_of(steps.collect())
    })
}

fn births() -> impl Strategy<Value = Contents> {
    btree_map("file [0-9]", vec(any::<u8>().prop_map(|byte| byte % 64 + 32), 1..20), 0..5)
}

fn fates() -> impl Strategy<Value = UnsyncedFate> {
    prop_oneof![
        Just(UnsyncedFate::Lost),
        Just(UnsyncedFate::Kept),
        (0..1000_usize).prop_map(UnsyncedFate::Torn),
        (0..1000_usize).prop_map(UnsyncedFate::Zeroed)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_never_change_the_outcome(
        plan in plans(),
        birth in births(),
        cuts in vec((0..60_usize, fates()), 0..6),
        cuts_of_undo in vec((0..60_usize, fates()), 0..4),
        is_undone in any::<bool>(),
    ) {
        let mut world = World::new(plan, birth.clone());
        for (cut, fate) in &cuts {
            run_until_cut(&mut world, *cut, Way::Forward);
            world.disk.boot(*fate);
        }
        if !is_undone {
            world.install().unwrap();
            assert_installed(&world, cuts.len());
            return Ok(());
        }
        for (cut, fate) in cuts_of_undo {
            run_until_cut(&mut world, cut, Way::Back);
            world.disk.boot(fate);
        }
        world.uninstall(false).unwrap();
        prop_assert_eq!((world.disk.contents(), world.phase()), (birth, Phase::Undone { keep_data: false }));
    }
}
