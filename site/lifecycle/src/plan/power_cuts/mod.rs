//! Power cuts at every edge of the journals of upgrades, rollbacks and restores: the change ends by itself as exactly one of the two, with
//! that one's data, and no row is lost that a client knows to be stored.

mod world;

use std::collections::BTreeMap;

use landfall_engine::engine::End;
use landfall_engine::journal::simulated::Unsynced;
use landfall_engine::plan::{OnFailure, Operation, Plan, StepId};

use super::restore;
use super::upgrade::ChangedData;
use super::upgrade::tests::{restored, side, stop};
use crate::backups::LiveVolume;
use crate::steps::action::Action;
use crate::steps::stop::Stop;
use landfall_cluster::ObjectName;
use mimalloc::MiMalloc;
use world::{EMPTY_DATABASE, ROWS, SAVED, World};

/// These tests take and free memory without an end. The C library of the static target returns each piece to the kernel, which takes
/// half of their time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Every fate that files may have together, and some of a fate of its own for each file.
const FATES: [Unsynced; 6] = [
    Unsynced::Lost,
    Unsynced::Kept,
    Unsynced::Torn(500),
    Unsynced::Zeroed(500),
    Unsynced::Mixed(1),
    Unsynced::Mixed(2),
];

fn copied() -> ChangedData {
    let volume = |folder: &str| LiveVolume { folder: folder.to_owned(), stop: stop() };
    ChangedData::Copied(vec![volume("pvc-1_db_data"), volume("pvc-2_db_log")])
}

/// Two volumes of one workload, and what a backup has of each.
fn restored_volumes() -> ChangedData {
    let ChangedData::Restored(mut streams) = restored() else { unreachable!("it is restored") };
    let mut log = streams[0].clone();
    log.stream.rule = "log".to_owned();
    log.volume.folder = "pvc-2_db_log".to_owned();
    streams.push(log);
    ChangedData::Restored(streams)
}

/// A change between two releases: a database whose data and number of pods change, a program that uses it, one that goes and one that
/// comes.
fn change(operation: Operation, data: ChangedData) -> Plan<Action> {
    let older = side("1.0.0", 1).with("db", "db:1", &[]).with_pods("db", 1);
    let older = older.with("api", "api:1", &[]).with("old", "old:1", &["model"]);
    let newer = side("1.1.0", 2).with("db", "db:2", &[]).with("api", "api:1", &[]).with("new", "new:1", &["model"]);
    let (before, after) = if operation == Operation::Upgrade { (older, newer) } else { (newer, older) };
    let api = ObjectName::new("apps/v1", "Deployment", "api", "api");
    let clients =
        BTreeMap::from([("api".to_owned(), vec![Stop { workload: api, pods: "app=api".to_owned(), replicas: 3 }])]);
    before.with_clients_to(&after, operation, &BTreeMap::from([("db".to_owned(), data)]), &clients).unwrap().plan
}

/// A change between two releases with different node packs: etcd, the control plane, containerd, the kubelet, the agent, and a component.
fn change_of_node(operation: Operation) -> Plan<Action> {
    let older = side("1.0.0", 1).with("web", "web:1", &[]);
    let newer = side("1.1.0", 2).with("web", "web:2", &[]).with_kubernetes("v1.36.4");
    let (before, after) = if operation == Operation::Upgrade { (older, newer) } else { (newer, older) };
    before.with_clients_to(&after, operation, &BTreeMap::new(), &BTreeMap::new()).unwrap().plan
}

/// Ends as one of the two, whatever was cut.
fn expect_one_of_two(world: &World, end: End, birth: &World, goal: &World, what: &str) {
    let is_committed = end == End::Committed;
    let expected = if is_committed { goal } else { birth };
    assert_eq!(world.release(), expected.release(), "{what}: {end:?}");
    let running = |world: &World| world.below("running/").into_keys().collect::<Vec<_>>();
    assert_eq!(running(world), running(birth), "{what}: every workload runs that ran");
    assert!(world.below("webhooks/").is_empty(), "{what}: webhooks judge again");
    let beside = world.below("beside/");
    assert!(beside.keys().all(|name| name.starts_with("after.")), "{what}: {beside:?}");
    for (folder, rows) in world.below("volume/") {
        let is_loaded = is_committed && goal.below("volume/")[&folder].starts_with(SAVED);
        let first = if is_loaded { SAVED } else { ROWS };
        assert!(rows.starts_with(first), "{what}: {folder} has {rows}");
        assert!(!rows.contains(EMPTY_DATABASE), "{what}: {folder} has {rows}");
    }
    let stored = world.below("volume/").into_values().chain(beside.into_values()).collect::<String>();
    for row in &world.acknowledged {
        assert!(stored.contains(row), "{what}: {row} is lost, there is {stored}");
    }
}

