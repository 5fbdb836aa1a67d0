//! Trust of a site through upgrades and a rollback, on real files and journals: the newest root counts, regardless of
//! the installed release.

mod archive;
mod clock;
mod collection;
mod earlier;
mod power_cuts;
mod two_programs;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::{
    KeyKind, REVOCATION_FILE_NAME, Revocation, RevokedRelease, Root, RootContents, SigningKey, UnsignedRoot,
};
use landfall_engine::engine::End;
use landfall_engine::journal::JournalFile;
use landfall_engine::plan::{Plan, PlannedStep, StepId, Undo};
use landfall_error_codes::{Code, CodedError, codes};
use landfall_media::durable;
use serde_json::json;

use super::seen::unready;
use super::*;
use crate::context::UndoScope;
use crate::operations::install::tests::{BUILT, Fixture, release, signed_bundle};
use crate::operations::status::sample;
use crate::plan::models::FittedModels;
use crate::plan::upgrade::UpgradePlan;
use crate::steps::action::Action;
use crate::steps::stage_release::StageRelease;
use landfall_site::pins::PinnedTrust;

/// A vendor's root documents. Each names another key for releases and revocations; the other roles keep their key.
struct Roots {
    keys: Vec<SigningKey>,
    chain: Vec<Root>,
}

impl Roots {
    fn new(count: u64) -> Self {
        let generate = || SigningKey::generate(KeyKind::Ed25519).unwrap();
        let owner = generate();
        let keys: Vec<_> = (0..count).map(|_| generate()).collect();
        let mut chain: Vec<Root> = Vec::new();
        for (number, key) in (1..).zip(&keys) {
            let role = (vec![key.public().clone()], 1);
            let single = RootContents::single(owner.public(), true);
            let contents = RootContents { number, release: role.clone(), revocation: role, ..single };
            let mut unsigned = UnsignedRoot::new(&contents).unwrap();
            unsigned.sign(&owner).unwrap();
            chain.push(unsigned.finish(chain.last()).unwrap());
        }
        Self { keys, chain }
    }

    /// Returns the release of this counter with these root documents, signed as the last one requires.
    fn bundle(&self, counter: u64, numbers: RangeInclusive<usize>) -> Vec<u8> {
        let (first, last) = numbers.into_inner();
        signed_bundle(&self.keys[last - 1], &self.chain[first - 1..last], &release(counter), BUILT, Vec::new())
    }

    /// Returns a revocation of another release, signed as the document of this number requires.
    fn revocation(&self, number: usize) -> Revocation {
        let revoked = RevokedRelease {
            name: "other".to_owned(),
            version: "1.0.0".to_owned(),
            bundle: None,
            reason: "it loses data".to_owned(),
        };
        let (key, revocation) = (&self.keys[number - 1], Revocation::new(1, vec![revoked]).unwrap());
        let signature = key.sign(revocation.message()).unwrap();
        revocation.with_signature(key.public().id(), &signature).unwrap()
    }

    /// Returns a site that was given document 1, with release 1 under the document of this number.
    fn installed_under(&self, number: usize) -> Fixture {
        let fixture = Fixture::with_root(&self.chain[0], &self.bundle(1, 1..=number));
        fixture.prepared_install().run().unwrap();
        fixture
    }
}

/// Returns a site that was upgraded and rolled back.
pub(in crate::operations) fn site_with_changes() -> Fixture {
    let roots = Roots::new(1);
    let fixture = Fixture::with_root(&roots.chain[0], &collection::bundle(&roots, 1));
    fixture.prepared_install().run().unwrap();
    assert_eq!(collection::upgrade_to(&fixture, &roots, 2, false), End::Committed);
    collection::go_back(&fixture);
    fixture
}

/// Returns the pins of a site's last committed operation.
fn pins(fixture: &Fixture) -> Pins {
    fixture.operations.changeable(&fixture.operations.history().unwrap()).unwrap().clone()
}

