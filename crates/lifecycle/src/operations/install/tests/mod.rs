//! Tests of operations on real files below a temporary root, with the steps that need no root: staging, identity,
//! names.

mod always;
pub(in crate::operations) mod answering;
mod carried;
pub(in crate::operations) mod clock;
mod disks;
mod ended;
mod kept;
mod licensed;
mod metered;
mod newer;
mod platforms;
mod preflight;
mod reported;
mod secrets;
mod staged;
mod trust;
mod upgrades;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};
use landfall_bundle_spec::head::{Identity as ReleaseIdentity, NewDocument, UnsignedHead};
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::{KeyKind, Root, SigningKey};
use landfall_documents::operation::Operation;
use landfall_documents::status::SiteState;
use landfall_error_codes::{CodedError, codes};
use landfall_media::durable;
use landfall_media::progress::{Event, Progress, SilentProgress};
use landfall_media::store::ContentStore;
use serde_json::json;
use tempfile::TempDir;

use landfall_engine::journal::record;
use landfall_engine::plan::{Plan, PlannedStep, StepId, Undo};
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;

use super::*;
use crate::operations::{DataDisposal, ResumeOutcome};
use crate::plan::install::InstallPlan;
use crate::steps::action::Action;
use crate::steps::identity::Identity;
use crate::steps::stage::Stage;
use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::pins::Event as Recorded;
use landfall_site::site_secrets::NewSecrets;

/// Progress that panics at an event, to simulate a crash of the operation.
struct Crash<F>(F);

impl<F: Fn(&Event) -> bool + Send + Sync> Progress for Crash<F> {
    fn event(&self, event: Event) {
        assert!(!(self.0)(&event), "crash");
    }
}

pub(in crate::operations) struct Fixture {
    folder: TempDir,
    pub(in crate::operations) operations: Operations,
    /// The license for the install.
    license: Option<PathBuf>,
}

fn sums(bytes: &[u8]) -> BlobSums {
    let mut hasher = BlobHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Returns a release document with the fields that these tests need.
pub(in crate::operations) fn release(counter: u64) -> serde_json::Value {
    json!({
        "type": "landfall.dev/release/1", "name": "tiny", "version": "1.0.0", "counter": counter, "assembled": false,
        "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [], "values": [],
        "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
    })
}

/// Build time of the releases in these tests.
pub(in crate::operations) const BUILT: &str = "2025-11-20T08:16:00Z";

fn bundle(vendor: &Vendor, release: &serde_json::Value) -> Vec<u8> {
    bundle_of(vendor, release, BUILT, Vec::new())
}

/// Returns a bundle that was built at this time, with additional documents.
pub(in crate::operations) fn bundle_of(
    vendor: &Vendor,
    release: &serde_json::Value,
    built_at: &str,
    more: Vec<NewDocument>,
) -> Vec<u8> {
    signed_bundle(&vendor.key, std::slice::from_ref(&vendor.root), release, built_at, more)
}

/// Like [`bundle_of`], signed by this key with this chain of roots.
pub(in crate::operations) fn signed_bundle(
    key: &SigningKey,
    roots: &[Root],
    release: &serde_json::Value,
    built_at: &str,
    more: Vec<NewDocument>,
) -> Vec<u8> {
    let blobs = vec![b"#!/bin/sh\n".to_vec(), vec![1; 3 << 20], vec![2; 700]];
    signed_bundle_with(key, roots, release, built_at, more, blobs)
}

/// Returns the site schema of a release as the builder writes it.
fn schema_of(release: &serde_json::Value) -> serde_json::Value {
    let values = release["values"].as_array().into_iter().flatten();
    let properties: serde_json::Map<_, _> =
        values.map(|value| (value["name"].as_str().unwrap_or_default().to_owned(), value["schema"].clone())).collect();
    json!({ "properties": { "values": { "properties": properties } } })
}

/// Like [`signed_bundle`], with these blobs, of which the first is `landfall`.
pub(in crate::operations) fn signed_bundle_with(
    key: &SigningKey,
    roots: &[Root],
    release: &serde_json::Value,
    built_at: &str,
    more: Vec<NewDocument>,
    mut contents: Vec<Vec<u8>>,
) -> Vec<u8> {
    contents.splice(1..1, [br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), b"{}".to_vec()]);
    let sums: Vec<BlobSums> = contents.iter().map(|bytes| sums(bytes)).collect();
    let entries = sums.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::with_place(sums, "application/octet-stream", *place),
        None => BlobEntry::blob(sums, "application/octet-stream"),
    });
    let document = |name: &str, bytes: Vec<u8>| NewDocument { name: format!("documents/{name}"), bytes };
    let mut documents = vec![
        document("release.json", release.to_string().into_bytes()),
        document("site.schema.json", schema_of(release).to_string().into_bytes()),
    ];
    documents.extend(more);
    let identity = ReleaseIdentity {
        name: release["name"].as_str().unwrap().to_owned(),
        version: release["version"].as_str().unwrap().to_owned(),
        counter: release["counter"].as_u64().unwrap(),
        built_at: built_at.to_owned(),
    };
    let values: Vec<&[_]> = sums.iter().map(|sums| sums.chunks.as_slice()).collect();
    let blobs = BlobsDocument::new(entries.collect()).unwrap();
    let mut head = UnsignedHead::new(&identity, documents, &blobs, &values).unwrap();
    head.sign(key).unwrap();
    let head = head.finish(roots).unwrap();
    Sample { head, contents }.stream()
}

