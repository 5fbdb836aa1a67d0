//! Tests of values that people give, of missing ones, and of stored ones.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_release_document::{ReleaseDocument, SiteSecret};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::store::StoredValue;
use super::value::{Circumstances, check};
use super::*;
use crate::configuration::SecretSource;
use crate::findings::Finding;

/// Word in every value of these tests, which no message may contain.
const WORD: &str = "canary";

fn secret(value: &Value) -> SiteSecret {
    serde_json::from_value(json!({"name": "given", "meaning": "What it is", "value": value})).unwrap()
}

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

/// Returns why a value is refused, at a site whose `web.host` is `bulletin.example.com`.
fn reason(value: &Value, bytes: &[u8]) -> String {
    let set = BTreeMap::from([("web.host".to_owned(), json!("bulletin.example.com"))]);
    let circumstances = Circumstances { now: Some(now()), declared: &[], set: &set };
    let reason = check(&secret(value), bytes, circumstances).err().unwrap_or_default();
    assert!(!reason.contains(WORD), "{reason}");
    reason
}

fn text(data: &value::Data, key: &str) -> String {
    String::from_utf8(data[key].to_vec()).unwrap()
}

/// Returns a certificate for a name that ends with this year, and its key.
fn certificate(name: &str, last_year: i32, is_authority: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn password_is_one_bounded_line() {
    let wanted = json!({"password": {"minimum": 8, "maximum": 20, "pattern": "^[a-z0-9-]+$"}});
    for given in ["canary-1", "canary-1\n", "canary-1\r\n"] {
        assert_eq!(reason(&wanted, given.as_bytes()), "");
        let data = data(&secret(&wanted), given.as_bytes()).unwrap();
        assert_eq!(text(&data, "password"), "canary-1");
    }
    let unfit: [(&[u8], &str); 9] = [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"canary", "it is too short"),
        (b"canary-canary-canary-1", "it is too long"),
        (b"canary-1\n\n", "more than one line"),
        (b"canary\tcanary", "a control character"),
        (b"Canary 12", "does not match the release's pattern"),
        (b"canary-\xff\xfe", "not text in UTF-8"),
        ("\u{feff}canary-1".as_bytes(), "a byte order mark"),
    ];
    for (given, why) in unfit {
        let found = reason(&wanted, given);
        assert!(found.contains(why), "{why}: {found}");
    }
    let fixed: SiteSecret =
        serde_json::from_value(json!({"name": "a", "meaning": "b", "fixed": {"username": "reader"},
        "value": {"password": {"key": "bind"}}}))
        .unwrap();
    let keys: Vec<String> = data(&fixed, b"x").unwrap().into_keys().collect();
    assert_eq!(keys, ["bind", "username"]);
}

#[test]
fn file_secret_keeps_its_bytes() {
    let wanted = json!({"file": {"key": "license.bin", "minimum": 2, "maximum": 4}});
    assert_eq!(data(&secret(&wanted), b"\0\xff\n").unwrap()["license.bin"].to_vec(), b"\0\xff\n");
    assert_eq!(reason(&wanted, b"a"), "it is too short");
    assert_eq!(reason(&wanted, b"abcde"), "it is too long");
}