fn newest(fixture: &Fixture) -> PinnedTrust {
    fixture.operations.history().unwrap().newest_trust().unwrap().unwrap().clone()
}

fn write(fixture: &Fixture, bundle: &[u8]) -> PathBuf {
    let path = fixture.path("next/tiny.landfall");
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(&path, bundle, 0o644).unwrap();
    path
}

/// Begins and runs the change like the command, with only the step that places content: other steps need a cluster.
fn change(fixture: &Fixture, operation: Operation, release: TrustedRelease, trust: Trust) {
    let stage = PlannedStep {
        id: StepId("stage".to_owned()),
        title: "stage".to_owned(),
        action: Action::StageRelease(StageRelease {}),
        bytes: 0,
        seconds: 0,
        undo: Undo::Reversible,
    };
    let plan = Plan::new(operation, "tiny", "1.0.0", vec![stage]);
    assert_eq!(run(fixture, plan, release, trust), End::Committed);
}

/// Begins a change with this plan, and runs it to its end.
fn run(fixture: &Fixture, plan: Plan<Action>, release: TrustedRelease, trust: Trust) -> End {
    let operations = &fixture.operations;
    let operation = plan.operation;
    let file = begin(fixture, plan, release, trust);
    let mut running = operations.take_over(operation.name(), &file, None, UndoScope::STEP).unwrap();
    let end = running.change().unwrap();
    operations.remove_strays(&running.lock).unwrap();
    end
}

/// Begins a change with this plan.
fn begin(fixture: &Fixture, plan: Plan<Action>, release: TrustedRelease, trust: Trust) -> JournalFile {
    let operations = &fixture.operations;
    let pins = pins(fixture);
    let releases = (&*release.release, &*release.release);
    let outlook = Outlook::of(&plan, &[], releases, &Experience { times: &BTreeMap::new(), copied: &BTreeMap::new() });
    let prepared = PreparedUpgrade {
        operations,
        pins,
        kept: operations.history().unwrap().kept_releases(),
        target: Target { release, trust, media_path: fixture.path("next"), missing: Vec::new() },
        planned: UpgradePlan { plan, node: None, components: Vec::new() },
        outlook,
        values: Vec::new(),
        peaks: Vec::new(),
        edits: Vec::new(),
        policy: Edits::Refuse,
        token: String::new(),
        backup: None,
        licensing: None,
        warnings: Vec::new(),
        accepted: Vec::new(),
        fitted: FittedModels::default(),
        secrets: GivenSecrets::default(),
    };
    prepared.begin().unwrap()
}

/// Upgrades to the release of this bundle.
pub(in crate::operations) fn upgrade(fixture: &Fixture, bundle: &[u8]) {
    let trust = Trust::from_pinned(&newest(fixture));
    let release = TrustedRelease::find(&write(fixture, bundle), &trust, &fixture.operations).unwrap();
    change(fixture, Operation::Upgrade, release, trust);
}

/// Rolls back to the previous release, whose head is verified as it was then.
fn roll_back(fixture: &Fixture) {
    let operations = &fixture.operations;
    let kept = operations.history().unwrap().kept_releases()[1].clone();
    let trust = Trust::from_pinned(&kept.trust);
    let release = TrustedRelease::read(&operations.head_file(kept.bundle), &trust).unwrap();
    change(fixture, Operation::Rollback, release, trust);
}

fn code_of_upgrade(fixture: &Fixture, bundle: &[u8]) -> Code {
    fixture.operations.prepare_upgrade(&UpgradeRequest::to(&write(fixture, bundle))).err().unwrap().code()
}

