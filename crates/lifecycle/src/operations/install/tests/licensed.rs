//! Releases whose components need a license: the check before an install, and all operations that continue without a
//! license.

use jiff::SignedDuration;
use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation, RevokedLicense};
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use landfall_license::{Binding, Identifier, IdentifierKind, Terms, sample};

use super::*;
use landfall_site::findings::Finding;
use landfall_site::license::LicenseRecord;

/// Returns a release with a component that needs `analytics`.
pub(super) fn entitled_release() -> serde_json::Value {
    let mut entitled = release(3);
    entitled["components"] = json!([{
        "name": "reports", "namespace": "reports", "needs": [], "objects": "documents/objects/reports.json",
        "pod_security": "restricted", "ready_seconds": 60, "entitlement": "analytics",
    }]);
    entitled
}

/// Returns a machine and a stick with a release that needs a license.
pub(super) fn machine(vendor: &Vendor) -> Fixture {
    Fixture::with_bundle(vendor, &bundle(vendor, &entitled_release()))
}

/// Writes a license that begins now, with changed terms, to a file of the machine.
pub(super) fn license(fixture: &Fixture, vendor: &Vendor, name: &str, change: impl FnOnce(&mut Terms)) -> PathBuf {
    let mut terms = sample::terms(name, Timestamp::now() - SignedDuration::from_hours(1)).unwrap();
    change(&mut terms);
    let sealed = sample::seal_license(vendor, &terms, None).unwrap();
    let path = fixture.path(sealed_name(name).as_str());
    durable::write_file(&path, sealed.bytes(), 0o644).unwrap();
    path
}

fn sealed_name(id: &str) -> String {
    format!("{id}.license")
}

/// Returns the license codes that block an install.
fn license_blockers(fixture: &Fixture, license: Option<PathBuf>) -> Vec<&'static str> {
    let request = InstallRequest { license, ..fixture.request() };
    match fixture.operations.prepare_install(&request) {
        Err(OperationError::NotReady { blockers }) => {
            blockers.iter().map(Finding::code_id).filter(|code| code.starts_with("LF47")).collect()
        }
        Err(error) => vec![error.code().id],
        Ok(_) => Vec::new(),
    }
}

#[test]
fn install_accepts_only_fitting_license() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = machine(&vendor);
    let birth = fixture.contents();
    let of = |name: &str, change: fn(&mut Terms)| license(&fixture, &vendor, name, change);
    assert_eq!(license_blockers(&fixture, None), ["LF4701"]);
    assert_eq!(license_blockers(&fixture, Some(of("fits", |_| {}))), [""; 0]);
    let lacks = of("lacks", |terms| terms.entitlements.components.clear());
    assert_eq!(license_blockers(&fixture, Some(lacks)), ["LF4702"]);
    let ended = of("ended", |terms| {
        terms.not_before = terms.issued - SignedDuration::from_hours(24 * 100);
        terms.ends = Some(terms.issued - SignedDuration::from_hours(24 * 31));
    });
    assert_eq!(license_blockers(&fixture, Some(ended)), ["LF4703"]);
    let later = of("later", |terms| terms.not_before = terms.issued + SignedDuration::from_hours(48));
    assert_eq!(license_blockers(&fixture, Some(later)), ["LF4704"]);
    let elsewhere = of("elsewhere", |terms| {
        let disk = Identifier::of(IdentifierKind::Disk, "of another machine").unwrap();
        terms.binding = Some(Binding { needed: 1, identifiers: vec![disk] });
    });
    assert_eq!(license_blockers(&fixture, Some(elsewhere)), ["LF4706"]);
    let old = of("old", |terms| {
        terms.entitlements.newest_release = Some("2025-01-01T00:00:00Z".parse().unwrap());
    });
    assert_eq!(license_blockers(&fixture, Some(old)), ["LF4707"]);
    let product = of("product", |terms| terms.release = "other".to_owned());
    assert_eq!(license_blockers(&fixture, Some(product)), ["LF4708"]);
    let stranger = Vendor::new(KeyKind::Ed25519).unwrap();
    let forged = license(&fixture, &stranger, "forged", |_| {});
    assert_eq!(license_blockers(&fixture, Some(forged)), ["LF1109"]);
    assert_eq!(fixture.contents(), birth, "nothing was changed");
}