#[test]
fn tls_secret_needs_matching_certificate() {
    let wanted = json!({"tls": {"names": ["web.host"]}});
    let (good, key) = certificate("bulletin.example.com", 2030, false);
    let (authority, other_key) = certificate("an authority", 2030, true);
    let together = format!("{WORD} of a person\n{key}\n{good}{authority}");
    assert_eq!(reason(&wanted, together.as_bytes()), "");
    let data = data(&secret(&wanted), together.as_bytes()).unwrap();
    let (chain, written) = (text(&data, "tls.crt"), text(&data, "tls.key"));
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(
        !chain.contains("PRIVATE KEY") && !chain.contains(WORD) && written.starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    assert_eq!(written.lines().collect::<String>(), key.lines().collect::<String>());

    let (ended, ended_key) = certificate("bulletin.example.com", 2025, false);
    let (elsewhere, elsewhere_key) = certificate("other.example.com", 2030, false);
    let locked = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (given, why) in [
        (format!("{good}{other_key}"), "does not belong to its first certificate"),
        (good.clone(), "no private key in PEM"),
        (format!("{good}{locked}"), "no private key in PEM"),
        (key.clone(), "no certificate in PEM"),
        (format!("{ended}{ended_key}"), "ended on 2025-12-31"),
        (format!("{elsewhere}{elsewhere_key}"), "not for bulletin.example.com"),
        (format!("{}{key}", good.replacen("MII", "MIC", 1)), "is damaged"),
        (WORD.to_owned(), "no certificate in PEM"),
    ] {
        let found = reason(&wanted, given.as_bytes());
        assert!(found.contains(why), "{why}: {found}");
    }
}

#[test]
fn authorities_must_be_valid() {
    let wanted = json!({"authorities": {}});
    let (authority, _) = certificate("an authority", 2030, true);
    let (leaf, _) = certificate("bulletin.example.com", 2030, false);
    let (ended, _) = certificate("an authority", 2025, true);
    assert_eq!(reason(&wanted, format!("{authority}{authority}").as_bytes()), "");
    assert!(reason(&wanted, format!("{authority}{leaf}").as_bytes()).contains("certificate 2 in it is not that of"));
    assert!(reason(&wanted, ended.as_bytes()).contains("ended on 2025-12-31"));
    assert_eq!(data(&secret(&wanted), authority.as_bytes()).unwrap().into_keys().collect::<Vec<_>>(), ["ca.crt"]);
}

fn key(name: &str, number: u64) -> SecretKey {
    SecretKey { secret: ("web".to_owned(), name.to_owned()), number }
}

fn stored_value(kind: &str, value: &[u8]) -> StoredValue {
    StoredValue { kind: kind.to_owned(), value: Zeroizing::new(value.to_vec()) }
}

#[test]
fn unneeded_secret_files_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let paths = SitePaths::below(root.path());
    durable::create_folder(&paths.data()).unwrap();
    let store = SecretStore::of(&paths);
    for number in 1..=3 {
        store.write(&key("given.a", number), &stored_value("password", b"canary\xff")).unwrap();
    }
    let path = store.file(&key("given.a", 1));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&paths.site_secrets())), (0o600, 0o700, 0o700));
    let read = store.read(&key("given.a", 2)).unwrap().unwrap();
    assert_eq!((read.kind.as_str(), read.value.to_vec()), ("password", b"canary\xff".to_vec()));
    assert!(store.read(&key("given", 2)).unwrap().is_none());

    // A file under another name, or a cut one, is never accepted as the value.
    let bytes = std::fs::read(store.file(&key("given.a", 2))).unwrap();
    durable::write_file(&store.file(&key("given.a", 9)), &bytes, 0o600).unwrap();
    let error = store.read(&key("given.a", 9)).err().unwrap();
    assert_eq!((error.code(), error.to_string().contains("belongs to another")), (codes::SITE_SECRET_FILE, true));
    durable::write_file(&store.file(&key("given.a", 9)), br#"{"value": "canary"#, 0o600).unwrap();
    let error = store.read(&key("given.a", 9)).err().unwrap();
    assert!(error.to_string().contains("is damaged") && !format!("{error:?}").contains(WORD), "{error:?}");
    let missing = store.expect(&key("given.b", 1)).err().unwrap();
    assert!(landfall_error_codes::CodedError::hint(&missing).unwrap().contains("--secret given.b=FILE"), "{missing}");

    store.retain(&BTreeSet::from([key("given.a", 2)])).unwrap();
    let left = |folder: &Path| folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(left(path.parent().unwrap()), ["given.a.2.json"]);
    store.retain(&BTreeSet::new()).unwrap();
    assert!(!paths.site_secrets().exists());
    store.retain(&BTreeSet::new()).unwrap();
}

