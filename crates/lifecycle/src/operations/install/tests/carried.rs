//! Round trip of a stick: files that an installed machine carries out, and files that it accepts from its vendor.

use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation, RevokedLicense, RevokedRelease};
use landfall_license::usage::{Counts, ReportExpectations, UsageReport};
use landfall_support::archive;
use landfall_support::carry::{CarryManifest, MANIFEST, PartKind, SiteInventory};

use super::licensed::{license, machine};
use super::*;
use crate::operations::{IncomingFiles, IncomingVerdict, TakenIn};

const NAME: &str = "acme-1.license";

/// Returns an installed machine whose release needs a license that it lacks.
fn installed_machine(vendor: &Vendor) -> Fixture {
    let fixture = machine(vendor);
    fixture.prepared_install().run().unwrap();
    durable::create_folder(&fixture.path("back")).unwrap();
    fixture
}

/// Writes a revocation signed by this vendor into the incoming folder.
fn revoke(fixture: &Fixture, vendor: &Vendor, number: u64, releases: Vec<RevokedRelease>, licenses: &[&str]) {
    let reason = "it was stolen".to_owned();
    let licenses = licenses.iter().map(|id| RevokedLicense { id: (*id).to_owned(), reason: reason.clone() });
    let revocation = Revocation::with_licenses(number, releases, licenses.collect()).unwrap();
    let signature = vendor.key.sign(revocation.message()).unwrap();
    let revocation = revocation.with_signature(vendor.key.public().id(), &signature).unwrap();
    let path = fixture.path("back").join(REVOCATION_FILE_NAME);
    durable::write_file(&path, revocation.bytes(), 0o644).unwrap();
}

/// Puts a license into the incoming folder.
fn bring_license(fixture: &Fixture, vendor: &Vendor, id: &str) {
    let made = license(fixture, vendor, id, |_| {});
    durable::rename(&made, &fixture.path("back").join(format!("{id}.license"))).unwrap();
}

/// Takes in the folder, or returns file and code of each refusal.
fn take(fixture: &Fixture) -> std::result::Result<TakenIn, Vec<(String, &'static str)>> {
    let incoming = IncomingFiles::find(&fixture.path("back")).unwrap();
    match fixture.operations.check_incoming(&incoming).unwrap() {
        IncomingVerdict::Fit(checked) => Ok(fixture.operations.take_in(*checked).unwrap()),
        IncomingVerdict::Refused(refused) => Err(refused
            .iter()
            .map(|one| (one.path.file_name().unwrap().to_string_lossy().into_owned(), one.error.code().id))
            .collect()),
    }
}

fn refused_file(file: &str, code: &'static str) -> (String, &'static str) {
    (file.to_owned(), code)
}

#[test]
fn carried_documents_are_signed_without_secrets() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = machine(&vendor);
    fixture.license = Some(license(&fixture, &vendor, "acme-1", |_| {}));
    fixture.prepared_install().run().unwrap();
    let (operations, stick) = (&fixture.operations, fixture.path("out"));
    assert_eq!(operations.carry_out(&stick, Duration::from_mins(1)).unwrap_err().code(), codes::CARRY_FOLDER);
    durable::create_folder(&stick).unwrap();
    assert!(operations.keep_usage(Counts { nodes: Some(1), ..Counts::default() }).unwrap());
    let canary = "canary/0001+Zq7919-of-a-secret";
    let secret = operations.paths.secrets().join("db/db.json");
    durable::create_folder(secret.parent().unwrap()).unwrap();
    let text = json!({ "namespace": "db", "name": "db", "values": { "password": canary } }).to_string();
    durable::write_file(&secret, text.as_bytes(), 0o600).unwrap();
    durable::create_folder(&operations.paths.logs()).unwrap();
    durable::write_file(&operations.paths.logs().join("20261120-install.log"), canary.as_bytes(), 0o600).unwrap();

    let carried = operations.carry_out(&stick, Duration::from_hours(1)).unwrap();
    let missing: Vec<_> = carried.missing.iter().map(|missing| missing.kind).collect();
    assert_eq!(missing, [PartKind::Audit], "the tiny release has no console: {:?}", carried.missing);
    let read = |name: &str| fs_err::read(carried.folder.join(name)).unwrap();
    let manifest = CarryManifest::read(MANIFEST, &read(MANIFEST)).unwrap();
    let key = manifest.verify(&[carried.site_key.parse().unwrap()]).unwrap();
    assert_eq!(operations.audit_record().unwrap().unwrap().public_key(), &key);
    for part in &manifest.parts {
        let bytes = read(part.kind.file_name());
        part.check(bytes.len() as u64, Sha256::of(&bytes)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{:?}", part.kind);
    }
    let support = archive::read(&*read("support.tar.gz")).unwrap();
    for (name, bytes) in &support.files {
        assert!(!String::from_utf8_lossy(bytes).contains(canary), "{name}");
    }
    let usage = UsageReport::read("usage.json", &read("usage.json")).unwrap();
    usage.verify(&ReportExpectations { terms: None, keys: vec![key.id()] }).unwrap();
    let inventory = SiteInventory::read("inventory.json", &read("inventory.json")).unwrap();
    assert_eq!((inventory.releases[0].version.as_str(), inventory.license.as_deref()), ("1.0.0", Some("acme-1")));
    assert_eq!((inventory.root.unwrap().fingerprint, inventory.revocation), (vendor.root.fingerprint(), 0));
    landfall_host::facts::Facts::parse(&read("facts.json"))
        .map_err(drop)
        .expect("facts as `landfall facts` prints them");
}

