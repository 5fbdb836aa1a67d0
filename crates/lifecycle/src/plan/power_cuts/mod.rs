//! Power cuts at every edge of the journals of upgrades, rollbacks and restores. The change ends automatically as
//! exactly one of the two releases, with that release's data. No row that a client knows to be stored is lost.

mod actions;
mod real_disks;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_documents::operation::Operation;
use landfall_engine::engine::End;
use landfall_engine::plan::{OnFailure, Plan, StepId};

use landfall_cluster::ObjectName;
use landfall_media::durable;
use landfall_media::power::{Fate, PowerCutState, Recording};
use mimalloc::MiMalloc;
use tempfile::TempDir;
use world::{EMPTY_DATABASE, ROWS, SAVED, SEGMENT, TABLE, World};

use super::restore;
use super::upgrade::ChangedData;
use super::upgrade::tests::{restored_data, side, stop};
use crate::steps::action::Action;
use crate::steps::aside::is_replaced;
use crate::steps::stop::Stop;
use landfall_site::backups::LiveVolume;

/// Global allocator of the test binary. These tests allocate and free constantly, and the C library of the static
/// target returns each piece to the kernel. That would take half of their time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const FATES: [Fate; 6] = [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Zeroed, Fate::Mixed(1), Fate::Mixed(2)];

/// Maximum number of states that are tried: of a change without a failing step, and of each change with one.
const STATES: usize = 250;
const STATES_OF_FAULT: usize = 16;

fn copied_data() -> ChangedData {
    let volume = |folder: &str| LiveVolume { folder: folder.to_owned(), stop: stop() };
    ChangedData::Copied(vec![volume("pvc-1_db_data"), volume("pvc-2_db_log")])
}

/// Returns two volumes of one workload, with the backup streams of each.
fn restored_volumes() -> ChangedData {
    let ChangedData::Restored(mut streams) = restored_data() else { unreachable!("it is restored") };
    let mut log = streams[0].clone();
    log.stream.rule = "log".to_owned();
    log.volume.folder = "pvc-2_db_log".to_owned();
    streams.push(log);
    ChangedData::Restored(streams)
}

/// Returns a change between two releases: a database whose data and number of pods change, its client, a removed
/// program and an added one.
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

/// Returns a change between two releases with different node packs. It covers etcd, the control plane, containerd, the
/// kubelet, the agent and a component.
fn change_of_node(operation: Operation) -> Plan<Action> {
    let older = side("1.0.0", 1).with("web", "web:1", &[]);
    let newer = side("1.1.0", 2).with("web", "web:2", &[]).with_kubernetes("v1.36.4");
    let (before, after) = if operation == Operation::Upgrade { (older, newer) } else { (newer, older) };
    before.with_clients_to(&after, operation, &BTreeMap::new(), &BTreeMap::new()).unwrap().plan
}

/// Asserts that the world is exactly one of the two outcomes, for any cut.
fn expect_one_of_two(world: &World, end: End, (birth, goal): (&Outcome, &Outcome), what: &str) {
    let is_committed = end == End::Committed;
    let expected = if is_committed { goal } else { birth };
    assert_eq!(world.release(), expected.release, "{what}: {end:?}");
    let running = world.below("running").into_keys().collect::<Vec<_>>();
    assert_eq!(running, birth.running, "{what}: every workload runs that ran");
    assert!(world.below("webhooks").is_empty(), "{what}: webhooks judge again");
    let (tables, segments) = (world.volume_texts(TABLE), world.volume_texts(SEGMENT));
    let volumes = world.volumes();
    let beside: Vec<&String> = tables.keys().filter(|name| !volumes.contains(name)).collect();
    assert!(beside.iter().all(|name| is_replaced(name)), "{what}: {beside:?}");
    for volume in &volumes {
        let rows = &tables[volume];
        let is_loaded = is_committed && goal.tables[volume].starts_with(SAVED);
        let first = if is_loaded { SAVED } else { ROWS };
        assert!(rows.starts_with(first) && segments[volume] == first, "{what}: {volume} has {rows}");
        assert!(!rows.contains(EMPTY_DATABASE), "{what}: {volume} has {rows}");
    }
    let stored = tables.into_values().collect::<String>();
    for row in world.acknowledged_rows() {
        assert!(stored.contains(&row), "{what}: {row} is lost, there is {stored}");
    }
}

