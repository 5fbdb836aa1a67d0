//! Content of the data folder after many changes in both directions: only what the installed and the previous release
//! refer to.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;

use landfall_bundle_spec::parts::short_id;
use landfall_engine::journal::record;
use landfall_engine::plan::OnFailure;
use landfall_media::store::ContentStore;
use landfall_release_document::{ArtifactKind, Descriptor, ReleaseDocument};

use super::*;
use crate::operations::install::tests::signed_bundle_with;
use crate::plan::install::content_steps;
use crate::steps::check_restored::CheckRestored;
use crate::steps::collect::Collect;
use crate::steps::load::BackupStream;
use crate::steps::node_files::NodeFiles;
use crate::steps::stage::INSTALLER_NAME;
use crate::steps::supersede::Supersede;
use landfall_site::content::{NodeParts, PlannedLink, artifact_folder, placed_files, registry_links};

/// Blobs of a bundle, each once.
#[derive(Default)]
struct Blobs(Vec<Vec<u8>>);

impl Blobs {
    fn add(&mut self, text: &str) -> Descriptor {
        let bytes = text.as_bytes().to_vec();
        let digest = Sha256::of(&bytes);
        let descriptor =
            Descriptor { media_type: "application/octet-stream".to_owned(), digest, size: bytes.len() as u64 };
        if !self.0.contains(&bytes) {
            self.0.push(bytes);
        }
        descriptor
    }
}

/// Returns the bundle with this counter. Each has its own image and model, moves a tag and shares layers. Every second
/// one brings another node pack.
pub(super) fn bundle(roots: &Roots, counter: u64) -> Vec<u8> {
    let mut blobs = Blobs::default();
    blobs.add(&format!("#!/bin/sh\n# landfall of {counter}\n"));
    let mut release = crate::plan::install::tests::release();
    (release.name, release.version, release.counter) = ("tiny".to_owned(), format!("1.{counter}.0"), counter);
    release.components.clear();
    release.values.clear();
    let (pack, tool) = (counter / 2, release.images[0].clone());
    for (name, reference) in
        [("app", format!("example.org/app:{counter}")), ("tool", "example.org/tool:latest".to_owned())]
    {
        let mut image = tool.clone();
        image.reference = reference;
        image.manifest = blobs.add(&format!("manifest of {name} {counter}"));
        image.config = blobs.add(&format!("configuration of {name} {counter}"));
        image.layers = vec![blobs.add("a layer that all share"), blobs.add(&format!("layer of {name} {counter}"))];
        release.images.push(image);
    }
    for (index, image) in release.images.iter_mut().enumerate().take(7) {
        image.manifest = blobs.add(&format!("manifest {index}"));
        image.config = blobs.add(&format!("configuration {index}"));
        image.layers = vec![blobs.add(&format!("layer {index}"))];
    }
    for artifact in &mut release.artifacts {
        let own = if artifact.kind == ArtifactKind::Node { pack } else { counter };
        artifact.manifest = blobs.add(&format!("manifest of {} {own}", artifact.name));
        artifact.config = blobs.add("{ }");
        for file in &mut artifact.files {
            // This program runs, and reports that containerd has no images.
            file.blob = blobs.add(&format!("#!/bin/sh\n# {} {own}\nexit 0\n", file.path));
        }
    }
    let (key, release) = (&roots.keys[0], serde_json::to_value(&release).unwrap());
    signed_bundle_with(key, &roots.chain[..1], &release, BUILT, Vec::new(), blobs.0)
}

fn node_files(release: &ReleaseDocument) -> NodeFiles {
    let parts = NodeParts::of(release).unwrap();
    let artifacts = release.artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Node);
    NodeFiles { pack: parts.id, files: artifacts.flat_map(placed_files).collect() }
}

pub(super) fn step(id: &str, action: Action) -> PlannedStep<Action> {
    let (id, title) = (StepId(id.to_owned()), id.to_owned());
    PlannedStep { id, title, action, bytes: 0, seconds: 0, undo: Undo::Reversible }
}

