//! Sets of wheels through lock and fetch, with both forms of indexes, and attacks by a hostile index.

use std::fmt::Write as _;

use landfall_bundle_spec::Sha256;
use landfall_packages::sample;
use serde_json::json;

use super::set_bench::SetBench;
use super::*;
use crate::lock::{List, Lock};
use landfall_test_support::package_server::{PackageServer, Resource};

const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// An index with two wheels, and a lock with a requirements file that names them.
struct Case {
    bench: SetBench,
    wheels: Vec<(String, Vec<u8>)>,
}

impl Case {
    fn new() -> Self {
        let wheels = vec![sample::wheel("bard", "1.0", ""), sample::wheel("lyre", "2.1", "Requires-Python: >=3.9\n")];
        let case = Self { bench: SetBench::of("files", wheels.clone()), wheels };
        case.index(&case.wheels, "files");
        case.bench.write("requirements.txt", &case.requirements());
        case
    }

    /// Serves JSON pages for these wheels, with files below a path.
    fn index(&self, wheels: &[(String, Vec<u8>)], files: &str) {
        for (name, bytes) in wheels {
            let project = name.split('-').next().unwrap_or_default();
            let file = json!({
                "filename": name, "url": format!("../../{files}/{name}"), "size": bytes.len(),
                "hashes": { "sha256": digest(bytes).to_hex() }, "yanked": false,
            });
            let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "versions": [], "files": [file] });
            self.bench.server.put(&format!("/simple/{project}/"), Resource::Page(JSON, page.to_string()));
        }
    }

    fn requirements(&self) -> String {
        self.wheels.iter().fold("# by hand\n".to_owned(), |mut text, (name, bytes)| {
            let mut parts = name.split('-');
            let (name, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let _ = writeln!(text, "{name}=={version} \\\n    --hash={}", digest(bytes));
            text
        })
    }

    /// Text of a lock with the unresolved set.
    fn text(&self) -> String {
        let index = self.bench.server.endpoint();
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
             shop.example/wheels:1\n    wheels:\n      index: {index}/simple/\n      requirements: \
             requirements.txt\n      python: \"3.12\"\n      platform: manylinux_2_28_x86_64\n      pinned: \
             unresolved  # by landfall lock\n    license: MIT\n\n# The end.\n"
        )
    }

    /// Text of the resolved lock.
    async fn resolved_text(&self) -> String {
        let resolution = self.bench.resolve(&self.text()).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        assert_eq!(resolution.resolved, 1);
        resolution.text
    }

    /// Errors for the set.
    async fn failures(&self) -> Vec<crate::BuildError> {
        let resolution = self.bench.resolve(&self.text()).await;
        assert_eq!((resolution.resolved, resolution.failed), (0, 1));
        assert_eq!(resolution.text, self.text());
        resolution.failures
    }
}

/// Without an index in the lock, the same definition builds against any vendor's index.
#[tokio::test]
async fn registries_file_supplies_package_index() {
    let case = Case::new();
    let server = case.bench.server.endpoint();
    let text = case.text().replacen(&format!("      index: {server}/simple/\n"), "", 1);
    assert_ne!(text, case.text());
    let refused = case.bench.resolve(&text).await;
    let found: Vec<_> = refused.failures.iter().map(landfall_error_codes::CodedError::code).collect();
    assert_eq!(found, [codes::PACKAGE_INDEX_UNNAMED; 2]);
    assert_eq!((refused.text, case.bench.requested_paths()), (text.clone(), Vec::new()));

    case.bench.write("registries.yaml", &format!("packageIndex: {server}/simple/\n"));
    let registries = Registries::read(&case.bench.folder.path().join("registries.yaml")).expect("good");
    let client = Client::new(registries, DockerConfiguration::default(), QUICK);
    let resolution = case.bench.resolve_by(&text, &client).await;
    assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
    assert_eq!(case.bench.requested_paths(), ["/simple/bard/", "/simple/lyre/"]);
    let (bard, _) = &case.wheels[0];
    assert!(resolution.text.contains(&format!("url: '{server}/files/{bard}'")), "{}", resolution.text);
    // Hashes are authoritative, and the index is not: another index makes no pin stale.
    assert!(resolution.text.contains("resolved: 'requirements.txt, Python 3.12 on"), "{}", resolution.text);
    let again = case.bench.resolve(&resolution.text).await;
    assert_eq!((again.failures.len(), again.text, case.bench.requested_paths()), (0, resolution.text, Vec::new()));
}

