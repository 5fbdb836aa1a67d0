//! Power cuts during changes with real steps, on real files and the real journal. They cover links of the registry,
//! files of artifacts, programs of node packs, the release's `landfall`, and collection. The cuts are at each edge of
//! the journal and at many edges in between. After each, the change ends automatically as exactly one of the two
//! releases, with that release's content.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_engine::journal::Phase;
use landfall_media::power::{Fate, Recording};
use landfall_media::progress::SilentProgress;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;

use super::collection::{below, bundle, installed_release, plan, step, upgrade_to};
use super::*;
use crate::steps::artifact_files::ArtifactFiles;
use crate::steps::stage::find_media;
use landfall_site::content::PlacedFile;

const FATES: [Fate; 3] = [Fate::Lost, Fate::Kept, Fate::Torn];

/// Distance of the tested edges that do not follow an act on the journal, because there are thousands.
const STRIDE: usize = 17;

/// Folders with content.
const FOLDERS: [&str; 4] = ["registry", "files", "node", "releases"];

/// A change that has not begun.
struct Change {
    plan: Plan<Action>,
    release: TrustedRelease,
    trust: Trust,
}

/// Returns a site that was upgraded to its second and third release.
fn site(roots: &Roots) -> Fixture {
    let fixture = Fixture::with_root(&roots.chain[0], &bundle(roots, 1));
    fixture.prepared_install().run().unwrap();
    for counter in [2, 3] {
        assert_eq!(upgrade_to(&fixture, roots, counter, false), End::Committed);
    }
    fixture
}

/// Returns an upgrade to the fourth release, with another node pack. Its blobs are already stored, because the tests of
/// copies cover power cuts during a copy.
fn upgrade_of(fixture: &Fixture, roots: &Roots) -> Change {
    let trust = Trust::from_pinned(&newest(fixture));
    let path = write(fixture, &bundle(roots, 4));
    let operations = &fixture.operations;
    let release = TrustedRelease::find(&path, &trust, operations).unwrap();
    let media = find_media(&fixture.path("next"), &release.payload(), operations.io.media.clone()).unwrap();
    stage(&media, &ContentStore::at(operations.paths.registry()), &SilentProgress).unwrap();
    let plan = plan(Operation::Upgrade, &installed_release(fixture), &release.release, false);
    Change { plan, release, trust }
}

/// Returns a rollback to the previous release.
fn rollback_of(fixture: &Fixture) -> Change {
    let operations = &fixture.operations;
    let kept = operations.history().unwrap().kept_releases()[1].clone();
    let trust = Trust::from_pinned(&kept.trust);
    let release = TrustedRelease::read(&operations.head_file(kept.bundle), &trust).unwrap();
    let plan = plan(Operation::Rollback, &installed_release(fixture), &release.release, false);
    Change { plan, release, trust }
}

/// Returns a step for an artifact whose blob does not exist, which always fails.
fn lacking() -> Action {
    let file = PlacedFile { path: "file".to_owned(), blob: Sha256::of(b"nowhere"), size: 7, links: Vec::new() };
    Action::ArtifactFiles(ArtifactFiles { artifact: "lacking".to_owned(), files: vec![file], executable: false })
}

/// Returns the content: bytes of files and targets of links. Temporary files do not count, because the next write of
/// their name replaces them.
fn contents(fixture: &Fixture) -> BTreeMap<PathBuf, Vec<u8>> {
    let data = fixture.operations.paths.data();
    let mut found = BTreeMap::new();
    for folder in FOLDERS.map(|name| data.join(name)) {
        for path in below(&folder).into_iter().map(|path| folder.join(path)) {
            let bytes = match std::fs::read_link(&path) {
                Ok(target) => target.into_os_string().into_encoded_bytes(),
                Err(_) => std::fs::read(&path).unwrap(),
            };
            found.insert(path, bytes);
        }
    }
    found.retain(|path, _| !durable::is_temporary(path));
    found
}

