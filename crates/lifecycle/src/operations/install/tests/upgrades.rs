//! Bundles that cannot replace the installed release: each is refused with its code, and nothing changes.

use landfall_bundle_spec::Sha256;

use super::*;
use crate::operations::UpgradeRequest;

/// Returns a site with release 3 of `tiny` 1.0.0, and its vendor.
fn site() -> (Fixture, Vendor) {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = Fixture::with(&vendor, &release(3));
    fixture.prepared_install().run().unwrap();
    (fixture, vendor)
}

/// Returns the error of an upgrade to release 4 of `tiny` 1.1.0 with this change.
fn refusal(fixture: &Fixture, vendor: &Vendor, change: impl FnOnce(&mut serde_json::Value)) -> OperationError {
    let mut later = release(4);
    later["version"] = "1.1.0".into();
    change(&mut later);
    durable::create_folder(&fixture.path("next")).unwrap();
    durable::write_file(&fixture.path("next/tiny.landfall"), &bundle(vendor, &later), 0o644).unwrap();
    let before = fixture.contents();
    let refused = fixture.operations.prepare_upgrade(&UpgradeRequest::to(&fixture.path("next")));
    let error = refused.err().expect("an upgrade that is refused");
    assert_eq!(fixture.contents(), before, "{error}");
    error
}

#[test]
fn bundle_of_another_release_is_refused() {
    let (fixture, vendor) = site();
    let error = refusal(&fixture, &vendor, |later| later["name"] = "other".into());
    assert_eq!(error.code(), codes::UPGRADE_OTHER);
    assert_eq!(error.to_string(), "other 1.1.0 is not a release of tiny 1.0.0, which is installed here");
}

#[test]
fn same_and_older_releases_are_refused() {
    let (fixture, vendor) = site();
    durable::create_folder(&fixture.path("same")).unwrap();
    let stick = fs_err::read(fixture.path("stick/tiny.landfall")).unwrap();
    durable::write_file(&fixture.path("same/tiny.landfall"), &stick, 0o644).unwrap();
    let same = fixture.operations.prepare_upgrade(&UpgradeRequest::to(&fixture.path("same"))).err().unwrap();
    assert_eq!(same.code(), codes::UPGRADE_SAME);
    for counter in [2, 3] {
        let older = refusal(&fixture, &vendor, |later| later["counter"] = counter.into());
        assert_eq!(older.code(), codes::UPGRADE_OLDER, "{counter}");
    }
}

#[test]
fn disallowed_upgrade_path_names_intermediate_version() {
    let (fixture, vendor) = site();
    let through = refusal(&fixture, &vendor, |later| {
        later["upgrades"] = json!([{"from": "1.0.5"}, {"from": "1.0.0", "through": "1.0.5"}]);
    });
    assert_eq!(through.code(), codes::UPGRADE_PATH);
    assert!(through.to_string().ends_with("directly: 1.0.5 must be installed in between"), "{through}");
    let none = refusal(&fixture, &vendor, |later| later["upgrades"] = json!([]));
    assert_eq!(none.code(), codes::UPGRADE_PATH);
    assert!(none.to_string().contains("this is not one of them"), "{none}");
}

/// The mark belongs to the newest release that was ever here, and a rollback does not lower it.
#[test]
fn counter_below_mark_is_refused() {
    let (fixture, vendor) = site();
    Marks::advance(&fixture.operations.paths, "tiny", 9, Sha256([9; 32])).unwrap();
    let older = refusal(&fixture, &vendor, |later| later["counter"] = 8.into());
    assert_eq!(older.code(), codes::ROLLBACK_REFUSED, "{older}");
    assert!(older.to_string().contains("tiny 1.1.0"), "{older}");
}