/// Returns the content steps of a change.
pub(super) fn plan(
    operation: Operation,
    before: &ReleaseDocument,
    after: &ReleaseDocument,
    fails: bool,
) -> Plan<Action> {
    let mut steps = vec![step("stage", Action::StageRelease(StageRelease {}))];
    let node = node_files(after);
    steps.push(step(&format!("node-files/{}", node.pack), Action::NodeFiles(node)));
    for (planned, known) in content_steps(after).into_iter().zip(content_steps(before)) {
        let action = match (planned.action, known.action) {
            (after @ Action::RegistryLinks(_), before) => {
                Action::Supersede(Supersede { before: Box::new(before), after: Box::new(after) })
            }
            (after, _) => after,
        };
        steps.push(step(&planned.id.0, action));
    }
    if fails {
        let backup = "0f".repeat(32).parse().unwrap();
        let (time, component, rule) = (String::new(), "db".to_owned(), "files".to_owned());
        let stream = BackupStream { backup, time, component, rule, recovery: None };
        steps.push(step("check", Action::CheckRestored(CheckRestored { stream })));
    }
    let closing = vec![step("collect", Action::Collect(Collect {}))];
    let on_failure = OnFailure::Undo { from: 1 };
    Plan { closing, on_failure, ..Plan::new(operation, &after.name, &after.version, steps) }
}

pub(super) fn installed_release(fixture: &Fixture) -> ReleaseDocument {
    let (operations, pins) = (&fixture.operations, pins(fixture));
    let head = operations.head_file(pins.bundle);
    (*TrustedRelease::read(&head, &Trust::from_pinned(&pins.trust)).unwrap().release).clone()
}

pub(super) fn upgrade_to(fixture: &Fixture, roots: &Roots, counter: u64, fails: bool) -> End {
    let trust = Trust::from_pinned(&newest(fixture));
    let path = write(fixture, &bundle(roots, counter));
    let release = TrustedRelease::find(&path, &trust, &fixture.operations).unwrap();
    let plan = plan(Operation::Upgrade, &installed_release(fixture), &release.release, fails);
    run(fixture, plan, release, trust)
}

pub(super) fn go_back(fixture: &Fixture) {
    let operations = &fixture.operations;
    let kept = operations.history().unwrap().kept_releases()[1].clone();
    let trust = Trust::from_pinned(&kept.trust);
    let release = TrustedRelease::read(&operations.head_file(kept.bundle), &trust).unwrap();
    let plan = plan(Operation::Rollback, &installed_release(fixture), &release.release, false);
    assert_eq!(run(fixture, plan, release, trust), End::Committed);
}

/// Returns files and links below a folder, as relative paths.
pub(super) fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// Creates in this folder exactly what the releases of the rollback set refer to.
fn make_expected(fixture: &Fixture, folder: &Path, first: Sha256) {
    let operations = &fixture.operations;
    let (site, fresh) = (operations.paths.registry(), ContentStore::at(folder.join("registry")));
    let mut links = Vec::new();
    let touch = |path: &Path| {
        durable::create_folder(path.parent().unwrap()).unwrap();
        durable::write_file(path, b"", 0o644).unwrap();
    };
    let releases = folder.join("releases");
    touch(&releases.join(short_id(first)).join("bundle.head"));
    let kept = operations.history().unwrap().kept_releases();
    assert_eq!(kept.len(), 2);
    for kept in kept {
        let read = TrustedRelease::read(&operations.head_file(kept.bundle), &Trust::from_pinned(&kept.trust)).unwrap();
        for blob in read.payload().blobs() {
            fresh.ingest_bytes(&std::fs::read(ContentStore::at(&site).path(blob.sha256)).unwrap()).unwrap();
        }
        links.extend(registry_links(&read.release).iter().map(PlannedLink::in_store));
        touch(&releases.join(short_id(kept.bundle)).join("bundle.head"));
        touch(&releases.join(short_id(kept.bundle)).join(INSTALLER_NAME));
        let node = node_files(&read.release);
        let of_node =
            node.files.iter().map(|file| (folder.join("node").join(node.pack.to_string()).join("bin"), file.clone()));
        let artifacts = read.release.artifacts.iter().filter(|artifact| artifact.kind != ArtifactKind::Node);
        let of_artifacts = artifacts.flat_map(|artifact| {
            let place = folder.join("files").join(artifact_folder(artifact));
            placed_files(artifact).map(move |file| (place.clone(), file))
        });
        for (place, file) in of_node.chain(of_artifacts) {
            touch(&place.join(&file.path));
            for link in &file.links {
                let _known = symlink(&file.path, place.join(link));
            }
        }
    }
    // If two manifests share a tag, the installed release gets it; both are listed.
    let installed: Vec<_> = registry_links(&installed_release(fixture)).iter().map(PlannedLink::in_store).collect();
    assert!(installed.iter().all(|link| ContentStore::at(&site).is_linked(link)));
    fresh.link_repositories(&links).unwrap();
}