#[tokio::test]
async fn wheels_are_pinned_from_project_pages() {
    let case = Case::new();
    let text = case.resolved_text().await;
    let seen = case.bench.server.take_requests();
    assert_eq!(seen.len(), 2, "the pages alone: {seen:?}");
    assert!(seen.iter().all(|seen| seen.accept.starts_with(JSON) && seen.path.ends_with('/')), "{seen:?}");
    let server = case.bench.server.endpoint();
    let pin = |(name, bytes): &(String, Vec<u8>)| {
        let (digest, size) = (digest(bytes), bytes.len());
        format!("          - {{path: '{name}', url: '{server}/files/{name}', digest: '{digest}', size: {size}}}\n")
    };
    let expected = case.text().replacen(
        "      pinned: unresolved  # by landfall lock\n",
        &format!(
            "      pinned:\n        resolved: 'requirements.txt of {server}/simple, Python 3.12 on \
             manylinux_2_28_x86_64'\n        digest: '{}'\n        files:\n{}",
            digest(case.requirements().as_bytes()),
            case.wheels.iter().map(pin).collect::<String>()
        ),
        1,
    );
    assert_eq!(text, expected);

    let fetched = case.bench.fetch(&text).await.expect("fetched");
    let layers = &fetched.artifacts[0].manifest.layers;
    let titles: Vec<_> =
        layers.iter().map(|layer| layer.annotations["org.opencontainers.image.title"].as_str()).collect();
    assert_eq!(titles, ["requirements.txt", case.wheels[0].0.as_str(), case.wheels[1].0.as_str()]);
    assert!(!layers[0].annotations.contains_key("dev.landfall.source"), "a path of this machine means nothing");
    assert_eq!(layers[1].annotations["dev.landfall.source"], format!("{server}/files/{}", case.wheels[0].0));
    assert_eq!(fetched.artifacts[0].pin.license.as_deref(), Some("MIT"));
    assert_eq!(case.bench.store().read(layers[0].digest, u64::MAX).expect("stored"), case.requirements().as_bytes());
    for (_, bytes) in &case.wheels {
        assert_eq!(case.bench.store().read(digest(bytes), u64::MAX).expect("stored"), *bytes);
    }

    // Confirmed and stored files are not requested again.
    case.bench.server.take_requests();
    case.bench.fetch(&text).await.expect("at hand");
    let again = case.bench.resolve(&text).await;
    assert_eq!((again.resolved, again.failures.len(), again.text.as_str()), (0, 0, text.as_str()));
    assert_eq!(case.bench.server.take_requests(), []);
}

#[tokio::test]
async fn html_only_index_is_read() {
    let case = Case::new();
    let of_json = case.resolved_text().await;
    for (number, (name, bytes)) in case.wheels.iter().enumerate() {
        let project = name.split('-').next().unwrap_or_default();
        let hash = digest(bytes).to_hex();
        let page = format!("<a href=\"../../files/{name}#sha256={hash}\" data-requires-python=\"&gt;=3.8\">{name}</a>");
        case.bench.server.put(&format!("/simple/{project}/"), Resource::Page("text/html; charset=utf-8", page));
        if number == 1 {
            case.bench.server.put(&format!("/files/{name}"), Resource::Unsized(bytes.clone()));
        }
    }
    assert_eq!(case.resolved_text().await, of_json);
    let (sized, whole) = (digest(&case.wheels[0].1), digest(&case.wheels[1].1));
    assert!(
        !case.bench.store().contains(sized) && case.bench.store().contains(whole),
        "only wheels without a stated length are read"
    );
    case.bench.fetch(&of_json).await.expect("fetched");
}