/// The change with this fault, cut before each operation of the disk. Returns how many edges there are, and how often it was committed.
fn cut_everywhere(plan: &Plan<Action>, fault: Option<&StepId>, fate: Unsynced) -> (usize, usize) {
    let (birth, mut goal) = (World::new(plan.clone()), World::new(plan.clone()));
    assert_eq!(goal.change().unwrap(), End::Committed);
    assert_ne!(goal.disk.contents(), birth.disk.contents());
    let mut committed = 0;
    for cut in 0.. {
        let mut world = World::new(plan.clone());
        world.fault = fault.cloned();
        world.disk.cut_before(cut);
        let first = world.change();
        if first.is_ok() {
            return (cut, committed);
        }
        assert!(world.disk.is_off(), "only the cut stops it: {first:?}");
        world.disk.boot(fate);
        if !world.has_begun() {
            assert_eq!(world.disk.contents(), birth.disk.contents());
            continue;
        }
        // The second cut comes somewhere in what follows.
        let second = (cut * 7 + 3) % 60;
        world.disk.cut_before(second);
        if world.change().is_err() {
            assert!(world.disk.is_off());
            world.disk.boot(fate);
        }
        world.disk.revive();
        let end = world.change().unwrap();
        let what = format!("{fault:?}, {fate:?}, cuts {cut} and {second}");
        expect_one_of_two(&world, end, &birth, &goal, &what);
        assert_eq!(end == End::Undone, fault.is_some(), "{what}: only a fault makes it go back");
        committed += usize::from(end == End::Committed);
    }
    unreachable!("a change ends")
}

/// Every step fails once in a run of its own; the last ones and no fault meet every fate of unsynced data.
fn cut(plan: &Plan<Action>) {
    let OnFailure::Undo { from } = plan.on_failure else { panic!("it goes back by itself") };
    for fate in FATES {
        let (edges, committed) = cut_everywhere(plan, None, fate);
        assert!(edges > 60 && committed + 3 > edges, "{edges} edges, {committed} times committed");
    }
    for (index, planned) in plan.steps.iter().enumerate().skip(from) {
        let step = &planned.id;
        // A second wait is the same action: the first one fails.
        if plan.steps[..index].iter().any(|earlier| earlier.action == planned.action) {
            continue;
        }
        let fate = FATES[index % FATES.len()];
        let (edges, committed) = cut_everywhere(plan, Some(step), fate);
        assert!(edges > (index - from) * 4 && committed == 0, "{step}: {edges} edges, {committed} times committed");
    }
}

#[test]
fn an_upgrade_cut_at_every_edge_ends_as_one_release_with_its_data() {
    cut(&change(Operation::Upgrade, copied()));
}

#[test]
fn an_upgrade_of_the_node_cut_at_every_edge_ends_with_one_node_pack() {
    cut(&change_of_node(Operation::Upgrade));
    let mut world = World::new(change_of_node(Operation::Upgrade));
    assert_eq!(world.change().unwrap(), End::Committed);
    let made = world.below("made/");
    assert!(made["kubeadm-configuration"].contains("v1.36.4") && !made.contains_key("etcd-snapshot"), "{made:?}");
}

#[test]
fn a_rollback_of_the_node_cut_at_every_edge_ends_with_one_node_pack() {
    cut(&change_of_node(Operation::Rollback));
}

#[test]
fn a_rollback_that_keeps_data_and_is_cut_at_every_edge_ends_as_one_release_with_its_data() {
    cut(&change(Operation::Rollback, copied()));
}

#[test]
fn a_rollback_that_restores_data_and_is_cut_at_every_edge_ends_as_one_release_with_its_data() {
    cut(&change(Operation::Rollback, restored_volumes()));
}

#[test]
fn a_restore_cut_at_every_edge_ends_with_the_data_of_before_or_of_the_backup() {
    cut(&restore::tests::plan());
}

#[test]
fn an_undo_keeps_rows_beside_the_volume_only_where_clients_could_write_them() {
    for (step, is_kept) in [("load/cache/files", false), ("start/db/db", true), ("check-restored/db/files", true)] {
        let mut world = World::new(restore::tests::plan());
        world.fault = Some(StepId(step.to_owned()));
        assert_eq!(world.change().unwrap(), End::Undone);
        let kept = world.below("beside/");
        assert_eq!(kept.values().any(|rows| rows.starts_with(SAVED)), is_kept, "{step}: {kept:?}");
    }
}

#[test]
fn what_clients_write_on_the_way_back_from_a_rollback_that_failed_before_its_data_was_used_is_kept() {
    for step in ["component/db", "stop-again/db/db", "load/db/files", "load/db/log"] {
        let mut world = World::new(change(Operation::Rollback, restored_volumes()));
        world.fault = Some(StepId(step.to_owned()));
        assert_eq!(world.change().unwrap(), End::Undone);
        let kept = world.below("beside/");
        assert_eq!(kept.len(), 2, "{step}: pods wrote to both volumes: {kept:?}");
        assert!(!world.acknowledged.is_empty() && kept.values().all(|rows| !rows.contains(&SAVED[..4])), "{kept:?}");
        let stored = world.below("volume/").into_values().chain(kept.into_values()).collect::<String>();
        assert!(world.acknowledged.iter().all(|row| stored.contains(row)), "{step}: there is {stored}");
    }
}

#[test]
fn a_rollback_that_restores_data_keeps_nothing_of_what_pods_made_on_empty_volumes() {
    let mut world = World::new(change(Operation::Rollback, restored_volumes()));
    assert_eq!(world.change().unwrap(), End::Committed);
    assert!(world.below("beside/").is_empty(), "{:?}", world.below("beside/"));
}