#[test]
fn only_the_key_is_secret() {
    let (certificate, key) = certificate("a", 2030, false);
    let whole = stored_value("tls", format!("{certificate}{key}{certificate}").as_bytes());
    assert_eq!(String::from_utf8(whole.secret_part().to_vec()).unwrap(), key);
    for line_end in ["\r\n", "\r"] {
        let text = format!("{key}{certificate}").replace('\n', line_end);
        assert_eq!(stored_value("tls", text.as_bytes()).secret_part().to_vec(), key.as_bytes(), "{line_end:?}");
    }
    assert!(stored_value("authorities", b"x").is_public() && !whole.is_public());
    assert_eq!(stored_value("file", b"x").secret_part().to_vec(), b"x");
}

/// Returns a release that requests a password and a file.
fn release() -> ReleaseDocument {
    let component = json!({"name": "web", "namespace": "web", "needs": [], "objects": "documents/objects/web.json",
        "pod_security": "restricted", "ready_seconds": 60, "site_secrets": [
            {"name": "directory", "meaning": "Reads the directory", "value": {"password": {"minimum": 8}}},
            {"name": "license", "meaning": "Of the index", "value": {"file": {"key": "license"}}}]});
    let document = json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "3.0.0", "counter": 9, "assembled": false,
        "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "values": [],
        "components": [component], "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
    });
    ReleaseDocument::read(document.to_string().as_bytes()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in for a terminal, which may end")]
fn type_password(question: &SecretQuestion<'_>) -> std::io::Result<Zeroizing<String>> {
    assert_eq!((question.name, question.component, question.meaning), ("directory", "web", "Reads the directory"));
    Ok(Zeroizing::new("canary-typed".to_owned()))
}

/// A site with files that a person can name.
struct Case {
    root: tempfile::TempDir,
    release: ReleaseDocument,
    values: BTreeMap<String, Value>,
}

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        durable::create_folder(&SitePaths::below(root.path()).data()).unwrap();
        for (name, content) in [("password", "canary-password\n"), ("short", "canary\n"), ("license", "canary-license")]
        {
            durable::write_file(&root.path().join(name), content.as_bytes(), 0o600).unwrap();
        }
        Self { root, release: release(), values: BTreeMap::new() }
    }

    fn store(&self) -> SecretStore {
        SecretStore::of(&SitePaths::below(self.root.path()))
    }

    fn argument(&self, name: &str, file: &str) -> SecretArgument {
        SecretArgument { name: name.to_owned(), file: Some(self.root.path().join(file)) }
    }

    fn inputs<'a>(&'a self, brought: &'a BroughtSecrets, kept: Option<KeptSecrets<'a>>) -> SecretInputs<'a> {
        SecretInputs { release: &self.release, values: &self.values, configured: None, brought, kept, now: now() }
    }

    fn kept_secrets<'a>(
        &self,
        numbers: &[(&str, u64)],
        sources: &'a BTreeMap<String, SecretSource>,
    ) -> KeptSecrets<'a> {
        let numbers = numbers.iter().map(|(name, number)| (("web".to_owned(), (*name).to_owned()), *number));
        KeptSecrets { store: self.store(), numbers: numbers.collect(), sources }
    }
}

fn codes_of(findings: &[Finding]) -> Vec<&str> {
    let text = serde_json::to_string(findings).unwrap();
    assert!(!text.contains(WORD), "{text}");
    findings.iter().filter(|finding| finding.is_blocker()).map(Finding::code_id).collect()
}