#[tokio::test]
async fn changed_requirements_make_pins_stale() {
    let case = Case::new();
    let text = case.resolved_text().await;
    let stale = |text: &str| {
        let lock = case.bench.lock(text);
        let entries: Vec<_> = lock.list(List::Artifacts).iter().collect();
        lock.check_resolved(&entries).expect_err("stale")
    };
    let only = case.requirements().split("lyre").next().unwrap_or_default().to_owned();
    case.bench.write("requirements.txt", &only);
    let changed = stale(&text);
    assert_eq!(changed.code(), codes::LOCK_STALE);
    assert!(changed.to_string().contains("requirements.txt has changed since it was resolved"), "{changed}");
    let resolution = case.bench.resolve(&text).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (1, 0), "{:?}", resolution.failures);
    assert!(!resolution.text.contains("lyre") && resolution.text.ends_with("    license: MIT\n\n# The end.\n"));

    let retargeted = stale(&resolution.text.replacen("\"3.12\"", "\"3.13\"", 1));
    assert_eq!(retargeted.code(), codes::LOCK_STALE);
    assert!(retargeted.to_string().contains("(resolved from requirements.txt of"), "{retargeted}");
    std::fs::remove_file(case.bench.folder.path().join("requirements.txt")).expect("removed");
    let gone = stale(&resolution.text);
    assert!(gone.code() == codes::LOCK_STALE && gone.to_string().contains("cannot be read"), "{gone}");
    let errors = case.failures().await;
    assert_eq!(errors[0].code(), codes::REQUIREMENTS_UNREADABLE, "{errors:?}");
}

#[tokio::test]
async fn wheel_problems_are_reported_together() {
    let case = Case::new();
    let hash = digest(b"other");
    let more = format!(
        "-e .\nunpinned>=1 --hash={hash}\nunhashed==1\nabsent==1 --hash={hash}\nsource==1 --hash={hash}\nother==1 \
         --hash={hash}\n\
         bad==1 --hash={hash}\n"
    );
    case.bench.write(
        "requirements.txt",
        &(case.requirements().replacen(&digest(&case.wheels[0].1).to_string(), &hash.to_string(), 1) + &more),
    );
    let page = |name: &str, file: &str| {
        let file = json!({ "filename": file, "url": file, "hashes": { "sha256": hash.to_hex() } });
        let page = json!({ "meta": { "api-version": "1.0" }, "name": name, "files": [file] });
        case.bench.server.put(&format!("/simple/{name}/"), Resource::Page(JSON, page.to_string()));
    };
    page("source", "source-1.tar.gz");
    page("other", "other-1-cp312-cp312-win_amd64.whl");
    case.bench.server.put("/simple/bad/", Resource::Page("text/plain", "hello".to_owned()));
    insta::assert_snapshot!(case.bench.errors_text(&case.failures().await));
}

#[tokio::test]
async fn index_faults_leave_nothing() {
    let wheel = |url: &str, case: &Case| {
        let (name, bytes) = &case.wheels[0];
        let file = json!({ "filename": name, "url": url, "size": 9, "hashes": { "sha256": digest(bytes).to_hex() } });
        let page = json!({ "meta": { "api-version": "1.0" }, "name": "bard", "files": [file] });
        Resource::Page(JSON, page.to_string())
    };
    let case = Case::new();
    for (what, resource, code) in [
        ("no page", Resource::Status(404), codes::PACKAGE_MISSING),
        ("a page without an end", Resource::Endless(JSON), codes::BODY_TOO_LONG),
        (
            "a redirect without TLS",
            Resource::Redirect("http://192.0.2.1/simple/bard/".to_owned()),
            codes::PLAIN_HTTP_REFUSED,
        ),
        ("a redirect to another scheme", Resource::Redirect("ftp://localhost/x".to_owned()), codes::PLAIN_HTTP_REFUSED),
        ("redirects without an end", Resource::Redirect("/simple/bard/".to_owned()), codes::FETCH_FAILED),
        ("refused access", Resource::Status(401), codes::CREDENTIALS_REFUSED),
        ("half of a page", Resource::Page(JSON, "{\"meta\":".to_owned()), codes::INDEX_ANSWER),
        ("a wheel without TLS", wheel("http://192.0.2.1/bard-1.0-py3-none-any.whl", &case), codes::PLAIN_HTTP_REFUSED),
        ("a wheel of another scheme", wheel("file:///etc/passwd", &case), codes::INDEX_ANSWER),
        ("a wheel with a secret", wheel("https://u:secret@files.example/x.whl", &case), codes::INDEX_ANSWER),
        ("a wheel with a query", wheel("https://files.example/x.whl?token=secret", &case), codes::INDEX_ANSWER),
    ] {
        case.bench.server.put("/simple/bard/", resource);
        let errors = case.failures().await;
        assert_eq!((errors.len(), errors[0].code()), (1, code), "{what}: {}", case.bench.errors_text(&errors));
        assert!(!case.bench.errors_text(&errors).contains("secret"), "{what}: {}", case.bench.errors_text(&errors));
    }
    assert!(!case.bench.store().contains(digest(&case.wheels[0].1)));
}

