//! Sites of an earlier program, as `tests/earlier/sites` has them: this program answers like that one, continues its
//! changes, upgrades its sites, rolls them back, and reads their backups.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use landfall_backup::Backup;
use landfall_documents::status::SiteState;
use landfall_site::backups::{BackupFolder, Manifest};
use landfall_site::marks::Marks;
use landfall_test_support::differences::differences;
use serde_json::Value;

use super::collection::{bundle, expect_content_of_the_rollback_set, go_back, upgrade_to};
use super::power_cuts::end;
use super::*;
use crate::operations::DataDisposal;

/// Site whose operations are all closed: an install, upgrades, one that was undone, a rollback, and a change of
/// settings.
const INSTALLED: &str = "installed";

/// All sites.
const SITES: [&str; 5] = [INSTALLED, "installing", "uninstalling", "upgrading", "undoing"];

/// Password of the vendor's key, which signs only these releases.
const PASSWORD: &[u8] = b"earlier";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/earlier/sites").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs_err::read(path(name)).unwrap()
}

/// Unpacks the host's files of a site.
fn site(name: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let packed = fs_err::File::open(path(&format!("{name}.tar.gz"))).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    archive.set_preserve_permissions(true);
    archive.unpack(folder.path()).unwrap();
    Fixture::in_folder(folder)
}

/// Returns the vendor of the sites' releases.
fn vendor() -> Roots {
    let key = SigningKey::from_encrypted_pem(&bytes("vendor.key"), PASSWORD).unwrap();
    Roots { keys: vec![key], chain: vec![Root::read("1.root.json", &bytes("1.root.json")).unwrap()] }
}

fn latest(fixture: &Fixture) -> JournalFile {
    fixture.operations.journals().latest().unwrap().unwrap()
}

/// Returns the answers that the earlier program also gave.
fn answers(fixture: &Fixture) -> Value {
    let operations = &fixture.operations;
    let (history, status) = (operations.history().unwrap(), operations.status().unwrap());
    let kept: Vec<String> = history.kept_releases().iter().map(|kept| kept.bundle.to_string()).collect();
    json!({
        "operations": operations.past_operations(20).unwrap().operations,
        "releases": operations.releases().unwrap(),
        "latest": operations.latest_operation().unwrap(),
        "kept": kept,
        "settings": operations.changeable(&history).ok().map(|pins| pins.settings.clone()),
        "state": status.state,
        "release": status.release,
        "backups": operations.backups().unwrap(),
        "license": serde_json::to_value(&status.license).unwrap()["terms"]["id"],
        "site": operations.site_name().ok(),
        "marks": Marks::read(&operations.paths).unwrap().counters,
    })
}

#[test]
fn earlier_sites_are_answered_alike() {
    for name in SITES {
        let fixture = site(name);
        let earlier: Value = serde_json::from_slice(&bytes(&format!("{name}.json"))).unwrap();
        assert_eq!(differences(&earlier, &answers(&fixture)), [""; 0], "{name}");
    }
}

/// Folded operations replace no record of a journal.
#[test]
fn earlier_journals_answer_without_folded_document() {
    let fixture = site(INSTALLED);
    let folded = answers(&fixture);
    durable::remove_file(&fixture.operations.paths.activity().join("closed-operations")).unwrap();
    assert_eq!(answers(&fixture), folded);
}

/// An operation ends with the program that began it, which a site keeps. These sites were packed without it.
#[test]
fn open_operations_wait_for_their_program() {
    for name in SITES {
        let fixture = site(name);
        let (operations, before) = (&fixture.operations, fixture.contents());
        let error = if name == INSTALLED {
            operations.uninstall(&DataDisposal::Keep).unwrap_err()
        } else {
            operations.resume(Some(path("tiny-1.1.0.landfall"))).unwrap_err()
        };
        assert_eq!(error.code(), codes::ENGINE_MISSING, "{name}: {error}");
        assert_eq!(fixture.contents(), before, "{name}");
    }
    assert_eq!(site("installing").operations.status().unwrap().state, SiteState::InstallInterrupted);
}

/// Returns the bundle of a site's first release.
fn first(fixture: &Fixture) -> Sha256 {
    fixture.operations.history().unwrap().first().unwrap().pins.unwrap().bundle
}

