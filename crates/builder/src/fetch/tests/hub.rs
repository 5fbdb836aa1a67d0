//! Models of a hub through lock and fetch, and attacks by a hostile hub: each has its own error code, and leaves
//! nothing in the store.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use serde_json::json;

use super::*;
use crate::lock::{List, Lock};
use crate::pins::ArtifactPin;
use landfall_test_support::hub_server::{Fault, Hub, sha256};

const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";
const TOKEN: &str = "hf_tokenOfTheTests";

/// A hub with one repository with two files.
struct Case {
    hub: Hub,
    weights: Vec<u8>,
    folder: tempfile::TempDir,
    notes: Notes,
}

impl Case {
    fn new() -> Self {
        let hub = Hub::start().expect("hub");
        let weights = bytes(300_000);
        hub.push("owner/model", FIRST, &[("model.gguf", &weights, true), ("config.json", b"{}", false)]);
        if let Some(repository) = hub.state().repositories.get_mut("owner/model") {
            repository.card = json!({ "license": "apache-2.0" });
        }
        Self { hub, weights, folder: tempfile::tempdir().expect("folder"), notes: Notes::default() }
    }

    fn store(&self) -> ContentStore {
        ContentStore::at(self.folder.path().join("store"))
    }

    /// Text of an unresolved lock with the repository.
    fn lock(&self) -> String {
        let address = self.hub.endpoint();
        format!(
            "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
             hub.example/owner/model:main\n    hub:\n      address: {address}\n      repository: owner/model\n      \
             revision: main\n      exclude: ['*.md']\n      pinned: unresolved  # by landfall lock\n\n# The end.\n"
        )
    }

    /// A client with the token of this hub in its Docker configuration.
    fn with_token(&self) -> Client {
        let path = self.folder.path().join("config.json");
        let host = self.hub.endpoint().replace("http://", "");
        let text = json!({ "auths": { host: { "username": "token", "password": TOKEN } } }).to_string();
        landfall_media::durable::write_file(&path, text.as_bytes(), 0o600).expect("configuration");
        Client::new(Registries::default(), DockerConfiguration::read(&path).expect("read"), QUICK)
    }

    async fn resolve(&self, client: &Client, text: &str) -> crate::resolution::Resolution {
        let lock = Lock::parse(Path::new("images.lock"), text.to_owned()).expect("lock");
        crate::resolution::resolve(&lock, &[], client, &self.store(), &self.notes).await
    }

    /// Text of the resolved lock.
    async fn resolved_text(&self, client: &Client) -> String {
        let resolution = self.resolve(client, &self.lock()).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        assert_eq!(resolution.resolved, 1);
        resolution.text
    }

    async fn fetch(&self, client: &Client, text: &str) -> crate::error::Result<FetchedContent> {
        let lock = Lock::parse(Path::new("images.lock"), text.to_owned()).expect("lock");
        let entry = &lock.list(List::Artifacts)[0];
        let pin = lock.artifact_pin(entry).expect("pinned");
        fetch_all(client, &self.store(), "linux/amd64", &[], &[pin], &self.notes).await
    }

    /// Returns true if the store contains no part of the weights.
    fn keeps_nothing(&self) -> bool {
        let digest = digest(&self.weights);
        let partial = self.store().root().join("landfall/partial").join(digest.to_hex());
        !self.store().contains(digest) && !partial.exists()
    }
}

#[tokio::test]
async fn given_digests_must_match_hub() {
    let case = Case::new();
    let with = |path: &str, digest: Sha256| {
        let known = format!("      digests: {{{path}: '{digest}'}}\n      pinned: unresolved");
        case.lock().replacen("      pinned: unresolved", &known, 1)
    };
    let refusal = async |text: &str| {
        let error = case.resolve(&client(), text).await.failures.remove(0);
        (error.code(), error.to_string())
    };
    let other = Sha256([7; 32]);
    let (code, what) = refusal(&with("model.gguf", other)).await;
    assert!(code == codes::FETCH_MISMATCH && what.contains(&format!("where the lock says {other}")), "{what}");
    let (code, what) = refusal(&with("README.md", other)).await;
    assert!(code == codes::FILE_MISSING && what.contains("`digests` names `README.md`"), "{what}");

    let good = case.resolve(&client(), &with("model.gguf", digest(&case.weights))).await;
    assert!(good.failures.is_empty() && good.resolved == 1, "{:?}", good.failures);
    // A digest that is written later is compared with the existing pin.
    let lock = Lock::parse(
        Path::new("images.lock"),
        good.text.replacen(&digest(&case.weights).to_string(), &other.to_string(), 1),
    );
    let lock = lock.expect("lock");
    let stale = lock.check_resolved(&[&lock.list(List::Artifacts)[0]]).expect_err("stale");
    assert_eq!(stale.code(), codes::LOCK_STALE, "{stale}");
}

