//! Sets of npm packages through lock and fetch, with a registry of tarballs, and attacks by a hostile registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::set_bench::SetBench;
use super::*;
use crate::lock::{List, Lock};
use landfall_test_support::package_server::Resource;

/// Names, versions and tarballs.
const PACKAGES: [(&str, &str, &[u8]); 2] = [("@scope/bard", "1.0.0", b"a tarball"), ("lyre", "2.1.0", b"another one")];

/// A registry with two tarballs, and a lock with a `package-lock.json` that names them.
struct Case {
    bench: SetBench,
}

fn integrity(bytes: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(<sha2::Sha512 as sha2::Digest>::digest(bytes)))
}

fn tarball(name: &str, version: &str) -> String {
    format!("{name}/-/{}-{version}.tgz", name.rsplit('/').next().unwrap_or_default())
}

impl Case {
    fn new() -> Self {
        let tarballs = PACKAGES.map(|(name, version, bytes)| (tarball(name, version), bytes.to_vec()));
        let case = Self { bench: SetBench::of("npm", tarballs) };
        case.write(&Self::document());
        case
    }

    /// A file in npm's format, for another registry.
    fn document() -> Value {
        let mut packages = json!({ "": { "name": "shop" } });
        for (name, version, bytes) in PACKAGES {
            packages[format!("node_modules/{name}")] = json!({
                "version": version, "resolved": format!("https://registry.example/{}", tarball(name, version)),
                "integrity": integrity(bytes),
            });
        }
        packages["node_modules/test"] =
            json!({ "version": "1.0.0", "resolved": "https://registry.example/t.tgz", "dev": true });
        packages["node_modules/own"] = json!({ "resolved": "packages/own", "link": true });
        json!({ "name": "shop", "lockfileVersion": 3, "packages": packages })
    }

    fn write(&self, document: &Value) {
        self.bench.write("package-lock.json", &document.to_string());
    }

    /// Text of a lock with the unresolved set.
    fn text(&self) -> String {
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: shop.example/npm:1\n    \
             npm:\n      lockfile: package-lock.json\n      registry: {}/npm\n      omit: [dev]\n      pinned: \
             unresolved\n",
            self.bench.server.endpoint()
        )
    }
}

#[tokio::test]
async fn tarballs_are_pinned_and_composed() {
    let case = Case::new();
    let resolution = case.bench.resolve(&case.text()).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (1, 0), "{:?}", resolution.failures);
    let text = resolution.text;
    let server = case.bench.server.endpoint();
    let pins = PACKAGES.map(|(name, version, bytes)| {
        let (path, digest, size) = (tarball(name, version), digest(bytes), bytes.len());
        format!("          - {{path: '{path}', url: '{server}/npm/{path}', digest: '{digest}', size: {size}}}\n")
    });
    let expected = case.text().replacen(
        "      pinned: unresolved\n",
        &format!(
            "      pinned:\n        resolved: 'package-lock.json from {server}/npm without dev'\n        digest: \
             '{}'\n        files:\n{}",
            digest(Case::document().to_string().as_bytes()),
            pins.concat()
        ),
        1,
    );
    assert_eq!(text, expected);
    assert_eq!(case.bench.requested_paths(), ["/npm/@scope/bard/-/bard-1.0.0.tgz", "/npm/lyre/-/lyre-2.1.0.tgz"]);
    assert!(
        case.bench.notes.all().iter().any(|note| note.contains("node_modules/own is left out")),
        "{:?}",
        case.bench.notes.all()
    );

    let fetched = case.bench.fetch(&text).await.expect("at hand");
    let layers = fetched.artifacts[0].manifest.layers.iter();
    let titles: Vec<_> = layers.map(|layer| layer.annotations["org.opencontainers.image.title"].as_str()).collect();
    assert_eq!(titles, ["package-lock.json", "@scope/bard/-/bard-1.0.0.tgz", "lyre/-/lyre-2.1.0.tgz"]);
    assert!(case.bench.requested_paths().is_empty(), "`lock` has fetched all of it");

    // Another file makes the pins stale. Content in the store is not fetched again.
    let mut document = Case::document();
    document["packages"]["node_modules/new"] = json!({ "version": "1.0.0",
        "resolved": "https://registry.example/new/-/new-1.0.0.tgz", "integrity": integrity(b"new") });
    case.bench.server.put("/npm/new/-/new-1.0.0.tgz", Resource::File(b"new".to_vec()));
    case.write(&document);
    let lock = case.bench.lock(&text);
    let entries: Vec<_> = lock.list(List::Artifacts).iter().collect();
    assert_eq!(lock.check_resolved(&entries).expect_err("stale").code(), codes::LOCK_STALE);
    let again = case.bench.resolve(&text).await;
    assert_eq!((again.resolved, again.failures.len()), (1, 0), "{:?}", again.failures);
    assert!(again.text.contains("path: 'new/-/new-1.0.0.tgz'"));
    assert_eq!(case.bench.requested_paths(), ["/npm/new/-/new-1.0.0.tgz"]);
}