fn installed_version(fixture: &Fixture) -> String {
    fixture.operations.status().unwrap().release.unwrap().version
}

#[test]
fn earlier_interrupted_upgrade_commits() {
    let fixture = site("upgrading");
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::ChangeInterrupted);
    assert_eq!(end(&fixture, &latest(&fixture)), End::Committed);
    assert_eq!(installed_version(&fixture), "1.4.0");
    expect_content_of_the_rollback_set(&fixture, first(&fixture), "a resumed upgrade");
    go_back(&fixture);
    assert_eq!(installed_version(&fixture), "1.3.0");
    expect_content_of_the_rollback_set(&fixture, first(&fixture), "a rollback");
}

#[test]
fn earlier_interrupted_undo_ends() {
    let fixture = site("undoing");
    assert_eq!(end(&fixture, &latest(&fixture)), End::Undone);
    assert_eq!(installed_version(&fixture), "1.3.0");
    expect_content_of_the_rollback_set(&fixture, first(&fixture), "a resumed undo");
    assert_eq!(upgrade_to(&fixture, &vendor(), 4, false), End::Committed);
}

#[test]
fn earlier_site_upgrades_and_rolls_back() {
    let (fixture, vendor) = (site(INSTALLED), vendor());
    let first = first(&fixture);
    let expect = |version: &str| {
        assert_eq!(installed_version(&fixture), version);
        expect_content_of_the_rollback_set(&fixture, first, version);
    };
    expect("1.3.0");
    go_back(&fixture);
    expect("1.2.0");
    assert_eq!(bundle(&vendor, 4), bytes("tiny-1.4.0.landfall"), "this program builds the same bytes");
    for (counter, version) in [(4, "1.4.0"), (5, "1.5.0")] {
        assert_eq!(upgrade_to(&fixture, &vendor, counter, false), End::Committed);
        expect(version);
    }
    assert_eq!(upgrade_to(&fixture, &vendor, 6, true), End::Undone);
    expect("1.5.0");
    go_back(&fixture);
    expect("1.4.0");
}

/// Returns the content of a backup's stream.
fn rows(repository: &landfall_backup::Repository, backup: &Backup) -> String {
    let mut text = String::new();
    let open = repository.open_backup(backup.id).unwrap();
    open.read(&"db/rows".parse().unwrap()).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn earlier_backups_are_read_and_continued() {
    let fixture = site(INSTALLED);
    let operations = &fixture.operations;
    let report = operations.check_backups().unwrap();
    assert_eq!((report.backups, report.damages), (2, Vec::new()));
    let repository = BackupFolder::of(&operations.paths).open_or_create().unwrap();
    let known = repository.backups().unwrap();
    let read: Vec<String> = known.iter().map(|backup| rows(&repository, backup)).collect();
    let expected = |number: u32| format!("rows of backup {number}\n").repeat(20);
    assert_eq!(read, [expected(1), expected(2)]);
    let manifest = Manifest::read(&repository.open_backup(known[0].id).unwrap()).unwrap();
    assert_eq!((manifest.release.as_str(), manifest.version.as_str()), ("tiny", "1.2.0"));

    let new = landfall_backup::NewBackup {
        kind: landfall_backup::BackupKind::Full,
        time: "2026-11-23T02:00:00Z".parse().unwrap(),
        facts: BTreeMap::new(),
        streams: Vec::new(),
        documents: vec![("db/rows".parse().unwrap(), b"rows".to_vec())],
    };
    let later = repository.save(new).unwrap();
    assert_eq!((later.sequence, rows(&repository, &later).as_str()), (Some(3), "rows"));
}

/// Plans of the earlier program's tests, with most kinds of actions.
#[test]
fn earlier_plans_are_read_and_written_alike() {
    let plans: Vec<Value> = serde_json::from_slice(&bytes("plans.json")).unwrap();
    let mut kinds = BTreeSet::new();
    for plan in plans {
        let read: Plan<Action> = serde_json::from_value(plan.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), plan);
        kinds.extend(plan["steps"].as_array().unwrap().iter().map(|step| step["action"]["action"].to_string()));
    }
    assert_eq!(kinds.len(), 34, "{kinds:?}");
}