#[test]
fn license_stays_with_kept_data() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = machine(&vendor);
    let birth = fixture.contents();
    fixture.license = Some(license(&fixture, &vendor, "acme-1", |_| {}));
    fixture.prepared_install().run().unwrap();
    fixture.license = None;
    let (operations, paths) = (&fixture.operations, &fixture.operations.paths);
    let status = operations.status().unwrap().license.unwrap();
    assert_eq!((status.terms.unwrap().standing.as_str(), status.needs[0].granted), ("valid", true));
    let kept = operations.uninstall(&DataDisposal::Keep).unwrap().kept;
    assert_eq!(kept, [paths.license()]);
    assert!(!paths.settings().exists());
    // The next install needs no file.
    assert_eq!(license_blockers(&fixture, None), [""; 0]);
    let site = operations.site_name().unwrap();
    operations.uninstall(&DataDisposal::Delete { confirmation: site }).unwrap();
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn license_of_another_vendor_is_ignored() {
    let [vendor, stranger] = [(); 2].map(|()| Vendor::new(KeyKind::Ed25519).unwrap());
    let fixture = machine(&vendor);
    let terms = sample::terms("acme-1", Timestamp::now()).unwrap();
    let forged = sample::seal_license(&stranger, &terms, None).unwrap().verify(&stranger.anchor()).unwrap();
    LicenseRecord::with(&forged, None).unwrap().write(&fixture.operations.paths).unwrap();
    assert_eq!(license_blockers(&fixture, None), ["LF4701"]);
}

#[test]
fn license_is_imported_replaced_and_revoked() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = machine(&vendor);
    let operations = &fixture.operations;
    let first = license(&fixture, &vendor, "acme-1", |_| {});
    assert_eq!(operations.import_license(&first).unwrap_err().code(), codes::LICENSE_NO_ROOT);
    fixture.prepared_install().run().unwrap();
    assert_eq!(operations.status().unwrap().license.unwrap().terms, None, "the status names what is missing");
    operations.import_license(&first).unwrap();
    operations.import_license(&first).expect("the same once more");
    let later = license(&fixture, &vendor, "later", |terms| {
        terms.not_before = terms.issued + SignedDuration::from_hours(48);
    });
    let refused = operations.import_license(&later).unwrap_err();
    assert_eq!(refused.code(), codes::LICENSE_NOT_YET, "it must not replace one that counts");
    let kept = operations.status().unwrap().license.unwrap().terms.unwrap();
    assert_eq!((kept.id.as_str(), kept.standing.as_str()), ("acme-1", "valid"));
    let second = license(&fixture, &vendor, "acme-2", |terms| terms.supersedes = vec!["acme-1".to_owned()]);
    assert_eq!(operations.import_license(&second).unwrap().terms.unwrap().id, "acme-2");
    assert_eq!(operations.import_license(&first).unwrap_err().code(), codes::LICENSE_OLDER);

    let revoked = RevokedLicense { id: "acme-2".to_owned(), reason: "it was stolen".to_owned() };
    let revocation = Revocation::with_licenses(1, Vec::new(), vec![revoked]).unwrap();
    let signature = vendor.key.sign(revocation.message()).unwrap();
    let revocation = revocation.with_signature(vendor.key.public().id(), &signature).unwrap();
    let path = fixture.path(REVOCATION_FILE_NAME);
    durable::write_file(&path, revocation.bytes(), 0o644).unwrap();
    operations.import_revocation(&path).unwrap();
    let status = operations.status().unwrap().license.unwrap();
    let terms = status.terms.unwrap();
    assert_eq!((terms.standing.as_str(), terms.permits, status.needs[0].granted), ("revoked", false, false));
    assert_eq!(operations.import_license(&second).unwrap_err().code(), codes::LICENSE_REVOKED);
}

#[test]
fn confirmed_date_corrects_wrong_clock() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = machine(&vendor);
    fixture.license = Some(license(&fixture, &vendor, "acme-1", |_| {}));
    fixture.prepared_install().run().unwrap();
    let (operations, paths) = (&fixture.operations, &fixture.operations.paths);
    let date = || operations.license_report().unwrap().license.unwrap().date.unwrap();
    assert!(date().agrees);
    // A person had confirmed a date three years ahead.
    let mut ahead = machine_clocks(paths);
    ahead.wall += SignedDuration::from_hours(3 * 365 * 24);
    site_time::confirm(paths, &LicenseLock::take(paths).unwrap(), &ahead).unwrap();
    let status = operations.license_report().unwrap().license.unwrap();
    assert_eq!((date().agrees, status.terms.unwrap().standing.as_str()), (false, "ended"));
    assert!(status.notes.iter().any(|note| note.contains("landfall license confirm-date")), "{:?}", status.notes);
    operations.confirm_date().unwrap();
    let status = operations.license_report().unwrap().license.unwrap();
    assert_eq!((date().agrees, status.terms.unwrap().standing.as_str()), (true, "valid"));
}

