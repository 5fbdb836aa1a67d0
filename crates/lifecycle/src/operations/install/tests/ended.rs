//! The end of a license: refused and continuing operations. A lost site can be recovered without a valid license.

use landfall_backup::{BackupKind, NewBackup, Repository, RepositoryKey};
use landfall_cluster::Edits;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use uuid::Uuid;

use super::licensed::{entitled_release, license, machine};
use super::*;
use crate::operations::upgrade::tests::upgrade;
use crate::operations::{PreflightRequest, RestoreRequest};
use landfall_site::backups::BackupFolder;
use landfall_site::findings::Finding;
use landfall_site::license::saved_documents;
use landfall_site::site_secrets::NO_SECRETS;

/// Code of a site's license that has ended.
const ENDED: &str = "LF4703";

/// Returns a bundle of the entitled release with this counter: 3 is version 1.3.0.
fn of_counter(vendor: &Vendor, counter: u64) -> Vec<u8> {
    changed_of_counter(vendor, counter, |_| {})
}

/// Like [`of_counter`], with a changed release document.
pub(super) fn changed_of_counter(
    vendor: &Vendor,
    counter: u64,
    change: impl FnOnce(&mut serde_json::Value),
) -> Vec<u8> {
    let mut document = entitled_release();
    (document["counter"], document["version"]) = (counter.into(), format!("1.{counter}.0").into());
    let component = &mut document["components"][0];
    component["data"] = "kept".into();
    component["backup"] = json!([{
        "name": "rows", "workload": {"kind": "StatefulSet", "name": "reports"}, "volume": "data", "limit_seconds": 60,
        "save": ["dump"], "load": ["fill"], "marker": {"write": ["set", "%{marker}"], "read": ["get"]},
    }]);
    change(&mut document);
    let objects = NewDocument { name: "documents/objects/reports.json".to_owned(), bytes: b"[]".to_vec() };
    bundle_of(vendor, &document, BUILT, vec![objects])
}

/// Returns a machine with a stick of version 1.3.0.
fn machine_with_stick(vendor: &Vendor) -> Fixture {
    let fixture = machine(vendor);
    put(&fixture, vendor, "stick", 3);
    fixture
}

/// Puts the release of this counter into a folder.
fn put(fixture: &Fixture, vendor: &Vendor, folder: &str, counter: u64) {
    put_bundle(fixture, folder, &of_counter(vendor, counter));
}

/// Puts a bundle into a folder.
pub(super) fn put_bundle(fixture: &Fixture, folder: &str, bundle: &[u8]) {
    let path = fixture.path(folder);
    durable::create_folder(&path).unwrap();
    durable::write_file(&path.join("tiny.landfall"), bundle, 0o644).unwrap();
}

/// Returns a license that ended a month ago, with its grace.
fn ended_license(fixture: &Fixture, vendor: &Vendor) -> PathBuf {
    license(fixture, vendor, "ended", |terms| {
        terms.not_before = terms.issued - jiff::SignedDuration::from_hours(24 * 100);
        terms.ends = Some(terms.issued - jiff::SignedDuration::from_hours(24 * 31));
    })
}

/// Returns a site whose license has ended.
fn site(vendor: &Vendor) -> Fixture {
    let mut fixture = machine_with_stick(vendor);
    let ended = ended_license(&fixture, vendor);
    fixture.license = Some(ended);
    fixture.prepared_install().run().unwrap();
    fixture.license = None;
    fixture
}

/// Returns the codes of all refusals of an operation; empty if it succeeded.
pub(super) fn codes_of<T>(result: Result<T>) -> Vec<&'static str> {
    match result {
        Ok(_) => Vec::new(),
        Err(OperationError::NotReady { blockers }) => blockers.iter().map(Finding::code_id).collect(),
        Err(error) => vec![error.code().id],
    }
}

/// Returns the license's refusals of an install of the stick's release, which `check` reports as well.
fn license_refusals(fixture: &Fixture, adopt_data: bool) -> Vec<&'static str> {
    let request = InstallRequest { adopt_data, ..fixture.request() };
    let of_license =
        |codes: Vec<&'static str>| -> Vec<_> { codes.into_iter().filter(|code| code.starts_with("LF47")).collect() };
    let prepared = of_license(codes_of(fixture.operations.prepare_install(&request)));
    assert_eq!(of_license(codes_of(fixture.operations.check_request(&request))), prepared);
    prepared
}