/// State of the site before or after a change.
struct Outcome {
    release: world::Contents,
    running: Vec<String>,
    tables: BTreeMap<String, String>,
}

impl Outcome {
    fn of(world: &World) -> Self {
        let running = world.below("running").into_keys().collect();
        Self { release: world.release(), running, tables: world.volume_texts(TABLE) }
    }
}

/// Returns true if an edge is tried. A stand-in's file counts only once it is complete.
fn is_chosen(after: Option<&Path>) -> bool {
    after.is_none_or(|path| !path.starts_with(world::CLUSTER) || !durable::is_temporary(path))
}

/// A change that is cut, with its two outcomes.
struct Cut<'a> {
    plan: &'a Plan<Action>,
    birth: Outcome,
    goal: Outcome,
}

impl<'a> Cut<'a> {
    fn of(plan: &'a Plan<Action>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(&disk(&folder), plan);
        let birth = Outcome::of(&world);
        assert_eq!(world.change(), End::Committed);
        let goal = Outcome::of(&world);
        assert_ne!((&goal.release, &goal.tables), (&birth.release, &birth.tables));
        Self { plan, birth, goal }
    }

    /// Cuts the change with this fault at a sample of its edges: the states whose index has the remainder `rest`.
    /// Returns the number of states, and how many of them precede the change.
    fn everywhere(&self, fault: Option<&StepId>, count: usize, rest: usize) -> (usize, usize) {
        let expected = if fault.is_some() { End::Undone } else { End::Committed };
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(&disk(&folder), self.plan);
        let before = world.contents();
        world.fault = fault.cloned();
        let recording = Recording::begin(world.root()).unwrap();
        assert_eq!(world.change(), expected, "{fault:?}");
        let states = recording.end_at(&FATES, |_, after| is_chosen(after));
        self.expect(&world, expected, &format!("{fault:?} without a cut"));
        let stride = states.len().div_ceil(count);
        let mut not_begun = 0;
        for (index, left) in states.iter().enumerate().filter(|(index, _)| index % stride == rest % stride) {
            let what = format!("{fault:?}, {} acts, {:?}, {:?}", left.edge, left.after, left.fate);
            boot(&mut world, left, 1);
            if !world.has_begun() {
                assert_eq!(world.contents(), before, "{what}");
                not_begun += 1;
                continue;
            }
            // The second cut comes at a later edge.
            let second = (index * 7 + 3) % 60;
            let recording = Recording::begin(world.root()).unwrap();
            assert_eq!(world.change(), expected, "{what}");
            self.expect(&world, expected, &what);
            let states = recording.end_at(&FATES, |edge, _| edge == second);
            let Some(left) = states.get(index % states.len().max(1)) else { continue };
            boot(&mut world, left, 2);
            let what = format!("{what}, and {second} acts, {:?}, {:?}", left.after, left.fate);
            assert_eq!(world.change(), expected, "{what}");
            self.expect(&world, expected, &what);
        }
        (states.len(), not_begun)
    }

    fn expect(&self, world: &World, end: End, what: &str) {
        expect_one_of_two(world, end, (&self.birth, &self.goal), what);
    }
}

/// Returns the folder of the disk, which each cut recreates.
fn disk(folder: &TempDir) -> PathBuf {
    folder.path().join("disk")
}

/// Puts the remains of a power cut on the disk and boots the world.
fn boot(world: &mut World, left: &PowerCutState, number: usize) {
    fs_err::remove_dir_all(world.root()).unwrap();
    left.place(world.root()).unwrap();
    world.boot(number);
}

