//! Secrets that a site gives: preflight requests them, and the data folder has them before the journal begins. They are
//! stored nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_host::facts::sample::sample;
use landfall_host::facts::{KIND, SCHEMA};

use super::*;
use crate::operations::planned::first_secrets;
use crate::operations::{PreflightReport, PreflightRequest};
use landfall_site::site_secrets::SecretArgument;

/// Secret that the person supplies.
const PASSWORD: &str = "canary-password";

/// Returns a machine with a stick whose release requests a password and a file.
fn sample_machine() -> Fixture {
    let mut release = release(3);
    release["components"] = json!([{
        "name": "web", "namespace": "web", "needs": [], "objects": "documents/objects/web.json",
        "pod_security": "restricted", "ready_seconds": 60, "site_secrets": [
            {"name": "directory", "meaning": "Reads the directory", "value": {"password": {"minimum": 8}}},
            {"name": "license", "meaning": "Of the index", "value": {"file": {"key": "license"}}},
        ],
    }]);
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release);
    durable::write_file(&fixture.path("password"), format!("{PASSWORD}\n").as_bytes(), 0o600).unwrap();
    fixture
}

/// Supplies both from the same file.
fn brought_secrets(fixture: &Fixture) -> BroughtSecrets {
    let argument = |name: &str| SecretArgument { name: name.to_owned(), file: Some(fixture.path("password")) };
    BroughtSecrets {
        arguments: ["directory", "license"].map(argument).to_vec(),
        ask: None,
        ..BroughtSecrets::default()
    }
}

fn look(fixture: &Fixture, secrets: BroughtSecrets, site: Option<PathBuf>) -> PreflightReport {
    let mut document = serde_json::to_value(sample()).unwrap();
    (document["kind"], document["schema"]) = (KIND.into(), SCHEMA.into());
    let facts = fixture.path("facts.json");
    durable::write_file(&facts, document.to_string().as_bytes(), 0o644).unwrap();
    let bundle = fixture.path("stick");
    let request = PreflightRequest { bundle, site, facts: Some(facts), secrets, ..PreflightRequest::default() };
    fixture.operations.preflight(&request).unwrap()
}

#[test]
fn preflight_names_missing_secrets_without_values() {
    let fixture = sample_machine();
    let report = look(&fixture, BroughtSecrets::default(), None);
    let missing = report.findings.iter().filter(|finding| finding.code == codes::SITE_SECRET_MISSING);
    assert_eq!((missing.count(), report.blockers, report.exit_code()), (2, 2, 4), "{report:?}");
    let report = look(&fixture, brought_secrets(&fixture), None);
    assert!(report.ready && !format!("{report:?}").contains("canary"), "{report:?}");

    let site = fixture.path("site.yaml");
    let text = |path: PathBuf| format!("secrets: {{directory: {{fromFile: {}}}}}\n", path.display());
    durable::write_file(&site, text(fixture.path("password")).as_bytes(), 0o644).unwrap();
    assert_eq!(look(&fixture, BroughtSecrets::default(), Some(site.clone())).blockers, 1);
    durable::write_file(&site, text(fixture.path("nowhere")).as_bytes(), 0o644).unwrap();
    let report = look(&fixture, BroughtSecrets::default(), Some(site));
    assert!(report.findings.iter().any(|finding| finding.measured.contains("there is no file")), "{report:?}");
}

/// Returns the files below a folder that contain this text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if path.is_file() {
            let bytes = fs_err::read(&path).unwrap();
            let has = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(has.then_some(path));
        }
    }
    found
}

#[test]
fn secret_values_stay_in_one_folder() {
    let fixture = sample_machine();
    let mut prepared = fixture.prepared_install();
    let release = prepared.planned.release.release.clone();
    let given = first_secrets(&release, &SiteConfiguration::default(), &brought_secrets(&fixture)).unwrap();
    prepared.planned.secrets = given.new;
    prepared.run().unwrap();
    let paths = &fixture.operations.paths;
    let folder = paths.site_secrets().join("web");
    let encoded = STANDARD.encode(format!("{PASSWORD}\n"));
    let mut holding = files_with(&fixture.path("host"), &encoded);
    holding.sort();
    assert_eq!(holding, [folder.join("directory.1.json"), folder.join("license.1.json")]);
    let mut plain = files_with(&fixture.path("host"), PASSWORD);
    // This test's own program is the pinned one, and contains the text.
    plain.retain(|path| !path.starts_with(fixture.path("host/var/lib/landfall/engine")));
    assert_eq!(plain, Vec::<PathBuf>::new());
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert!(!paths.site_secrets().exists());
}