/// Asserts that only the benefit of adopting kept data is reported, and nothing else about the license. The install of
/// the same version does not adopt the data.
fn expect_worth(fixture: &Fixture) {
    let trust = fixture.request().trust;
    let request = PreflightRequest { bundle: fixture.path("stick"), trust, ..PreflightRequest::default() };
    let of_preflight = fixture.operations.preflight(&request).unwrap().findings;
    let error = fixture.operations.prepare_install(&fixture.request()).err().unwrap();
    for findings in [of_preflight.as_slice(), error.blockers()] {
        let is_about = |finding: &&Finding| *finding.code == *"LF4020" || finding.code.starts_with("LF47");
        let told: Vec<_> = findings.iter().filter(is_about).collect();
        assert_eq!(told.iter().map(|finding| finding.code_id()).collect::<Vec<_>>(), ["LF4020"]);
        let expected = "With its data this version comes back whatever the license says; without it, the license \
            refuses it (LF4703).";
        assert!(told[0].fix.ends_with(expected), "{}", told[0].fix);
    }
}

pub(super) fn write_volume(fixture: &Fixture) {
    let volume = fixture.operations.paths.storage().join("pvc-1_reports_data");
    durable::create_folder(&volume).unwrap();
    durable::write_file(&volume.join("rows"), b"kept", 0o600).unwrap();
}

/// Adds a backup of this version to a repository.
pub(super) fn save(repository: &Repository, version: &str, mut documents: Vec<(&'static str, Vec<u8>)>) {
    documents.push(("reports/rows", b"kept".to_vec()));
    let document = |(name, bytes): (&str, Vec<u8>)| (name.parse().unwrap(), bytes);
    repository
        .save(NewBackup {
            kind: BackupKind::Full,
            time: Timestamp::now(),
            facts: [("release".to_owned(), "tiny".to_owned()), ("version".to_owned(), version.to_owned())].into(),
            streams: Vec::new(),
            documents: documents.into_iter().map(document).collect(),
        })
        .unwrap();
}

#[test]
fn kept_data_reinstalls_only_own_release() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = site(&vendor);
    write_volume(&fixture);
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(license_refusals(&fixture, false), [""; 0], "the data has to be decided about first");
    expect_worth(&fixture);
    assert_eq!(license_refusals(&fixture, true), [""; 0]);
    for other in [4, 2] {
        put(&fixture, &vendor, "stick", other);
        for adopts in [true, false] {
            assert_eq!(license_refusals(&fixture, adopts), [ENDED], "1.{other}.0 was never here");
        }
    }
    put(&fixture, &vendor, "stick", 3);
    // Data of an unknown owner does not count as a return.
    durable::remove_file(&fixture.operations.paths.kept_record()).unwrap();
    assert_eq!(license_refusals(&fixture, true), [ENDED]);
}

#[test]
fn backups_reinstall_only_their_release() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let lost = site(&vendor);
    let copies = tempfile::tempdir().unwrap();
    let (copy, key) = (copies.path().join("repository"), copies.path().join("key"));
    let secret = RepositoryKey::generate();
    secret.write_new(&key).unwrap();
    let repository = Repository::create(&copy, Uuid::from_u128(7), &secret).unwrap();
    save(&repository, "1.2.0", Vec::new());
    save(&repository, "1.3.0", saved_documents(&lost.operations.paths));

    let found = machine_with_stick(&vendor);
    assert_eq!(license_refusals(&found, false), ["LF4701"], "an empty machine has nothing to bring back");
    found.operations.adopt_backups(&copy, &key).unwrap();
    assert_eq!(license_refusals(&found, false), [""; 0], "the backups have to be decided about first");
    expect_worth(&found);
    for (counter, expected) in [(3, vec![]), (2, vec![]), (4, vec![ENDED])] {
        put(&found, &vendor, "stick", counter);
        assert_eq!(license_refusals(&found, true), expected, "1.{counter}.0");
    }
    // Unreadable backups may be of this version, and the message says so.
    put(&found, &vendor, "stick", 3);
    durable::rename(&found.operations.paths.backup_repository(), &copies.path().join("away")).unwrap();
    let request = InstallRequest { adopt_data: true, ..found.request() };
    let error = found.operations.prepare_install(&request).err().unwrap();
    let blocker = error.blockers().iter().find(|blocker| blocker.code_id() == ENDED).unwrap();
    let text = &blocker.measured;
    assert!(text.contains("whether a kept backup is of this release is not known: "), "{text}");
    assert!(text.contains("holds no repository"), "{text}");
}