/// The first clock that the site saw was three years ahead and was believed. By now it is right.
#[test]
fn license_ended_by_wrong_clock_recovers() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = machine(&vendor);
    fixture.prepared_install().run().unwrap();
    let (operations, paths) = (&fixture.operations, &fixture.operations.paths);
    let first = license(&fixture, &vendor, "acme-1", |_| {});
    let mut ahead = machine_clocks(paths);
    ahead.wall += SignedDuration::from_hours(3 * 365 * 24);
    let issued = Timestamp::now() - SignedDuration::from_hours(1);
    site_time::learn(paths, &LicenseLock::take(paths).unwrap(), &ahead, issued).unwrap();
    let status = operations.import_license(&first).unwrap();
    assert_eq!(status.terms.unwrap().standing, "ended");
    assert!(status.notes.iter().any(|note| note.contains("landfall license confirm-date")), "{:?}", status.notes);

    let trust = Trust::read(fixture.request().trust.as_deref(), &fixture.path("stick")).unwrap();
    let release = TrustedRelease::find(&fixture.path("stick"), &trust, operations).unwrap();
    let place = LicensedHost::Here { paths, cluster: None };
    let blockers = || release.licensing(&place, None).unwrap().blockers(&release.release, release.built_at());
    let blocker = blockers().remove(0);
    let date = format!("judged by the date {}", ahead.wall.strftime("%Y-%m-%d"));
    assert!(blocker.code_id() == "LF4703" && blocker.measured.contains(&date), "{}", blocker.measured);
    assert!(blocker.fix.contains("run `landfall license confirm-date`"), "{}", blocker.fix);
    // Another license does not help, and is not itself marked as ended.
    let endless = license(&fixture, &vendor, "endless", |terms| terms.ends = None);
    operations.import_license(&endless).unwrap();
    let second = license(&fixture, &vendor, "acme-2", |terms| terms.supersedes = vec!["endless".to_owned()]);
    let refused = operations.import_license(&second).unwrap_err();
    assert!(refused.code() == codes::LICENSE_ENDED && refused.to_string().contains(&date), "{refused}");
    assert!(refused.hint().unwrap().contains("confirm-date"));
    operations.confirm_date().unwrap();
    assert_eq!(operations.import_license(&second).unwrap().terms.unwrap().standing, "valid");
    assert!(blockers().is_empty());
}

/// Expiry, a lost license and a wrong clock stop only an install and an upgrade of entitled components. Preflight
/// reports the same as an install. Every caller of the check names it, so the test searches the sources.
#[test]
fn only_install_and_upgrade_check_licenses() {
    fn asking(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") && !path.ends_with("license") {
                asking(&path, found);
            } else if path.is_file() && fs_err::read_to_string(&path).unwrap().contains("licensing.blockers(") {
                found.push(path);
            }
        }
    }
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/operations");
    let mut found = Vec::new();
    asking(operations.parent().unwrap(), &mut found);
    found.sort();
    assert_eq!(found, ["planned.rs", "preflight.rs", "upgrade/mod.rs"].map(|file| operations.join(file)));
}

#[test]
fn ended_license_allows_resume_and_uninstall() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = machine(&vendor);
    let birth = fixture.contents();
    fixture.license = Some(license(&fixture, &vendor, "acme-1", |_| {}));
    fixture.crash_at(|event| matches!(event, Event::StepStarted { index: 2, .. }));
    let mut ahead = machine_clocks(&fixture.operations.paths);
    ahead.wall += SignedDuration::from_hours(4 * 365 * 24);
    let paths = &fixture.operations.paths;
    site_time::confirm(paths, &LicenseLock::take(paths).unwrap(), &ahead).unwrap();
    assert!(matches!(fixture.operations.resume(None).unwrap(), ResumeOutcome::Install(_)));
    let report = fixture.operations.status().unwrap();
    assert_eq!(report.license.unwrap().terms.unwrap().standing, "ended");
    let site = fixture.operations.site_name().unwrap();
    fixture.operations.uninstall(&DataDisposal::Delete { confirmation: site }).unwrap();
    let license = fixture.path("acme-1.license");
    assert!(license.exists());
    assert_eq!(fixture.contents(), birth);
}