impl Fixture {
    fn new() -> Self {
        Self::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3))
    }

    /// Returns a machine, and a stick of this vendor with this release.
    pub(in crate::operations) fn with(vendor: &Vendor, release: &serde_json::Value) -> Self {
        Self::with_bundle(vendor, &bundle(vendor, release))
    }

    /// Returns a machine, and a stick of this vendor with this bundle.
    pub(in crate::operations) fn with_bundle(vendor: &Vendor, bundle: &[u8]) -> Self {
        Self::with_root(&vendor.root, bundle)
    }

    /// Returns a machine with this root document, and a stick with this bundle.
    pub(in crate::operations) fn with_root(root: &Root, bundle: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, bytes, 0o644).unwrap();
        };
        file("stick/tiny.landfall", bundle);
        file("1.root.json", root.bytes());
        file("host/etc/hosts", b"127.0.0.1 localhost\n");
        durable::create_folder(&folder.path().join("host/var/lib")).unwrap();
        Self::in_folder(folder)
    }

    /// Returns the machine in this folder, with the host's root in `host`.
    pub(in crate::operations) fn in_folder(folder: TempDir) -> Self {
        let operations = Operations {
            paths: SitePaths::below(folder.path().join("host")),
            progress: Arc::new(SilentProgress),
            io: landfall_media::counters::IoCounters::default(),
        };
        Self { folder, operations, license: None }
    }

    pub(in crate::operations) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self) -> InstallRequest {
        let trust = self.path("1.root.json").display().to_string();
        let (bundle, accept) = (self.path("stick"), Vec::new());
        let secrets = BroughtSecrets::default();
        InstallRequest { bundle, trust: Some(trust), site: None, adopt_data: false, license: None, accept, secrets }
    }

    /// Returns an install whose plan has only the steps that need no root.
    pub(in crate::operations) fn prepared_install(&self) -> PreparedInstall<'_> {
        let trust = Trust::read(self.request().trust.as_deref(), &self.path("stick")).unwrap();
        let release = TrustedRelease::find(&self.path("stick"), &trust, &self.operations).unwrap();
        let node = NodeIdentity { name: "node".to_owned(), address: [192, 0, 2, 1].into() };
        let entry = HostsEntry { name: "api.landfall.internal".to_owned(), address: node.address };
        let step = |id: &str, action| PlannedStep {
            id: StepId(id.to_owned()),
            title: id.to_owned(),
            action,
            bytes: 0,
            seconds: 0,
            undo: Undo::Reversible,
        };
        let steps = vec![
            step("stage", Action::Stage(Stage {})),
            step("identity", Action::Identity(Identity {})),
            step("hosts-entry", Action::HostsEntry(entry)),
        ];
        let plan = Plan::new(Operation::Install, "tiny", "1.0.0", steps);
        let paths = &self.operations.paths;
        let facts = facts::collect(paths, &ProbedGpus::now(paths)).unwrap();
        let settings = SiteConfiguration::default();
        let place = LicensedHost::Here { paths: &self.operations.paths, cluster: None };
        let licensing = release.licensing(&place, self.license.as_deref()).unwrap();
        let (plan, notes, accepted) = (InstallPlan { plan, node }, Vec::new(), Vec::new());
        let (fitted, secrets) = (ResolvedValues::default(), NewSecrets::default());
        let planned =
            PlannedInstall { release, trust, settings, facts, plan, licensing, notes, accepted, fitted, secrets };
        PreparedInstall { operations: &self.operations, planned, media_path: self.path("stick") }
    }

    /// Like [`Self::prepared_install`], with changed settings.
    pub(in crate::operations) fn configured_install(
        &self,
        change: impl FnOnce(&mut SiteConfiguration),
    ) -> PreparedInstall<'_> {
        let mut prepared = self.prepared_install();
        change(&mut prepared.planned.settings);
        prepared
    }

    /// Returns everything below the host's root except the logs, which outlive an uninstall.
    pub(in crate::operations) fn contents(&self) -> BTreeMap<PathBuf, String> {
        let mut contents = BTreeMap::new();
        walk(&self.path("host"), &mut contents);
        contents.retain(|path, _| !path.starts_with(self.path("host/var/log")));
        contents
    }

    fn journal(&self) -> PathBuf {
        self.operations.journals().latest().unwrap().unwrap().path
    }

    /// Drops the last record, as if a power cut had prevented its write.
    fn drop_last_record(&self) {
        let bytes = fs_err::read(self.journal()).unwrap();
        let decoded = record::decode(&bytes).unwrap();
        let mut tail = record::Tail::default();
        let mut kept = Vec::new();
        for payload in &decoded.payloads[..decoded.payloads.len() - 1] {
            let (bytes, next) = record::encode(payload, tail);
            kept.extend(bytes);
            tail = next;
        }
        durable::write_file(&self.journal(), &kept, 0o600).unwrap();
    }

    /// Installs until `event` is reported, and crashes there.
    fn crash_at(&mut self, event: impl Fn(&Event) -> bool + Send + Sync + 'static) {
        let silent = std::mem::replace(&mut self.operations.progress, Arc::new(Crash(event)));
        let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.prepared_install().run()));
        assert!(crashed.is_err(), "it came to its end");
        self.operations.progress = silent;
    }

    fn code_of_prepare(&self, change: impl FnOnce(&mut InstallRequest)) -> landfall_error_codes::Code {
        let mut request = self.request();
        change(&mut request);
        self.operations.prepare_install(&request).err().unwrap().code()
    }
}