/// Returns the license's refusals of an upgrade to the release in the folder `later`. The rest of the plan needs a
/// cluster.
fn refused_upgrade(site: &Fixture) -> Vec<&'static str> {
    let trust = Trust::read(site.request().trust.as_deref(), &site.path("later")).unwrap();
    let release = TrustedRelease::find(&site.path("later"), &trust, &site.operations).unwrap();
    let licensing = release.licensing(&LicensedHost::Here { paths: &site.operations.paths, cluster: None }, None);
    let blockers = licensing.unwrap().blockers(&release.release, release.built_at());
    blockers.iter().map(Finding::code_id).collect()
}

/// Name of an operation on a site, and the function that returns its refusals.
type Verb = (&'static str, fn(&Fixture) -> Vec<&'static str>);

/// All operations, as far as they run without a cluster, except those that bring a release to the site.
const FREE: [Verb; 12] = [
    ("rollback", |site| codes_of(site.operations.prepare_rollback(None, None, Edits::Refuse))),
    ("configure", |site| {
        let settings = site.path("site.yaml");
        durable::write_file(&settings, b"accept: [swap]\n", 0o644).unwrap();
        codes_of(site.operations.prepare_configure(Some(&settings), &NO_SECRETS, Edits::Refuse))
    }),
    ("backup", |site| codes_of(site.operations.back_up(false))),
    ("backup of logs", |site| codes_of(site.operations.back_up_logs())),
    ("check of backups", |site| codes_of(site.operations.check_backups())),
    ("drill", |site| codes_of(site.operations.drill(Some(&backup_of(site))))),
    ("export", |site| {
        let file = site.path("rows");
        let exported = site.operations.export_stream(Some(&backup_of(site)), "reports/rows", &file);
        durable::remove_file(&file).unwrap();
        codes_of(exported)
    }),
    ("restore", |site| {
        let request = RestoreRequest { backup: Some(backup_of(site)), ..RestoreRequest::default() };
        codes_of(site.operations.prepare_restore(&request))
    }),
    ("prove", |site| codes_of(site.operations.prove(&[]))),
    ("verify", |site| codes_of(site.operations.verify_site())),
    ("resume", |site| codes_of(site.operations.resume(None))),
    ("status", |site| codes_of(site.operations.status())),
];

pub(super) fn backup_of(site: &Fixture) -> String {
    site.operations.backups().unwrap()[0].id.clone()
}

/// Returns the outcomes of these operations on a site.
fn outcomes(site: &Fixture) -> Vec<(&'static str, Vec<&'static str>)> {
    FREE.iter().map(|(name, act)| (*name, act(site))).collect()
}

/// The outcomes with a valid and an ended license are equal, except for operations that bring a release to the site.
#[test]
fn ended_license_blocks_only_new_releases() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut site = machine_with_stick(&vendor);
    site.license = Some(license(&site, &vendor, "acme-1", |_| {}));
    site.prepared_install().run().unwrap();
    site.license = None;
    upgrade(&site, &of_counter(&vendor, 4));
    save(&BackupFolder::of(&site.operations.paths).open_or_create().unwrap(), "1.4.0", Vec::new());
    let before = outcomes(&site);
    let of = |verb: &str| before.iter().find(|(name, _)| *name == verb).unwrap().1.clone();
    for verb in ["check of backups", "export", "verify", "resume", "status"] {
        assert_eq!(of(verb), [""; 0], "{verb} needs no cluster");
    }
    put(&site, &vendor, "later", 5);
    assert_eq!(refused_upgrade(&site), [""; 0]);
    let paths = &site.operations.paths;
    let mut ahead = machine_clocks(paths);
    ahead.wall += jiff::SignedDuration::from_hours(4 * 365 * 24);
    site_time::confirm(paths, &LicenseLock::take(paths).unwrap(), &ahead).unwrap();
    let terms = site.operations.status().unwrap().license.unwrap().terms.unwrap();
    assert_eq!(terms.standing, "ended");

    assert_eq!(outcomes(&site), before);
    assert_eq!(refused_upgrade(&site), [ENDED]);

    write_volume(&site);
    site.operations.uninstall(&DataDisposal::Keep).unwrap();
    for (counter, adopts, expected) in
        [(4, true, vec![]), (4, false, vec![]), (5, true, vec![ENDED]), (5, false, vec![ENDED])]
    {
        put(&site, &vendor, "stick", counter);
        assert_eq!(license_refusals(&site, adopts), expected, "an install of 1.{counter}.0 that adopts: {adopts}");
    }
    let name = site.operations.site_name().unwrap();
    site.operations.uninstall(&DataDisposal::Delete { confirmation: name }).unwrap();
}