#[tokio::test]
async fn branch_is_pinned_and_fetched_once() {
    let case = Case::new();
    let text = case.resolved_text(&client()).await;
    let address = case.hub.endpoint();
    let expected = case.lock().replacen(
        "      pinned: unresolved  # by landfall lock\n",
        &format!(
            "      pinned:\n        resolved: '{address}/owner/model@main exclude *.md'\n        commit: \
             '{FIRST}'\n        license: 'apache-2.0'\n        files:\n          - \
             {{path: 'config.json', digest: '{}', size: 2}}\n          - \
             {{path: 'model.gguf', digest: '{}', size: 1200000}}\n",
            digest(b"{}"),
            digest(&case.weights)
        ),
        1,
    );
    assert_eq!(text, expected);
    assert!(
        case.hub.requests().iter().all(|seen| !seen.path.contains("/large/")),
        "the list has the digest of the weights"
    );

    let fetched = case.fetch(&client(), &text).await.expect("fetched");
    assert_eq!(case.store().read(digest(&case.weights), u64::MAX).expect("stored"), case.weights);
    let annotations: Vec<_> =
        fetched.artifacts[0].manifest.layers.iter().map(|layer| &layer.annotations["dev.landfall.source"]).collect();
    assert_eq!(*annotations[1], format!("{address}/owner/model/resolve/{FIRST}/model.gguf"));

    // Content in the store is not requested again.
    case.hub.forget();
    case.fetch(&client(), &text).await.expect("at hand");
    assert_eq!(case.hub.requests(), []);
    let again = case.resolve(&client(), &text).await;
    assert_eq!((again.resolved, again.moved.len(), again.text.as_str()), (0, 0, text.as_str()));
    assert_eq!(case.hub.requests().len(), 1, "the list alone");
}

#[tokio::test]
async fn weights_resume_by_range() {
    let case = Case::new();
    let text = case.resolved_text(&client()).await;
    case.hub.state().faults.extend([Fault::DropAfter(500_000), Fault::DropAfter(300_000)]);
    case.fetch(&client(), &text).await.expect("fetched");
    let seen = case.hub.requests();
    let ranges: Vec<_> =
        seen.iter().filter(|seen| seen.path.starts_with("/large/")).map(|seen| seen.range.clone()).collect();
    assert_eq!((ranges.len(), &ranges[0]), (3, &None), "{ranges:?}");
    assert!(ranges[1].is_some() && ranges[2].is_some() && ranges[1] != ranges[2], "{ranges:?}");
}

#[tokio::test]
async fn hub_token_stays_with_hub() {
    let case = Case::new();
    case.hub.state().token = Some(TOKEN.to_owned());
    let refused = case.resolve(&client(), &case.lock()).await;
    assert_eq!(refused.failures[0].code(), codes::HUB_ACCESS);
    let text = case.resolved_text(&case.with_token()).await;
    case.fetch(&case.with_token(), &text).await.expect("fetched");
    let seen = case.hub.requests();
    let elsewhere: Vec<_> = seen.iter().filter(|seen| seen.host == "localhost").collect();
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|seen| seen.authorization.is_none()), "{elsewhere:?}");
    assert!(!text.contains(TOKEN), "the token is in the lock");
    assert!(case.notes.all().iter().all(|note| !note.contains(TOKEN)), "the token is in a note");

    // The token in the environment belongs to another hub.
    let mut environment = client();
    environment.hub_token = Some(TOKEN.to_owned());
    case.hub.forget();
    case.resolve(&environment, &case.lock()).await;
    assert!(case.hub.requests().iter().all(|seen| seen.authorization.is_none()), "{:?}", case.hub.requests());
}