#[tokio::test]
async fn redirected_page_resolves_relative_links() {
    let case = Case::new();
    let elsewhere = PackageServer::start().expect("server");
    let (name, bytes) = &case.wheels[0];
    let url = elsewhere.put(&format!("/deep/{name}"), Resource::File(bytes.clone()));
    let page = format!("<a href=\"{name}#sha256={}\">{name}</a>", digest(bytes).to_hex());
    let address = elsewhere.put("/deep/index", Resource::Page("text/html", page));
    case.bench.server.put("/simple/bard/", Resource::Redirect(address));
    let text = case.resolved_text().await;
    assert!(text.contains(&format!("url: '{url}'")), "{text}");
}

#[tokio::test]
async fn index_secret_stays_with_index() {
    let case = Case::new();
    let host = case.bench.server.endpoint().replace("http://", "");
    case.bench.write("token", "opened\n");
    let headers = format!("headers: [{{host: '{host}', name: Authorization, prefix: 'Bearer ', file: token}}]\n");
    case.bench.write("registries.yaml", &headers);
    let registries = Registries::read(&case.bench.folder.path().join("registries.yaml")).expect("registries");
    let client = Client::new(registries, DockerConfiguration::default(), QUICK);
    let elsewhere = PackageServer::start().expect("server");
    let (name, bytes) = &case.wheels[0];
    elsewhere.put(&format!("/deep/{name}"), Resource::File(bytes.clone()));
    let page = format!("<a href=\"{name}#sha256={}\">{name}</a>", digest(bytes).to_hex());
    let address = elsewhere.put("/deep/", Resource::Page("text/html", page));
    case.bench.server.put("/simple/bard/", Resource::Redirect(address));
    let lock = case.bench.lock(&case.text());
    let resolution = crate::resolution::resolve(&lock, &[], &client, &case.bench.store(), &case.bench.notes).await;
    assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
    assert!(!resolution.text.contains("opened"), "{}", resolution.text);
    let (home, away) = (case.bench.server.take_requests(), elsewhere.take_requests());
    assert!(home.iter().all(|seen| seen.authorization.as_deref() == Some("Bearer opened")), "{home:?}");
    assert_eq!(away.len(), 2, "the page and the length of the wheel: {away:?}");
    assert!(away.iter().all(|seen| seen.authorization.is_none()), "{away:?}");
}