fn walk(folder: &Path, contents: &mut BTreeMap<PathBuf, String>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents.insert(path.clone(), "folder".to_owned());
            walk(&path, contents);
        } else {
            let bytes = fs_err::read(&path).unwrap();
            contents.insert(path, format!("{} bytes, {:08x}", bytes.len(), crc32c::crc32c(&bytes)));
        }
    }
}

#[test]
fn uninstall_restores_original_contents() {
    let fixture = Fixture::new();
    let operations = &fixture.operations;
    let birth = fixture.contents();
    assert_eq!(operations.status().unwrap().state, SiteState::Absent);

    let installed = fixture.prepared_install().run().unwrap();
    assert_eq!((installed.release.as_str(), installed.address.as_str()), ("tiny", "192.0.2.1"));
    assert!(installed.media_read_bytes > 3 << 20 && installed.store_written_bytes > 3 << 20);
    // This plan contains no Kubernetes. The missing answer is reported, not shown as a site without services.
    assert!(
        installed.services.is_empty() && installed.notes[0].starts_with("where components are reached is not known")
    );
    let status = operations.status().unwrap();
    assert_eq!((status.state, status.ready), (SiteState::Installed, false));
    let registry = status.registry.unwrap();
    assert_eq!((registry.staged_blobs, registry.blobs), (5, 5));
    let release = status.release.unwrap();
    assert_eq!((release.name.as_str(), release.counter), ("tiny", 3));
    assert_eq!(Marks::read(&operations.paths).unwrap().counters["tiny"], 3);
    let times = landfall_host::step_times::read(&operations.paths);
    assert_eq!(times.keys().collect::<Vec<_>>(), ["hosts-entry", "identity", "stage"]);

    assert_eq!(fixture.code_of_prepare(|_| ()), codes::ALREADY_INSTALLED);
    assert!(matches!(operations.resume(None).unwrap(), ResumeOutcome::Nothing { release } if release == "tiny 1.0.0"));

    let uninstalled = operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!((uninstalled.release.as_deref(), uninstalled.kept.len()), (Some("tiny 1.0.0"), 0));
    assert_eq!(fixture.contents(), birth);
    assert_eq!(operations.uninstall(&DataDisposal::Keep).unwrap().release, None);
    assert_eq!(operations.resume(None).unwrap_err().code(), codes::NOT_INSTALLED);
    assert_eq!(fixture.contents(), birth);
}