#[test]
fn all_unfit_secrets_are_found() {
    let case = Case::new();
    let given = case.inputs(&NO_SECRETS, None).choose_secrets();
    assert_eq!(codes_of(&given.findings), [codes::SITE_SECRET_MISSING.id; 2]);
    let [first, second] = &given.findings[..] else { panic!("two are missing") };
    assert!(first.fix.contains("--secret directory=FILE") && first.fix.contains("directory: {fromFile"), "{first:?}");
    assert!(first.fix.contains("at a terminal") && !second.fix.contains("at a terminal"), "{second:?}");
    assert!(first.measured.contains("Reads the directory") && first.threshold.contains("8 to 256 characters"));

    let brought = BroughtSecrets {
        arguments: vec![case.argument("directory", "short"), case.argument("license", "nowhere")],
        ask: None,
        ..BroughtSecrets::default()
    };
    let given = case.inputs(&brought, None).choose_secrets();
    assert_eq!(codes_of(&given.findings), [codes::SITE_SECRET_UNFIT.id; 2]);
    assert!(given.findings[1].measured.contains("there is no file"), "{:?}", given.findings);

    // A person may type the secret itself instead of its file.
    let in_place = SecretArgument { name: "directory".to_owned(), file: Some("canary-password".into()) };
    let brought = BroughtSecrets {
        arguments: vec![in_place, case.argument("license", "license")],
        ask: None,
        ..BroughtSecrets::default()
    };
    let given = case.inputs(&brought, None).choose_secrets();
    assert_eq!(codes_of(&given.findings), [codes::SITE_SECRET_UNFIT.id]);

    let brought = BroughtSecrets {
        arguments: vec![case.argument("directroy", "password"), case.argument("license", "license")],
        ask: None,
        ..BroughtSecrets::default()
    };
    let error = case.inputs(&brought, None).refuse_unknown().unwrap_err();
    assert_eq!(error.code(), codes::SITE_SECRET_UNKNOWN);
    assert!(error.to_string().contains("did you mean `directory`?"), "{error}");
}

#[test]
fn given_secrets_are_numbered_and_kept() {
    let case = Case::new();
    let brought = BroughtSecrets {
        arguments: vec![case.argument("license", "license")],
        ask: Some(type_password),
        ..BroughtSecrets::default()
    };
    let asked = case.inputs(&brought, None);
    asked.refuse_unknown().unwrap();
    let given = asked.choose_secrets();
    assert!(codes_of(&given.findings).is_empty() && given.findings.len() == 1, "{:?}", given.findings);
    assert!(given.numbers.values().all(|number| *number == 1) && given.numbers.len() == 2);
    given.new.store(&case.store()).unwrap();
    let value = case.store().expect(&key("directory", 1)).unwrap().value;
    assert_eq!(value.to_vec(), b"canary-typed");

    // An equal value keeps its number; a different one gets the next number.
    let sources = BTreeMap::new();
    let numbers = |arguments: Vec<SecretArgument>| {
        let brought = BroughtSecrets { arguments, ask: Some(type_password), ..BroughtSecrets::default() };
        let given = case
            .inputs(&brought, Some(case.kept_secrets(&[("directory", 1), ("license", 1)], &sources)))
            .choose_secrets();
        assert!(codes_of(&given.findings).is_empty(), "{:?}", given.findings);
        given.new.store(&case.store()).unwrap();
        given.numbers.into_values().collect::<Vec<u64>>()
    };
    assert_eq!(numbers(Vec::new()), [1, 1]);
    assert_eq!(numbers(vec![case.argument("license", "license")]), [1, 1]);
    assert_eq!(numbers(vec![case.argument("directory", "password")]), [2, 1]);
    assert_eq!(numbers(vec![SecretArgument { name: "directory".to_owned(), file: None }]), [1, 1], "it is typed again");
    assert_eq!(case.store().expect(&key("directory", 2)).unwrap().value.to_vec(), b"canary-password\n");
}