#[tokio::test]
async fn changed_wheels_are_refused() {
    let case = Case::new();
    let text = case.resolved_text().await;
    let (name, bytes) = &case.wheels[0];
    let mut other = bytes.clone();
    other[0] ^= 1;
    for (resource, code) in [
        (Resource::File(other), codes::FETCH_MISMATCH),
        (Resource::File(b"short".to_vec()), codes::FETCH_MISMATCH),
        (Resource::Endless("x/x"), codes::BODY_TOO_LONG),
        (Resource::Status(404), codes::FILE_MISSING),
        (Resource::Redirect("http://192.0.2.1/x.whl".to_owned()), codes::PLAIN_HTTP_REFUSED),
    ] {
        case.bench.server.put(&format!("/files/{name}"), resource);
        let error = case.bench.fetch(&text).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains("artifacts[0].wheels.pinned.files[0]"), "{error}");
        assert!(!case.bench.store().contains(digest(bytes)));
    }
    // The index states the hash of a wheel that its server lacks, and no length.
    let unsized_case = Case::new();
    let page = format!("<a href=\"/files/{name}#sha256={}\">{name}</a>", digest(bytes).to_hex());
    unsized_case.bench.server.put("/simple/bard/", Resource::Page("text/html", page));
    unsized_case.bench.server.put(&format!("/files/{name}"), Resource::Unsized(b"other".to_vec()));
    let errors = unsized_case.failures().await;
    assert_eq!(errors[0].code(), codes::FETCH_MISMATCH, "{errors:?}");
    assert!(!unsized_case.bench.store().contains(digest(b"other")));
}

#[tokio::test]
async fn withdrawn_wheel_is_noted() {
    let case = Case::new();
    let (name, bytes) = &case.wheels[0];
    let page = format!("<a href=\"/files/{name}#sha256={}\" data-yanked=\"\">{name}</a>", digest(bytes).to_hex());
    case.bench.server.put("/simple/bard/", Resource::Page("text/html", page));
    case.resolved_text().await;
    assert!(
        case.bench.notes.all().iter().any(|note| note.contains("was withdrawn by its publisher")),
        "{:?}",
        case.bench.notes.all()
    );
}

#[test]
fn malformed_wheel_entries_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("images.lock.yaml");
    let refusal = |text: &str| {
        let error = Lock::parse(&path, text.to_owned()).expect_err(text);
        format!("{} {error}", error.code().id).replace(&format!("{}/", folder.path().display()), "")
    };
    let fields = "index: 'https://packages.example.com/simple'\n      requirements: requirements.txt\n      python: \
        '3.12'\n      platform: manylinux_2_28_x86_64\n      pinned: unresolved\n";
    let lock = |fields: &str, more: &str| {
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: shop.example/wheels:1\n\
             {more}    wheels:\n      {fields}"
        )
    };
    let sum = Sha256([1; 32]);
    let known = |path: &str, url: &str| {
        let pinned = format!(
            "pinned:\n        resolved: x\n        digest: '{sum}'\n        files: \
             [{{path: '{path}', url: '{url}', digest: '{sum}', size: 1}}]\n"
        );
        lock(&fields.replacen("pinned: unresolved\n", &pinned, 1), "")
    };
    let good = "https://packages.example.com/a.whl";
    let refusals = [
        refusal(&lock(&fields.replacen("https", "ftp", 1), "")),
        refusal(&lock(&fields.replacen("simple'", "simple?token=x'", 1), "")),
        refusal(&lock(&fields.replacen("'3.12'", "'2.7'", 1), "")),
        refusal(&lock(&fields.replacen("manylinux_2_28_x86_64", "win_amd64", 1), "")),
        refusal(&lock(&fields.replacen("x86_64", "aarch64", 1), "")),
        refusal(&lock(&fields.replacen("requirements.txt", "..", 1), "")),
        refusal(&lock(&fields.replacen("requirements.txt", "a.whl", 1), "")),
        refusal(&lock(fields, "    digest: unresolved\n")),
        refusal(&lock(
            fields,
            "    hub:\n      address: https://hub.example\n      repository: a/b\n      revision: main\n      pinned: \
             unresolved\n",
        )),
        refusal(&lock(&fields.replacen("pinned: unresolved", "pinned: known", 1), "")),
        refusal(&known("../a.whl", good)),
        refusal(&known("requirements.txt", good)),
        refusal(&known("a.whl", "ftp://files.example/a.whl")),
        refusal(&lock(fields, "").replacen("images: []\nartifacts:", "artifacts: []\nimages:", 1)),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    assert!(Lock::parse(&path, known("a.whl", good)).is_ok());
    assert!(Lock::parse(&path, lock(fields, "")).is_ok(), "a missing file is an error where it is needed");
}