/// Returns true if the install crashes at this event.
type CrashAt = fn(&Event) -> bool;

/// Returns crashes before each step, during staging and at its end.
fn every_crash() -> Vec<(&'static str, CrashAt)> {
    vec![
        ("before stage", |event| matches!(event, Event::StepStarted { index: 1, .. })),
        ("in stage", |event| matches!(event, Event::PhaseStarted { .. })),
        ("at the end of stage", |event| matches!(event, Event::SafeToRemove)),
        ("before identity", |event| matches!(event, Event::StepStarted { index: 2, .. })),
        ("before hosts-entry", |event| matches!(event, Event::StepStarted { index: 3, .. })),
    ]
}

fn last_event(fixture: &Fixture) -> Recorded {
    let journals = fixture.operations.journals();
    let replay = journals.read(&journals.latest().unwrap().unwrap()).unwrap();
    replay.entries.last().unwrap().event.clone()
}

#[test]
fn crashed_install_resumes_and_uninstalls() {
    for (place, event) in every_crash() {
        for (is_last_lost, is_resumed) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut fixture = Fixture::new();
            let birth = fixture.contents();
            fixture.crash_at(event);
            if is_last_lost {
                // Only records of completion may be lost: records that announce an act are durable before it.
                match last_event(&fixture) {
                    Recorded::Done { .. } => fixture.drop_last_record(),
                    _ => continue,
                }
            }
            let operations = &fixture.operations;
            assert_eq!(operations.status().unwrap().state, SiteState::InstallInterrupted);
            assert_eq!(fixture.code_of_prepare(|_| ()), codes::OPERATION_OPEN);
            if is_resumed {
                assert!(matches!(operations.resume(None).unwrap(), ResumeOutcome::Install(_)), "{place}");
                assert_eq!(operations.status().unwrap().state, SiteState::Installed);
            }
            operations.uninstall(&DataDisposal::Keep).unwrap();
            assert_eq!(fixture.contents(), birth, "{place}, {is_last_lost}, {is_resumed}");
        }
    }
}

#[test]
fn media_and_store_reads_are_counted() {
    let mut fixture = Fixture::new();
    let prepared = fixture.prepared_install();
    let (head, payload) = {
        let release = &prepared.planned.release;
        (release.verified.head_bytes().len() as u64, release.payload())
    };
    drop(prepared);
    let to_trust = fixture.operations.io.media.totals().read_bytes;
    assert!(to_trust >= head, "{to_trust}");
    fixture.crash_at(|event| matches!(event, Event::PhaseStarted { .. }));
    let counted = fixture.operations.io.media.totals().read_bytes;
    // Read to trust it again, to check before the first change that it is complete, and again before staging.
    assert!(counted >= to_trust * 2 + head * 2, "{counted}, of {to_trust} to trust");

    let store = ContentStore::at(fixture.operations.paths.registry());
    let digest = sums(&vec![1; 3 << 20]).sha256;
    let blob = payload.blobs().iter().position(|blob| blob.sha256 == digest).unwrap();
    let mut staged = store.stage(&payload, blob).unwrap().unwrap();
    for _ in 0..2 {
        staged.append(&vec![1; 1 << 20]).unwrap();
    }
    drop(staged);
    let ResumeOutcome::Install(installed) = fixture.operations.resume(None).unwrap() else {
        panic!("it is an install")
    };
    // The node's files are hashed again when they are placed.
    let placed = 10;
    assert_eq!(installed.store_read_bytes, (2 << 20) + placed, "what was staged before was checked again");
    let read = installed.media_read_bytes - counted;
    assert!((1 << 20..2 << 20).contains(&read), "{read} for the rest");
}