#[test]
fn empty_machine_carries_nothing_out() {
    let fixture = Fixture::new();
    let stick = fixture.path("stick");
    let refused = fixture.operations.carry_out(&stick, Duration::from_mins(1)).unwrap_err();
    assert_eq!(refused.code(), codes::NOT_INSTALLED);
    assert_eq!(fs_err::read_dir(stick).unwrap().count(), 1, "the stick has only the bundle");
}

#[test]
fn license_revocation_and_bundle_come_together() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = installed_machine(&vendor);
    let mut next = release(4);
    next["version"] = "1.1.0".into();
    durable::write_file(&fixture.path("back/tiny.landfall"), &bundle(&vendor, &next), 0o644).unwrap();
    bring_license(&fixture, &vendor, "acme-1");
    revoke(&fixture, &vendor, 1, Vec::new(), &["acme-0"]);
    let taken = take(&fixture).unwrap();
    assert_eq!(taken.license.unwrap().terms.unwrap().id, "acme-1");
    assert_eq!((taken.revocation, taken.bundle.unwrap().version.as_str()), (Some(1), "1.1.0"));
    let status = fixture.operations.status().unwrap().license.unwrap();
    assert_eq!(status.terms.unwrap().standing, "valid");
    take(&fixture).expect("the same once more");
}

/// Each of these files is refused, and the files beside it are not taken in.
#[test]
fn bad_file_refuses_all_others() {
    let [vendor, stranger] = [(); 2].map(|()| Vendor::new(KeyKind::Ed25519).unwrap());
    let fixture = installed_machine(&vendor);
    let before = fixture.contents();
    bring_license(&fixture, &vendor, "acme-1");
    revoke(&fixture, &vendor, 1, Vec::new(), &["acme-1"]);
    assert_eq!(take(&fixture).unwrap_err(), [refused_file(NAME, "LF4705")], "it is revoked by the file beside it");
    revoke(&fixture, &stranger, 1, Vec::new(), &[]);
    durable::write_file(&fixture.path("back/tiny.landfall"), &bundle(&stranger, &release(4)), 0o644).unwrap();
    let found = take(&fixture).unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, REVOCATION_FILE_NAME);
    let this =
        RevokedRelease { name: "tiny".to_owned(), version: "1.1.0".to_owned(), bundle: None, reason: "x".to_owned() };
    revoke(&fixture, &vendor, 1, vec![this], &[]);
    let mut next = release(4);
    next["version"] = "1.1.0".into();
    durable::write_file(&fixture.path("back/tiny.landfall"), &bundle(&vendor, &next), 0o644).unwrap();
    assert_eq!(take(&fixture).unwrap_err(), [refused_file("back", codes::REVOKED.id)]);
    assert_eq!(fixture.contents(), before, "nothing was changed");
    durable::remove_file(&fixture.path("back/tiny.landfall")).unwrap();
    assert_eq!(take(&fixture).unwrap().revocation, Some(1));
    revoke(&fixture, &vendor, 1, Vec::new(), &[]);
    assert_eq!(take(&fixture).unwrap_err(), [refused_file(REVOCATION_FILE_NAME, codes::REVOCATION_DIFFERS.id)]);
}

#[test]
fn incoming_files_are_found_by_name() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = installed_machine(&vendor);
    let code = |path: &str| IncomingFiles::find(&fixture.path(path)).unwrap_err().code();
    assert_eq!((code("back"), code("nowhere")), (codes::CARRY_NOTHING, codes::CARRY_NOTHING));
    bring_license(&fixture, &vendor, "acme-1");
    let renamed = fixture.path("renamed");
    durable::write_file(&renamed, &fs_err::read(fixture.path("back").join(NAME)).unwrap(), 0o644).unwrap();
    assert_eq!(IncomingFiles::find(&renamed).unwrap().license, Some(renamed));
    durable::symlink(Path::new("/etc/passwd"), &fixture.path("back/other.license")).unwrap();
    assert_eq!(IncomingFiles::find(&fixture.path("back")).unwrap().license, Some(fixture.path("back").join(NAME)));
    durable::write_file(&fixture.path("back").join(format!("._{NAME}")), b"\0\x05\x16\x07", 0o644).unwrap();
    let found = IncomingFiles::find(&fixture.path("back")).unwrap().license;
    assert_eq!(found, Some(fixture.path("back").join(NAME)), "macOS's file beside it is not a license");
    let _listening = std::os::unix::net::UnixListener::bind(fixture.path("socket")).unwrap();
    assert_eq!(code("socket"), codes::CARRY_NOTHING, "what is no file is not read");
    bring_license(&fixture, &vendor, "acme-2");
    assert_eq!(code("back"), codes::CARRY_SEVERAL);
}