/// Ends the change of this journal as its unit does, with the running program, because no other one is kept.
pub(super) fn end(fixture: &Fixture, file: &JournalFile) -> End {
    let operations = &fixture.operations;
    let lock = operations.journals().lock("resume").unwrap();
    let state = operations.journals().read(file).unwrap().state;
    if state.is_closed() {
        operations.remove_strays(&lock).unwrap();
        return if state.phase == Phase::Committed { End::Committed } else { End::Undone };
    }
    let journal = operations.journals().open(&lock, file).unwrap();
    let pins = journal.pins().unwrap();
    let release = operations.release_of(&pins).unwrap();
    let mut running = operations.hold(lock, journal, &release, None, UndoScope::STEP).unwrap();
    let end = running.change().unwrap();
    operations.remove_strays(&running.lock).unwrap();
    end
}

/// Returns true if the act before an edge was on the journal.
fn is_of_journal(after: Option<&Path>) -> bool {
    after.is_none_or(|path| path.extension().is_some_and(|extension| extension == "journal"))
}

/// Runs the change once without a cut, then from each state that a power cut may leave.
fn cut_everywhere(fixture: &Fixture, Change { plan, release, trust }: Change, expected: End) {
    let operations = &fixture.operations;
    let (root, before) = (fixture.path("host"), contents(fixture));
    let file = begin(fixture, plan, release, trust);
    // The engine folder is as large as this program, and these steps do not read it.
    std::fs::remove_dir_all(operations.paths.data().join("engine")).unwrap();
    let recording = Recording::begin(&root).unwrap();
    assert_eq!(end(fixture, &file), expected);
    let states = recording.end_at(&FATES, |edge, after| is_of_journal(after) || edge.is_multiple_of(STRIDE));
    let goal = contents(fixture);
    assert_ne!(goal, before);
    for left in &states {
        std::fs::remove_dir_all(&root).unwrap();
        left.place(&root).unwrap();
        let what = format!("{} acts, {:?}, {:?}", left.edge, left.after, left.fate);
        assert_eq!(end(fixture, &file), expected, "{what}");
        expect_equal(&contents(fixture), &goal, &what);
    }
    let edges = states.iter().filter(|left| is_of_journal(left.after.as_deref())).count();
    assert!(edges > 20 && states.len() > edges, "{edges} of the journal's edges, {} states", states.len());
}

fn expect_equal(found: &BTreeMap<PathBuf, Vec<u8>>, wanted: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let more: Vec<_> = found.keys().filter(|path| !wanted.contains_key(*path)).collect();
    let less: Vec<_> = wanted.keys().filter(|path| !found.contains_key(*path)).collect();
    assert!(more.is_empty() && less.is_empty(), "after {what}, there is {more:?}, and {less:?} is not");
    let other: Vec<_> = wanted.iter().filter(|(path, bytes)| found[*path] != **bytes).map(|(path, _)| path).collect();
    assert!(other.is_empty(), "after {what}, {other:?} has other bytes");
}

#[test]
fn cut_upgrade_ends_as_later_release() {
    let roots = Roots::new(1);
    let fixture = site(&roots);
    let change = upgrade_of(&fixture, &roots);
    cut_everywhere(&fixture, change, End::Committed);
}

#[test]
fn cut_rollback_ends_as_earlier_release() {
    let roots = Roots::new(1);
    let fixture = site(&roots);
    assert_eq!(upgrade_to(&fixture, &roots, 4, false), End::Committed);
    let change = rollback_of(&fixture);
    cut_everywhere(&fixture, change, End::Committed);
}

#[test]
fn cut_undo_ends_as_earlier_release() {
    let roots = Roots::new(1);
    let fixture = site(&roots);
    let earlier = contents(&fixture);
    let mut change = upgrade_of(&fixture, &roots);
    change.plan.steps.push(step("lacking", lacking()));
    cut_everywhere(&fixture, change, End::Undone);
    expect_equal(&contents(&fixture), &earlier, "all of it");
}