#[test]
fn media_damage_keeps_good_blobs() {
    let fixture = Fixture::new();
    let bundle = fixture.path("stick/tiny.landfall");
    let good = fs_err::read(&bundle).unwrap();
    let mut bad = good.clone();
    // The last blob takes a block of 1024 bytes, and the archive ends with another 1024 bytes.
    let in_last = bad.len() - 2048 + 100;
    bad[in_last] ^= 1;
    durable::write_file(&bundle, &bad, 0o644).unwrap();
    let error = fixture.prepared_install().run().unwrap_err();
    assert_eq!((error.code(), error.code().class.exit_code()), (codes::PAYLOAD_DAMAGED, 3));
    for way in ["landfall resume", "--bundle PATH", "landfall uninstall"] {
        assert!(error.hint().unwrap().contains(way), "{error:?}");
    }
    let staged = fixture.operations.status().unwrap().registry.unwrap();
    assert!(staged.staged_bytes >= 3 << 20, "{staged:?}");
    // A rerun of the command does not help, and its error says so.
    assert_eq!(fixture.code_of_prepare(|_| ()), codes::OPERATION_OPEN);

    durable::create_folder(&fixture.path("other")).unwrap();
    durable::write_file(&fixture.path("other/tiny.landfall"), &good, 0o644).unwrap();
    let before = fixture.operations.io.media.totals().read_bytes;
    let ResumeOutcome::Install(installed) = fixture.operations.resume(Some(fixture.path("other"))).unwrap() else {
        panic!("it is an install")
    };
    assert!(installed.media_read_bytes - before < 1 << 20, "good blobs are not read again: {installed:?}");
}

#[test]
fn incomplete_bundle_is_refused_unchanged() {
    let fixture = Fixture::new();
    let birth = fixture.contents();
    let prepared = fixture.prepared_install();
    let bundle = fixture.path("stick/tiny.landfall");
    let bytes = fs_err::read(&bundle).unwrap();
    durable::write_file(&bundle, &bytes[..bytes.len() - 1024], 0o644).unwrap();
    let error = prepared.run().unwrap_err();
    assert_eq!((error.code(), error.code().class.exit_code()), (codes::BUNDLE_SHORT, 3));
    let hint = error.hint().unwrap();
    assert!(hint.contains("good copy") && !hint.contains("resume"), "{hint}");
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn lost_commit_is_repeated() {
    let fixture = Fixture::new();
    fixture.prepared_install().run().unwrap();
    fixture.drop_last_record();
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::InstallInterrupted);
    assert!(matches!(fixture.operations.resume(None).unwrap(), ResumeOutcome::Install(_)));
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::Installed);
}

#[test]
fn resume_finds_only_the_moved_bundle() {
    let mut fixture = Fixture::new();
    let moved = fixture.path("moved");
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    fixture.crash_at(|event| matches!(event, Event::PhaseStarted { .. }));
    durable::rename(&fixture.path("stick"), &moved).unwrap();

    let error = fixture.operations.resume(None).unwrap_err();
    assert!(error.hint().unwrap().contains("--bundle"), "{error:?}");
    durable::create_folder(&fixture.path("other")).unwrap();
    durable::write_file(&fixture.path("other/tiny.landfall"), &bundle(&vendor, &release(4)), 0o644).unwrap();
    let error = fixture.operations.resume(Some(fixture.path("other"))).unwrap_err();
    assert_eq!(error.code(), codes::OTHER_BUNDLE);
    assert!(matches!(fixture.operations.resume(Some(moved)).unwrap(), ResumeOutcome::Install(_)));
}