/// A value from the console is judged like a file, and never shown.
#[test]
fn sent_secret_is_judged_like_files() {
    let case = Case::new();
    case.store().write(&key("directory", 1), &stored_value("password", b"canary-typed")).unwrap();
    case.store().write(&key("license", 1), &stored_value("file", b"canary-license")).unwrap();
    let sources = BTreeMap::new();
    let given = |name: &str, value: &str| -> Result<Vec<u64>, Vec<String>> {
        let sent = [(name.to_owned(), SentSecret::new(value))].into();
        let brought = BroughtSecrets { sent, ..BroughtSecrets::default() };
        assert!(!format!("{brought:?}").contains(WORD), "{brought:?}");
        let asked = case.inputs(&brought, Some(case.kept_secrets(&[("directory", 1), ("license", 1)], &sources)));
        asked.refuse_unknown().map_err(|error| vec![error.code().id.to_owned()])?;
        let given = asked.choose_secrets();
        given.new.store(&case.store()).unwrap();
        let codes: Vec<String> = codes_of(&given.findings).into_iter().map(str::to_owned).collect();
        if codes.is_empty() { Ok(given.numbers.into_values().collect()) } else { Err(codes) }
    };
    assert_eq!(given("directory", "canary-typed"), Ok(vec![1, 1]), "it is the one that the site has");
    assert_eq!(given("directory", "canary-of-the-console"), Ok(vec![2, 1]));
    let value = case.store().expect(&key("directory", 2)).unwrap().value;
    assert_eq!(value.to_vec(), b"canary-of-the-console");
    assert_eq!(given("directory", "canary"), Err(vec![codes::SITE_SECRET_UNFIT.id.to_owned()]), "too short");
    assert_eq!(given("directroy", "canary-typed"), Err(vec![codes::SITE_SECRET_UNKNOWN.id.to_owned()]));
}

/// A later release may require more than the site has given.
#[test]
fn kept_secret_must_still_fit() {
    let mut case = Case::new();
    case.store().write(&key("directory", 1), &stored_value("password", b"canary-12")).unwrap();
    case.store().write(&key("license", 4), &stored_value("password", b"canary-license")).unwrap();
    let sources = BTreeMap::new();
    let given = case
        .inputs(&NO_SECRETS, Some(case.kept_secrets(&[("directory", 1), ("license", 4)], &sources)))
        .choose_secrets();
    assert_eq!(codes_of(&given.findings), [codes::SITE_SECRET_UNFIT.id]);
    assert!(given.findings[0].measured.contains("a value of the kind password"), "{:?}", given.findings);
    case.store().write(&key("license", 4), &stored_value("file", b"canary-license")).unwrap();
    case.release.components[0].site_secrets[0] =
        serde_json::from_value(json!({"name": "directory", "meaning": "b", "value": {"password": {"minimum": 12}}}))
            .unwrap();
    let given = case
        .inputs(&NO_SECRETS, Some(case.kept_secrets(&[("directory", 1), ("license", 4)], &sources)))
        .choose_secrets();
    assert!(given.findings[0].measured.ends_with("it is too short"), "{:?}", given.findings);
    assert_eq!(given.numbers.into_values().collect::<Vec<_>>(), [1, 4]);
}

/// A person removes the file of a password once the site has it. Another path is a mistake.
#[test]
fn used_secret_file_may_be_gone() {
    let case = Case::new();
    case.store().write(&key("directory", 1), &stored_value("password", b"canary-password\n")).unwrap();
    case.store().write(&key("license", 1), &stored_value("file", b"canary-license")).unwrap();
    let source = |name: &str| {
        let from_file = case.root.path().join(name);
        BTreeMap::from([("directory".to_owned(), SecretSource { from_file, key_from_file: None })])
    };
    let findings = |configured: &BTreeMap<String, SecretSource>, former: &BTreeMap<String, SecretSource>| {
        let kept = case.kept_secrets(&[("directory", 1), ("license", 1)], former);
        let asked = SecretInputs { configured: Some(configured), ..case.inputs(&NO_SECRETS, Some(kept)) };
        asked.refuse_unknown().unwrap();
        codes_of(&asked.choose_secrets().findings).len()
    };
    assert_eq!(findings(&source("gone"), &source("gone")), 0);
    assert_eq!(findings(&source("gone"), &source("password")), 1);
    assert_eq!(findings(&source("password"), &BTreeMap::new()), 0);
}