#[tokio::test]
async fn moved_revision_is_reported() {
    let case = Case::new();
    let text = case.resolved_text(&client()).await;
    case.hub.push("owner/model", SECOND, &[("model.gguf", b"other", true), ("config.json", b"{}", false)]);
    let moved = case.resolve(&client(), &text).await;
    assert_eq!((moved.moved.len(), moved.text.as_str()), (1, text.as_str()));
    assert_eq!((moved.moved[0].pinned.as_str(), moved.moved[0].now.as_str()), (FIRST, SECOND));
    case.fetch(&client(), &text).await.expect("the commit that is pinned");
    assert!(case.store().contains(digest(&case.weights)));

    // Another revision in the lock makes all pins stale, and they are replaced together.
    let changed = text.replacen("revision: main", &format!("revision: '{SECOND}'"), 1);
    let lock = Lock::parse(Path::new("images.lock"), changed.clone()).expect("lock");
    let entries: Vec<_> = lock.list(List::Artifacts).iter().collect();
    assert_eq!(lock.check_resolved(&entries).expect_err("stale").code(), codes::LOCK_STALE);
    let resolution = case.resolve(&client(), &changed).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (1, 0), "{:?}", resolution.failures);
    assert!(resolution.text.contains(&format!("commit: '{SECOND}'")) && !resolution.text.contains(FIRST));
    assert!(resolution.text.ends_with(&format!("digest: 'sha256:{}', size: 5}}\n\n# The end.\n", sha256(b"other"))));
}

#[tokio::test]
async fn hub_faults_leave_nothing() {
    let faults: [(&str, Fault, landfall_error_codes::Code); 5] = [
        ("other bytes under the digest", Fault::OtherBytes, codes::FETCH_MISMATCH),
        ("a body without an end", Fault::Endless, codes::BODY_TOO_LONG),
        ("a redirect without TLS", Fault::Redirect("http://192.0.2.1/x".to_owned()), codes::PLAIN_HTTP_REFUSED),
        ("a redirect to another scheme", Fault::Redirect("ftp://localhost/x".to_owned()), codes::PLAIN_HTTP_REFUSED),
        ("other bytes once more", Fault::OtherBytes, codes::FETCH_MISMATCH),
    ];
    for (what, fault, code) in faults {
        let case = Case::new();
        let text = case.resolved_text(&client()).await;
        case.hub.state().faults.extend([fault]);
        let error = case.fetch(&client(), &text).await.expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(case.keeps_nothing(), "{what}");
    }
}

#[tokio::test]
async fn wrong_range_is_refused() {
    let case = Case::new();
    let text = case.resolved_text(&client()).await;
    case.hub.state().faults.extend([Fault::DropAfter(900_000), Fault::OtherRange]);
    let error = case.fetch(&client(), &text).await.expect_err("another range");
    assert_eq!(error.code(), codes::RANGE_WRONG, "{error}");
    assert!(!case.store().contains(digest(&case.weights)));
    // The first part is correct; the rest is appended to it.
    case.fetch(&client(), &text).await.expect("fetched");
}

#[tokio::test]
async fn wrong_commit_is_refused_before_fetch() {
    let case = Case::new();
    let text = case.resolved_text(&client()).await;
    case.hub.state().other_commit = Some(SECOND.to_owned());
    case.hub.forget();
    let error = case.fetch(&client(), &text).await.expect_err("another commit");
    assert_eq!(error.code(), codes::HUB_COMMIT, "{error}");
    assert!(case.keeps_nothing());
    assert!(case.hub.requests().iter().all(|seen| !seen.path.starts_with("/large/")), "{:?}", case.hub.requests());
    let unresolved = case.resolve(&client(), &case.lock()).await;
    assert_eq!(unresolved.failures[0].code(), codes::HUB_COMMIT);
}