#[test]
fn refusals_change_nothing() {
    let fixture = Fixture::new();
    let birth = fixture.contents();
    let trust = |text: &str| {
        let text = Some(text.to_owned());
        move |request: &mut InstallRequest| request.trust = text
    };
    assert_eq!(fixture.code_of_prepare(|request| request.trust = None), codes::TRUST_MISSING);
    assert_eq!(fixture.code_of_prepare(trust("sha256:12")), codes::FINGERPRINT_MALFORMED);
    assert_eq!(fixture.code_of_prepare(trust(&format!("sha256:{}", "0".repeat(64)))), codes::FINGERPRINT_WRONG);
    assert_eq!(fixture.contents(), birth);

    Marks::advance(&fixture.operations.paths, "tiny", 4, Sha256([9; 32])).unwrap();
    let marked = fixture.contents();
    assert_eq!(fixture.code_of_prepare(|_| ()), codes::ROLLBACK_REFUSED);
    assert_eq!(fixture.contents(), marked);
}

#[test]
fn second_operation_names_the_first() {
    let fixture = Fixture::new();
    let lock = fixture.operations.journals().lock("install").unwrap();
    assert_eq!(fixture.code_of_prepare(|_| ()), codes::SITE_BUSY);
    let error = fixture.prepared_install().run().unwrap_err();
    assert_eq!(error.code(), codes::SITE_BUSY);
    assert!(std::error::Error::source(&error).is_none(), "nothing is said twice");
    assert!(error.to_string().starts_with(&format!("`landfall install` (process {}, since ", std::process::id())));
    drop(lock);
    fixture.prepared_install().run().unwrap();
    let _lock = fixture.operations.journals().lock("resume").unwrap();
    assert_eq!(fixture.operations.uninstall(&DataDisposal::Keep).unwrap_err().code(), codes::SITE_BUSY);
    assert_eq!(fixture.operations.status().unwrap().operation.unwrap().running.unwrap().operation, "resume");
}

#[test]
fn uninstall_cleans_up_without_journal() {
    let fixture = Fixture::new();
    let birth = fixture.contents();
    let prepared = fixture.prepared_install();
    durable::create_own_folder(&fixture.operations.paths.data()).unwrap();
    fixture.operations.place_own_files(prepared.planned_install().release()).unwrap();
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::Absent);
    assert_eq!(fixture.operations.uninstall(&DataDisposal::Keep).unwrap().release, None);
    assert_eq!(fixture.contents(), birth);
    fixture.operations.place_own_files(prepared.planned_install().release()).unwrap();
    prepared.run().unwrap();
}

#[test]
fn operation_of_another_engine_is_untouched() {
    let fixture = Fixture::new();
    let prepared = fixture.prepared_install();
    let operations = &fixture.operations;
    let lock = operations.journals().lock("install").unwrap();
    operations.place_own_files(prepared.planned_install().release()).unwrap();
    let pins = prepared.pins(Sha256([5; 32])).unwrap();
    drop(operations.journals().create(&lock, pins).unwrap());
    drop(lock);
    let contents = fixture.contents();
    assert_eq!(operations.resume(None).unwrap_err().code(), codes::ENGINE_MISSING);
    assert_eq!(operations.uninstall(&DataDisposal::Keep).unwrap_err().code(), codes::ENGINE_MISSING);
    assert_eq!(fixture.contents(), contents);
    assert_eq!(operations.status().unwrap().state, SiteState::InstallInterrupted);
}

#[test]
fn cut_uninstall_keeps_data() {
    let fixture = Fixture::new();
    let operations = &fixture.operations;
    fixture.prepared_install().run().unwrap();
    let volume = operations.paths.storage().join("pvc-1/data");
    durable::create_folder(volume.parent().unwrap()).unwrap();
    durable::write_file(&volume, b"rows", 0o644).unwrap();
    let latest = operations.journals().latest().unwrap().unwrap();
    let mut running = operations.take_over("uninstall", &latest, None, UndoScope::site(true)).unwrap();
    running.back(None).unwrap();
    // A power cut follows the last record, before the operations' own files are removed.
    drop(running);
    assert_eq!(operations.status().unwrap().state, SiteState::UninstallInterrupted);
    let ResumeOutcome::Uninstall(uninstalled) = operations.resume(None).unwrap() else { panic!("it is an uninstall") };
    assert_eq!(uninstalled.kept, [operations.paths.storage()]);
    assert_eq!(fs_err::read(&volume).unwrap(), b"rows");
    assert!(!operations.paths.journal().exists());
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fs_err::read(&volume).unwrap(), b"rows", "a plain uninstall deletes nothing that is kept");
}