fn expect_exactly_the_rollback_set(fixture: &Fixture, first: Sha256, after: &str) {
    let engines = &fixture.operations.paths.data().join("engine");
    assert_eq!(below(engines).len(), 1, "{after}: one program ran them all");
    expect_content_of_the_rollback_set(fixture, first, after);
}

pub(super) fn expect_content_of_the_rollback_set(fixture: &Fixture, first: Sha256, after: &str) {
    let expected = tempfile::tempdir().unwrap();
    make_expected(fixture, expected.path(), first);
    for folder in ["registry", "files", "node", "releases"] {
        let (found, wanted) =
            (below(&fixture.operations.paths.data().join(folder)), below(&expected.path().join(folder)));
        let more: Vec<_> = found.difference(&wanted).collect();
        let less: Vec<_> = wanted.difference(&found).collect();
        assert!(more.is_empty() && less.is_empty(), "{after}, {folder} has {more:?} and lacks {less:?}");
    }
}

#[test]
fn collection_keeps_exactly_the_rollback_set() {
    let roots = Roots::new(1);
    let fixture = Fixture::with_root(&roots.chain[0], &bundle(&roots, 1));
    fixture.prepared_install().run().unwrap();
    let first = pins(&fixture).bundle;
    // The install of this fixture places only the store's content. From the second release on, all content is placed.
    assert_eq!(upgrade_to(&fixture, &roots, 2, false), End::Committed);
    let names = |fixture: &Fixture| -> BTreeSet<_> {
        let entries = std::fs::read_dir(fixture.operations.paths.data()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let known = names(&fixture);
    let mut changes = 0;
    for next in [Some(3), None, Some(3), Some(4), None, Some(5), None, Some(6), None, Some(7), Some(8)] {
        match next {
            Some(counter) => assert_eq!(upgrade_to(&fixture, &roots, counter, false), End::Committed),
            None => go_back(&fixture),
        }
        changes += 1;
        expect_exactly_the_rollback_set(&fixture, first, &format!("after {changes} changes"));
    }
    assert!(changes >= 10);
    // A failed change leaves nothing behind.
    assert_eq!(upgrade_to(&fixture, &roots, 9, true), End::Undone);
    expect_exactly_the_rollback_set(&fixture, first, "after a change that was undone");
    assert_eq!(names(&fixture), known);
}

/// Pins the operation of this journal to a separate stand-in program, and returns its digest.
fn pin_to_its_own(fixture: &Fixture, file: &JournalFile) -> String {
    let engine = Sha256::of(file.number.to_string().as_bytes());
    let decoded = record::decode(&std::fs::read(&file.path).unwrap()).unwrap();
    let mut first: serde_json::Value = serde_json::from_slice(&decoded.payloads[0]).unwrap();
    first["pins"]["engine"] = serde_json::to_value(engine).unwrap();
    let (mut bytes, mut tail) = record::encode(first.to_string().as_bytes(), record::Tail::default());
    for payload in &decoded.payloads[1..] {
        let (more, next) = record::encode(payload, tail);
        (bytes, tail) = ([bytes, more].concat(), next);
    }
    durable::write_file(&file.path, &bytes, 0o600).unwrap();
    let folder = fixture.operations.paths.data().join("engine").join(engine.to_hex());
    durable::create_folder(&folder).unwrap();
    durable::write_file(&folder.join("landfall"), b"", 0o755).unwrap();
    engine.to_hex()
}

#[test]
fn needed_pinned_programs_stay() {
    let roots = Roots::new(1);
    let fixture = Fixture::with_root(&roots.chain[0], &bundle(&roots, 1));
    fixture.prepared_install().run().unwrap();
    let operations = &fixture.operations;
    for counter in 2..=4 {
        assert_eq!(upgrade_to(&fixture, &roots, counter, false), End::Committed);
    }
    assert_eq!(upgrade_to(&fixture, &roots, 5, true), End::Undone);
    let files = operations.journals().list().unwrap();
    let engines: Vec<String> = files.iter().map(|file| pin_to_its_own(&fixture, file)).collect();
    assert_eq!(engines.len(), 5);
    // The journals were rewritten, which no program does, so the folded operations no longer belong to them.
    durable::remove_file(&operations.paths.activity().join("closed-operations")).unwrap();
    operations.remove_strays(&operations.journals().lock("upgrade").unwrap()).unwrap();
    let folder = operations.paths.data().join("engine");
    let left: BTreeSet<String> =
        below(&folder).iter().map(|path| path.parent().unwrap().to_string_lossy().into_owned()).collect();
    // Programs of the install, of the last committed change, and of the last change.
    assert_eq!(left, BTreeSet::from([0, 3, 4].map(|index| engines[index].clone())));
}