#[tokio::test]
async fn foreign_realm_gets_no_token() {
    let case = Case::new();
    let elsewhere = Hub::start().expect("hub");
    {
        let mut state = case.hub.state();
        state.token = Some("another".to_owned());
        state.realm = Some(format!("{}/token", elsewhere.endpoint()));
    }
    let refused = case.resolve(&case.with_token(), &case.lock()).await;
    assert_eq!(refused.failures[0].code(), codes::HUB_REALM, "{:?}", refused.failures);
    assert_eq!(elsewhere.requests(), []);
    let mut said = refused.failures[0].to_string();
    said.push_str(&std::error::Error::source(&refused.failures[0]).map(ToString::to_string).unwrap_or_default());
    assert!(said.contains("GatedRepo") && !said.contains(TOKEN), "{said}");
}

#[tokio::test]
async fn altered_small_file_is_refused() {
    let case = Case::new();
    // The length equals that in the list.
    case.hub.state().small_bytes = Some(b"[]".to_vec());
    let refused = case.resolve(&client(), &case.lock()).await;
    assert_eq!(refused.failures[0].code(), codes::FETCH_MISMATCH, "{:?}", refused.failures);
    assert!(!case.store().contains(digest(b"[]")));
    case.hub.state().small_bytes = Some(b"[] and more".to_vec());
    let refused = case.resolve(&client(), &case.lock()).await;
    assert_eq!(refused.failures[0].code(), codes::BODY_TOO_LONG, "{:?}", refused.failures);
}

#[tokio::test]
async fn quantizations_share_common_files() {
    let case = Case::new();
    let (q4, q8) = (bytes(2000), bytes(4000));
    case.hub.push(
        "owner/model",
        FIRST,
        &[("m-Q4_K_M.gguf", &q4, true), ("m-Q8_0.gguf", &q8, true), ("config.json", b"{}", false)],
    );
    let address = case.hub.endpoint();
    let entry = |tag: &str, pattern: &str| {
        format!(
            "  - reference: hub.example/owner/model:{tag}\n    hub:\n      address: {address}\n      repository: \
             owner/model\n      revision: main\n      include: ['{pattern}', config.json]\n      pinned: unresolved\n"
        )
    };
    let text = format!(
        "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n{}{}",
        entry("q4_k_m", "*Q4_K_M.gguf"),
        entry("q8_0", "*Q8_0.gguf")
    );
    let resolution = case.resolve(&client(), &text).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (2, 0), "{:?}", resolution.failures);
    let lock = Lock::parse(Path::new("images.lock"), resolution.text).expect("lock");
    let pins: Vec<ArtifactPin> =
        lock.list(List::Artifacts).iter().filter_map(|entry| lock.artifact_pin(entry)).collect();
    case.hub.forget();
    let fetched = fetch_all(&client(), &case.store(), "linux/amd64", &[], &pins, &case.notes).await.expect("fetched");
    let layers: Vec<usize> = fetched.artifacts.iter().map(|artifact| artifact.manifest.layers.len()).collect();
    assert_eq!(layers, [2, 2]);
    let large = case.hub.requests().iter().filter(|seen| seen.path.starts_with("/large/")).count();
    assert_eq!(
        (large, case.hub.requests().len()),
        (2, 4),
        "two files of weights, each by way of the hub; nothing else"
    );
}

#[test]
fn malformed_hub_entries_are_refused() {
    let refusal = |text: &str| {
        let error = Lock::parse(Path::new("images.lock"), text.to_owned()).expect_err(text);
        assert_eq!(error.code(), codes::LOCK_UNREADABLE);
        error.to_string()
    };
    let entry = "hub: {address: 'https://hub.example', repository: a/b, revision: main, pinned: unresolved}";
    let text = |images: &str, artifacts: &str| {
        format!("assembled: false\nplatform: linux/amd64\nimages: [{images}]\nartifacts: [{artifacts}]\n")
    };
    let one_line = refusal(&text("", &format!("{{reference: 'hub.example/a/b:1', {entry}}}")));
    assert!(one_line.contains("in a line of its own"), "{one_line}");
    let image = refusal(&text(&format!("{{reference: 'hub.example/a/b:1', {entry}}}"), ""));
    assert!(image.contains("only artifacts do"), "{image}");
    let both = refusal(&text("", &format!("{{reference: 'hub.example/a/b:1', digest: unresolved, {entry}}}")));
    assert!(both.contains("neither `files`"), "{both}");
}