/// Cuts a change: without a fault, then with each of its steps failing in a run of its own.
fn cut(plan: &Plan<Action>) {
    let OnFailure::Undo { from } = plan.on_failure else { panic!("its undo is automatic") };
    let cut = Cut::of(plan);
    let (states, not_begun) = cut.everywhere(None, STATES, 0);
    assert!(states > 200 && not_begun < 10, "{states} states, in {not_begun} of which it has not begun");
    for (index, planned) in plan.steps.iter().enumerate().skip(from) {
        let step = &planned.id;
        // A second wait is the same action, so the fault would hit the first one.
        if plan.steps[..index].iter().any(|earlier| earlier.action == planned.action) {
            continue;
        }
        let (states, _) = cut.everywhere(Some(step), STATES_OF_FAULT, index);
        assert!(states > (index - from) * 4, "{step}: {states} states");
    }
}

/// Undoes a change on a site of its own, by failing this step.
fn undone(plan: &Plan<Action>, step: &str) -> (TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(&disk(&folder), plan);
    world.fault = Some(StepId(step.to_owned()));
    assert_eq!(world.change(), End::Undone);
    (folder, world)
}

/// Returns the rows of the copies beside the volumes.
fn copy_rows(world: &World) -> BTreeMap<String, String> {
    let volumes = world.volumes();
    world.volume_texts(TABLE).into_iter().filter(|(name, _)| !volumes.contains(name)).collect()
}

#[test]
fn cut_upgrade_ends_as_one_release() {
    cut(&change(Operation::Upgrade, copied_data()));
}

#[test]
fn cut_node_upgrade_ends_with_one_pack() {
    cut(&change_of_node(Operation::Upgrade));
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(&disk(&folder), &change_of_node(Operation::Upgrade));
    assert_eq!(world.change(), End::Committed);
    assert!(world.below("made")["kubeadm-configuration"].contains("v1.36.4"));
    assert!(!world.site.data.paths.etcd_snapshot().exists());
}

#[test]
fn cut_node_rollback_ends_with_one_pack() {
    cut(&change_of_node(Operation::Rollback));
}

#[test]
fn cut_rollback_keeping_data_stays_consistent() {
    cut(&change(Operation::Rollback, copied_data()));
}

#[test]
fn cut_rollback_restoring_data_stays_consistent() {
    cut(&change(Operation::Rollback, restored_volumes()));
}

#[test]
fn cut_restore_ends_with_one_data_set() {
    cut(&restore::tests::plan());
}

#[test]
fn undo_keeps_rows_clients_could_write() {
    for (step, is_kept) in [("load/cache/files", false), ("start/db/db", true), ("check-restored/db/files", true)] {
        let (_folder, world) = undone(&restore::tests::plan(), step);
        let kept = copy_rows(&world);
        assert_eq!(kept.values().any(|rows| rows.starts_with(SAVED)), is_kept, "{step}: {kept:?}");
    }
}

#[test]
fn undo_of_rollback_keeps_client_writes() {
    for step in ["component/db", "stop-again/db/db", "load/db/files", "load/db/log"] {
        let (_folder, world) = undone(&change(Operation::Rollback, restored_volumes()), step);
        let (kept, noted) = (copy_rows(&world), world.acknowledged_rows());
        assert_eq!(kept.len(), 2, "{step}: pods wrote to both volumes: {kept:?}");
        assert!(!noted.is_empty() && kept.values().all(|rows| !rows.contains(&SAVED[..4])), "{kept:?}");
        let stored = world.volume_texts(TABLE).into_values().collect::<String>();
        assert!(noted.iter().all(|row| stored.contains(row)), "{step}: there is {stored}");
    }
}

#[test]
fn restoring_rollback_drops_initial_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(&disk(&folder), &change(Operation::Rollback, restored_volumes()));
    assert_eq!(world.change(), End::Committed);
    assert!(copy_rows(&world).is_empty(), "{:?}", copy_rows(&world));
}