#[tokio::test]
async fn registry_faults_are_reported_together() {
    let case = Case::new();
    let mut document = Case::document();
    let hostile = [
        ("other", Resource::File(b"other bytes".to_vec())),
        ("gone", Resource::Status(404)),
        ("locked", Resource::Status(401)),
        ("away", Resource::Redirect("http://192.0.2.1/x.tgz".to_owned())),
    ];
    for (name, resource) in hostile {
        case.bench.server.put(&format!("/npm/{name}/-/{name}-1.0.0.tgz"), resource);
        document["packages"][format!("node_modules/{name}")] = json!({
            "version": "1.0.0", "resolved": format!("https://registry.example/{name}/-/{name}-1.0.0.tgz"),
            "integrity": integrity(b"meant"),
        });
    }
    document["packages"]["node_modules/git"] = json!({ "version": "1.0.0", "resolved": "git+ssh://git.example/a.git" });
    case.write(&document);
    let resolution = case.bench.resolve(&case.text()).await;
    assert_eq!((resolution.failed, resolution.text), (1, case.text()));
    insta::assert_snapshot!(case.bench.errors_text(&resolution.failures));
    assert!(!case.bench.store().contains(digest(b"other bytes")), "an unexpected tarball was kept");
}

#[tokio::test]
async fn changed_tarballs_are_refused() {
    let case = Case::new();
    let text = case.bench.resolve(&case.text()).await.text;
    let (name, version, bytes) = PACKAGES[0];
    std::fs::remove_dir_all(case.bench.folder.path().join("store")).expect("removed");
    for (resource, code) in [
        (Resource::File(vec![7; bytes.len()]), codes::FETCH_MISMATCH),
        (Resource::Endless("x/x"), codes::BODY_TOO_LONG),
        (Resource::Status(404), codes::FILE_MISSING),
    ] {
        case.bench.server.put(&format!("/npm/{}", tarball(name, version)), resource);
        let error = case.bench.fetch(&text).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        assert!(!case.bench.store().contains(digest(bytes)));
    }
}

#[test]
fn malformed_npm_entries_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("images.lock.yaml");
    let lock = |fields: &str| {
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: shop.example/npm:1\n    \
             npm:\n{fields}"
        )
    };
    let good = "      lockfile: package-lock.json\n      pinned: unresolved\n";
    assert!(Lock::parse(&path, lock(good)).is_ok());
    let refusals = [
        lock(&good.replacen("package-lock.json", "..", 1)),
        lock(&format!("{good}      registry: packages\n")),
        lock(&format!("{good}      registry: https://packages.example.com?x=y\n")),
        lock(&format!("{good}      omit: [tests]\n")),
        lock("      {lockfile: package-lock.json, pinned: unresolved}\n"),
        lock(good) + "    files: [{url: 'https://files.example/a', digest: unresolved, size: unresolved, path: a}]\n",
    ];
    let refusals = refusals.map(|text| {
        let error = Lock::parse(&path, text.clone()).expect_err(&text);
        format!("{} {error}", error.code().id).replace(&format!("{}/", folder.path().display()), "")
    });
    insta::assert_snapshot!(refusals.join("\n"));
}