#[test]
fn changed_defaults_are_named() {
    let values = |pairs: &[(&str, &str)]| -> ResolvedValues {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    };
    let before = values(&[("memory", "1Gi"), ("kept", "a"), ("own", "b"), ("gone", "c"), ("dropped", "d")]);
    let after = values(&[("memory", "2Gi"), ("kept", "a"), ("own", "b"), ("new", "e")]);
    let mut settings = SiteConfiguration::default();
    settings.values.extend([("own".to_owned(), json!("b")), ("gone".to_owned(), json!("c"))]);
    let found = changed_values(&before, &after, &settings);
    let found: Vec<_> = found.into_iter().map(|change| (change.setting, change.from, change.to)).collect();
    let expected = [
        ("values.gone".to_owned(), Some(json!("c")), None),
        ("values.memory".to_owned(), Some(json!("1Gi")), Some(json!("2Gi"))),
    ];
    assert_eq!(found, expected);
}

#[test]
fn upgrade_pins_newest_root() {
    let roots = Roots::new(8);
    let fixture = roots.installed_under(2);
    assert_eq!(pins(&fixture).trust.number, 2, "document 1 was given, and the bundle has the next one");
    // A chain may begin at any number up to the pinned one.
    for (counter, numbers) in [(2, 1..=3), (3, 2..=5), (4, 5..=8)] {
        let (first, last) = (*numbers.start(), *numbers.end());
        upgrade(&fixture, &roots.bundle(counter, numbers));
        let pinned = pins(&fixture).trust;
        assert_eq!(pinned.root.as_bytes(), roots.chain[last - 1].bytes(), "a chain from {first} to {last}");
        assert_eq!((pinned.number, pinned.fingerprint), (last as u64, roots.chain[last - 1].fingerprint()));
    }
    // The installed release again, by its ID: its signer decides.
    assert_eq!(code_of_upgrade(&fixture, &roots.bundle(4, 8..=8)), codes::UPGRADE_SAME);
    assert_eq!(code_of_upgrade(&fixture, &roots.bundle(4, 1..=7)), codes::UNKNOWN_KEY, "a key that was rotated away");
    let fork = Roots::new(8);
    assert_eq!(code_of_upgrade(&fixture, &fork.bundle(4, 1..=8)), codes::ROOT_DIFFERS);
}

#[test]
fn rollback_keeps_newest_root() {
    let roots = Roots::new(4);
    let fixture = roots.installed_under(2);
    upgrade(&fixture, &roots.bundle(2, 1..=4));
    roll_back(&fixture);
    assert_eq!((pins(&fixture).counter, pins(&fixture).trust.number), (1, 2), "its head is verified as it was then");
    assert_eq!(newest(&fixture).number, 4);
    // Release 1 again, signed by a key that document 4 has, and by one that it no longer has.
    assert_eq!(code_of_upgrade(&fixture, &roots.bundle(1, 1..=4)), codes::UPGRADE_SAME);
    assert_eq!(code_of_upgrade(&fixture, &roots.bundle(1, 1..=3)), codes::UNKNOWN_KEY);
    let import = |number: usize| {
        let path = fixture.path(REVOCATION_FILE_NAME);
        durable::write_file(&path, roots.revocation(number).bytes(), 0o644).unwrap();
        fixture.operations.import_revocation(&path)
    };
    assert_eq!(import(3).unwrap_err().code(), codes::UNKNOWN_KEY);
    assert_eq!(import(4).unwrap().number(), 1);
}

#[test]
fn unready_site_blocks_upgrade() {
    assert_eq!(unready(&sample::installed_status()), None);
    let mut report = sample::installed_status();
    report.ready = false;
    report.components[0].reasons = vec!["StatefulSet a: 0 of 1 pods are ready".to_owned()];
    report.nodes[0].reason = Some("the disk is full".to_owned());
    let blocker = unready(&report).unwrap();
    assert_eq!(blocker.code, codes::UPGRADE_UNREADY);
    let (node, component) = (&report.nodes[0].name, &report.components[0].component);
    let expected = format!("{node}: the disk is full; {component}: StatefulSet a: 0 of 1 pods are ready");
    assert_eq!(blocker.measured, expected);
    // A note may be the only information.
    let mut silent = sample::installed_status();
    (silent.ready, silent.notes) = (false, vec!["the cluster does not answer".to_owned()]);
    assert_eq!(unready(&silent).unwrap().measured, "the cluster does not answer");
}
