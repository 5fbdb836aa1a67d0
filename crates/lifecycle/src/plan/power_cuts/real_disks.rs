//! Changes on real filesystems, in a separate process that is cut at any time: real syncs and a real recovery.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use landfall_documents::operation::Operation;
use landfall_engine::engine::End;
use landfall_engine::plan::{OnFailure, Plan, StepId};
use landfall_media::mounted::on_tmpfs;
use landfall_media::real_disk::{Filesystem, RealDisk};

use super::world::World;
use super::{Cut, change, change_of_node, copied_data, restore, restored_volumes};
use crate::steps::action::Action;

/// Variables of the process: the number of its change, the failing step, and the number of earlier power cuts.
const CHANGE: &str = "LANDFALL_TEST_CHANGE";
const FAULT: &str = "LANDFALL_TEST_FAULT";
const BOOT: &str = "LANDFALL_TEST_BOOT";

/// Number of cuts of each change on each filesystem.
const CUTS: u32 = 8;

fn changes() -> Vec<Plan<Action>> {
    vec![
        change(Operation::Upgrade, copied_data()),
        change(Operation::Rollback, restored_volumes()),
        restore::tests::plan(),
        change_of_node(Operation::Upgrade),
    ]
}

fn variable(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Returns the ID of the step with this number. A second wait is the same action, so the first one fails.
fn fault_of(plan: &Plan<Action>, number: Option<usize>) -> Option<StepId> {
    let action = &plan.steps[number?].action;
    plan.steps.iter().find(|planned| planned.action == *action).map(|planned| planned.id.clone())
}

/// Runs the change in the separate process.
fn change_in_this_process(disk: &Path) {
    let plan = changes().swap_remove(variable(CHANGE).unwrap());
    let mut world = World::at(&disk.join("site"), &plan);
    world.fault = fault_of(&plan, variable(FAULT));
    world.boot(variable(BOOT).unwrap());
    RealDisk::promise("begins");
    world.change();
    RealDisk::promise("ends");
}

/// A change on one real filesystem.
struct RealCut<'a> {
    test: &'a str,
    folder: &'a Path,
    filesystem: Filesystem,
    number: usize,
    plan: &'a Plan<Action>,
    cut: &'a Cut<'a>,
}

impl RealCut<'_> {
    /// Cuts the change twice, then lets it end. The first cut comes after `part` of its running time, which is measured
    /// if unknown.
    fn cut_twice(&self, part: u32, fault: Option<usize>, length: &mut Option<Duration>) {
        let disk = RealDisk::make(self.folder, self.filesystem);
        let variables = |boot: usize| {
            let variables = [(CHANGE, Some(self.number)), (FAULT, fault), (BOOT, Some(boot))];
            let given = variables.into_iter().filter_map(|(name, value)| Some((name, value?.to_string().into())));
            given.collect::<Vec<(&str, OsString)>>()
        };
        let mut world = World::new(&disk.path().join("site"), self.plan);
        let before = world.contents();
        let length = *length.get_or_insert_with(|| {
            let (length, _) = disk.run(self.test, &variables(0));
            std::fs::remove_dir_all(disk.path().join("site")).unwrap();
            world = World::new(&disk.path().join("site"), self.plan);
            length
        });
        let what = format!("{:?}, change {}, fault {fault:?}, part {part}", self.filesystem, self.number);
        disk.cut(self.test, &variables(1), length * part / CUTS);
        if !world.has_begun() {
            assert_eq!(world.contents(), before, "{what}");
        }
        // The second cut makes the process see errors of the disk.
        let promised = disk.fail(self.test, &variables(2), length * (part * 5 % CUTS) / CUTS);
        if promised.iter().any(|promise| promise == "ends") {
            assert!(world.has_ended(), "{what}");
        }
        world.fault = fault_of(self.plan, fault);
        world.boot(3);
        let end = world.change();
        assert_eq!(end == End::Undone, fault.is_some(), "{what}");
        self.cut.expect(&world, end, &what);
    }
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn change_on_a_real_filesystem_that_is_cut_ends_as_one_of_the_two() {
    let test = "plan::power_cuts::real_disks::change_on_a_real_filesystem_that_is_cut_ends_as_one_of_the_two";
    if let Some(disk) = RealDisk::of_this_process() {
        return change_in_this_process(&disk);
    }
    let Some(folder) = on_tmpfs(test, "size=1g") else { return };
    for filesystem in Filesystem::ALL {
        for (number, plan) in changes().iter().enumerate() {
            let OnFailure::Undo { from } = plan.on_failure else { panic!("its undo is automatic") };
            let (cut, mut length) = (Cut::of(plan), None);
            let real = RealCut { test, folder: &folder, filesystem, number, plan, cut: &cut };
            for part in 0..CUTS {
                // Every second run is undone from a failing step.
                let of_steps = (plan.steps.len() - from) * part as usize / CUTS as usize;
                let fault = (part % 2 == 1).then_some(from + of_steps);
                real.cut_twice(part, fault, &mut length);
            }
        }
    }
}
