use std::path::Path;

use landfall_error_codes::CodedError as _;
use landfall_media::progress::SilentProgress;
use landfall_media::store::ContentStore;

use super::*;
use crate::fetch::{Client, DockerConfiguration, Registries, Retry};
use crate::program::Renderer;
use crate::resolution::{Resolution, resolve};
use crate::tool::Tool;
use landfall_test_registry::{Registry, digest};

const TEXT: &str = "# kept\nassembled: false\nplatform: linux/amd64\nimages:\n  # why\n  - reference: ghcr.io/a/one:1  \
    # tag\n    index: unresolved\n    digest: unresolved\n    mediaType: unresolved\n    size: unresolved\n  - \
    {reference: 'ghcr.io/a/two:1', digest: unresolved, mediaType: unresolved, size: unresolved}\n  - \
    {reference: 'ghcr.io/a/two:2', digest: unresolved, mediaType: unresolved, size: unresolved, license: MIT}\n\
    artifacts: []\n";

fn lock(text: &str) -> Result<Lock> {
    Lock::parse(Path::new("images.lock"), text.to_owned())
}

fn renderer() -> Renderer {
    Renderer { version: "v1.36.3".to_owned(), digest: digest(b"kubectl") }
}

/// Resolves a lock with a new store.
async fn run_resolution(lock: &Lock, client: &Client) -> Resolution {
    let folder = tempfile::tempdir().expect("folder");
    resolve(lock, &[(Tool::Kubectl, &renderer())], client, &ContentStore::at(folder.path()), &SilentProgress).await
}

/// Adds the renderer, which a resolved lock records.
fn with_renderer(text: &str) -> String {
    let Renderer { version, digest } = renderer();
    let line = format!("platform: linux/amd64\nrenderer: {{version: {version}, digest: {digest}}}\n");
    text.replacen("platform: linux/amd64\n", &line, 1)
}

fn find(lock: &Lock, reference: &str) -> Result<String> {
    let reference = reference.parse().expect("reference");
    lock.find(List::Images, &reference, Place::default()).map(|entry| entry.reference.value.clone())
}

#[test]
fn bare_repository_needs_single_entry() {
    let lock = lock(TEXT).expect("good");
    assert_eq!(find(&lock, "ghcr.io/a/one").expect("one"), "ghcr.io/a/one:1");
    assert_eq!(find(&lock, "ghcr.io/a/two:2").expect("two"), "ghcr.io/a/two:2");
    let refusals: Vec<_> = ["ghcr.io/a/two", "ghcr.io/a/two:3", "ghcr.io/a/three", "redis:8"]
        .into_iter()
        .map(|reference| find(&lock, reference).expect_err("refused"))
        .map(|error| format!("{} {error}", error.code().id))
        .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

/// Charts have their own scheduler, in addition to the node pack's.
#[test]
fn node_pack_selects_matching_tag() {
    let entry =
        |tag: &str| format!("  - {{reference: 'ghcr.io/a/b:{tag}', digest: unresolved, mediaType: m, size: 1}}\n");
    let named = |tags: &[&str], kubernetes: &str| {
        let images: String = tags.iter().map(|tag| entry(tag)).collect();
        let text = format!("assembled: false\nplatform: linux/amd64\nimages:\n{images}");
        let lock = lock(&text).expect("lock");
        let wanted = "ghcr.io/a/b".parse().expect("reference");
        lock.find_of_node_pack(&wanted, kubernetes, Place::default()).ok().map(|entry| entry.reference.value.clone())
    };
    let tags = ["v1.30.4", "v1.3.6", "v1.36.3"];
    assert_eq!(named(&tags, "v1.36").as_deref(), Some("ghcr.io/a/b:v1.36.3"));
    assert_eq!(named(&tags, "v1.3").as_deref(), Some("ghcr.io/a/b:v1.3.6"));
    assert_eq!(named(&tags, "v1.35"), None);
    assert_eq!(named(&["v1.36.3", "v1.36.4"], "v1.36"), None);
    assert_eq!(named(&["3.10"], "v1.36").as_deref(), Some("ghcr.io/a/b:3.10"));
}

#[test]
fn untagged_name_means_latest() {
    let entry = |tag: &str| {
        format!("  - {{reference: 'docker.io/library/busybox:{tag}', digest: unresolved, mediaType: m, size: 1}}\n")
    };
    let text = format!("assembled: false\nplatform: linux/amd64\nimages:\n{}{}", entry("1.36"), entry("latest"));
    let lock = lock(&text).expect("lock");
    assert_eq!(find(&lock, "busybox").expect("latest"), "docker.io/library/busybox:latest");
    assert_eq!(find(&lock, "busybox:1.36").expect("its own"), "docker.io/library/busybox:1.36");
}

#[test]
fn other_digest_beside_tag_gets_hint() {
    let [pinned, index, other] = [1, 2, 3].map(|number| Sha256([number; 32]));
    let text = format!(
        "assembled: false\nplatform: linux/amd64\nimages:\n  - \
         {{reference: 'ghcr.io/a/b:1', index: '{index}', digest: '{pinned}', mediaType: m, size: 1}}\n"
    );
    let lock = lock(&text).expect("lock");
    for digest in [pinned, index] {
        assert_eq!(find(&lock, &format!("ghcr.io/a/b:1@{digest}")).expect("found"), "ghcr.io/a/b:1");
    }
    let refused = find(&lock, &format!("ghcr.io/a/b:1@{other}")).expect_err("refused");
    assert!(format!("{refused:?}").contains(&format!("`resolved: ghcr.io/a/b:1@{other}`")), "{refused:?}");
}

#[test]
fn invalid_locks_are_refused_by_line() {
    let refusal = |from: &str, to: &str| {
        let error = lock(&TEXT.replacen(from, to, 1)).expect_err("refused");
        format!("{} {error}", error.code().id)
    };
    let good = lock(TEXT).expect("good");
    let entries: Vec<_> = good.document.images.iter().collect();
    let unresolved = good.check_resolved(&entries).expect_err("unresolved");
    let refusals = [
        refusal("digest: unresolved", "digest: sha256:12"),
        refusal("size: unresolved", "size: many"),
        refusal("ghcr.io/a/one:1 ", "ghcr.io/a/one "),
        refusal("ghcr.io/a/one:1 ", "one:1 "),
        refusal("ghcr.io/a/two:1", "ghcr.io/a/two:2"),
        refusal("index:", "indx:"),
        format!("{} {unresolved}", unresolved.code().id),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn resolving_preserves_other_text() {
    let registry = Registry::start(|_| ()).await;
    let manifest = |name: &str| {
        let text = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"name\":\"{name}\"}}"
        );
        text.into_bytes()
    };
    let (amd64, arm64, two) = (manifest("amd64"), manifest("arm64"), manifest("two"));
    let manifests = [("arm64", &arm64), ("amd64", &amd64)].map(|(architecture, bytes)| {
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(bytes), "size": bytes.len(),
            "platform": { "os": "linux", "architecture": architecture },
        })
    });
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
    });
    let index = index.to_string().into_bytes();
    registry.add_manifest("ghcr.io/a/one", "1", "application/vnd.oci.image.index.v1+json", &index);
    registry.add_manifest("ghcr.io/a/one", "platform", "application/vnd.oci.image.manifest.v1+json", &amd64);
    registry.add_manifest("ghcr.io/a/two", "1", "application/vnd.oci.image.manifest.v1+json", &two);

    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("registries.yaml");
    let text = format!("mirrors: [{{host: '*', endpoint: 'http://{}'}}]", registry.address());
    landfall_media::durable::write_file(&file, text.as_bytes(), 0o644).expect("file");
    let client = Client::new(Registries::read(&file).expect("read"), DockerConfiguration::default(), Retry::default());
    let lock = lock(TEXT).expect("good");
    let resolution = run_resolution(&lock, &client).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (2, 1));
    assert_eq!(resolution.failures[0].code(), codes::IMAGE_MISSING);
    let expected = with_renderer(TEXT)
        .replacen("one:1  # tag\n", "one:1  # tag\n    resolved: ghcr.io/a/one:1\n", 1)
        .replacen("index: unresolved", &format!("index: {}", digest(&index)), 1)
        .replacen("    digest: unresolved", &format!("    digest: {}", digest(&amd64)), 1)
        .replacen("    mediaType: unresolved", "    mediaType: application/vnd.oci.image.manifest.v1+json", 1)
        .replacen("    size: unresolved", &format!("    size: {}", amd64.len()), 1)
        .replacen(
            "'ghcr.io/a/two:1', digest: unresolved, mediaType: unresolved, size: unresolved",
            &format!(
                "'ghcr.io/a/two:1', resolved: 'ghcr.io/a/two:1', index: 'none', digest: {}, mediaType: \
                 application/vnd.oci.image.manifest.v1+json, size: {}",
                digest(&two),
                two.len()
            ),
            1,
        );
    assert_eq!(resolution.text, expected);

    // An index that the tag does not name is refused.
    let pinned = Lock::parse(
        Path::new("images.lock"),
        TEXT.replacen("index: unresolved", &format!("index: {}", digest(&arm64)), 1),
    );
    let resolution = run_resolution(&pinned.expect("good"), &client).await;
    assert_eq!(resolution.failures[0].code(), codes::FETCH_MISMATCH);

    // All resolved entries are checked again, and nothing changes.
    let again = Lock::parse(Path::new("images.lock"), expected.clone()).expect("good");
    let resolution = run_resolution(&again, &client).await;
    assert_eq!((resolution.resolved, resolution.moved.len(), resolution.text), (0, 0, expected));
}

/// A registry with two manifests in one repository, and a client for it.
async fn two_tags() -> (Registry, Client, [Sha256; 2]) {
    let registry = Registry::start(|_| ()).await;
    let manifest = |name: &str| format!("{{\"mediaType\":\"{MANIFEST}\",\"name\":\"{name}\"}}").into_bytes();
    let digests = ["1", "2"].map(|tag| {
        registry.add_manifest("a", tag, MANIFEST, &manifest(tag));
        digest(&manifest(tag))
    });
    (registry, Client::new(Registries::default(), DockerConfiguration::default(), Retry::default()), digests)
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn sample_lock(registry: &Registry, tag: &str, resolved: Option<&str>, digest: Sha256) -> Lock {
    let host = registry.address();
    let resolved = resolved.map(|tag| format!("    resolved: {host}/a:{tag}\n")).unwrap_or_default();
    let size = 75;
    lock(&format!(
        "assembled: false\nplatform: linux/amd64\nrenderer: {{version: v1.36.3, digest: '{digest}'}}\nimages:\n  - \
         reference: {host}/a:{tag}\n\
         {resolved}    index: none\n    digest: {digest}\n    mediaType: {MANIFEST}\n    size: {size}\n"
    ))
    .expect("good")
}

fn refused_for_build(lock: &Lock) -> Option<&'static str> {
    let entries: Vec<_> = lock.document.images.iter().collect();
    lock.check_resolved(&entries).err().map(|error| error.code().id)
}

#[tokio::test]
async fn changed_tag_makes_digest_stale() {
    let (registry, client, [first, second]) = two_tags().await;
    let good = sample_lock(&registry, "1", Some("1"), first);
    assert_eq!(refused_for_build(&good), None);
    let changed = sample_lock(&registry, "2", Some("1"), first);
    assert_eq!(refused_for_build(&changed), Some("LF2030"));
    let resolution = run_resolution(&changed, &client).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (1, 0), "{:?}", resolution.failures);
    let new = lock(&resolution.text).expect("good");
    assert_eq!(new.document.images[0].digest(), Some(second));
    assert_eq!(refused_for_build(&new), None);
    // A missing tag is an error, and the old digest is not kept.
    let gone = run_resolution(&sample_lock(&registry, "3", Some("1"), first), &client).await;
    assert_eq!((gone.resolved, gone.failures[0].code()), (0, codes::IMAGE_MISSING));
}

#[tokio::test]
async fn given_digest_must_match_tag() {
    let (registry, client, [first, second]) = two_tags().await;
    let unconfirmed = sample_lock(&registry, "1", None, first);
    assert_eq!(refused_for_build(&unconfirmed), Some("LF2030"));
    let resolution = run_resolution(&unconfirmed, &client).await;
    assert_eq!(refused_for_build(&lock(&resolution.text).expect("good")), None);
    let wrong = run_resolution(&sample_lock(&registry, "1", None, second), &client).await;
    assert_eq!((wrong.resolved, wrong.failures[0].code()), (0, codes::FETCH_MISMATCH));
    let said = wrong.failures[0].to_string();
    assert!(said.contains(&first.to_string()) && said.contains(&second.to_string()), "{said}");
}

#[tokio::test]
async fn moved_tag_is_reported() {
    let (registry, client, [first, second]) = two_tags().await;
    let moved = sample_lock(&registry, "2", Some("2"), first);
    let resolution = run_resolution(&moved, &client).await;
    assert_eq!(resolution.moved.len(), 1);
    let moved = &resolution.moved[0];
    assert_eq!((&moved.pinned, &moved.now), (&first.to_string(), &second.to_string()));
    assert_eq!(lock(&resolution.text).expect("good").document.images[0].digest(), Some(first));
}

#[tokio::test]
async fn foreign_layer_image_is_not_locked() {
    let registry = Registry::start(|_| ()).await;
    let layer = Sha256([7; 32]);
    let manifest = serde_json::json!({ "mediaType": MANIFEST, "layers": [{
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": layer, "size": 9,
        "urls": ["https://layers.example/base"],
    }] });
    registry.add_manifest("a", "1", MANIFEST, manifest.to_string().as_bytes());
    let text = format!(
        "assembled: false\nplatform: linux/amd64\nimages:\n  - \
         {{reference: '{}/a:1', digest: unresolved, mediaType: unresolved, size: unresolved}}\n",
        registry.address()
    );
    let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
    let resolution = run_resolution(&lock(&text).expect("good"), &client).await;
    assert_eq!(resolution.resolved, 0);
    let [refused] = &resolution.failures[..] else { panic!("{:?}", resolution.failures) };
    assert_eq!(refused.code(), codes::FOREIGN_LAYER);
    let said = refused.to_string();
    assert!(said.starts_with("images.lock:4: images[0]: ") && said.contains(&layer.to_string()), "{said}");
    assert_eq!(resolution.text, with_renderer(&text), "nothing of it is pinned");
}

#[test]
fn index_digest_finds_image() {
    let (index, manifest) = (Sha256([1; 32]), Sha256([2; 32]));
    let lock = lock(&format!(
        "assembled: false\nplatform: linux/amd64\nimages:\n  - \
         {{reference: 'ghcr.io/a/one:1', index: '{index}', digest: '{manifest}', mediaType: m, size: 1}}\n  - \
         {{reference: 'ghcr.io/a/one:latest', index: '{index}', digest: '{manifest}', mediaType: m, size: 1}}\n"
    ))
    .expect("good");
    assert_eq!(find(&lock, &format!("ghcr.io/a/one:latest@{index}")).expect("tag and index"), "ghcr.io/a/one:latest");
    for bound in [format!("ghcr.io/a/one@{index}"), format!("ghcr.io/a/one@{manifest}")] {
        assert_eq!(find(&lock, &bound).expect("digest"), "ghcr.io/a/one:1", "{bound}");
    }
    let refused = find(&lock, &format!("ghcr.io/a/one:1@{}", Sha256([3; 32]))).expect_err("another digest");
    assert_eq!(refused.code(), codes::IMAGE_NOT_LOCKED);
}

const FILES: &str = "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
    dl.example/node:v1\n    license: Apache-2.0\n    files:\n      - url: URL/kubelet  # one program\n        digest: \
    unresolved\n        size: unresolved\n        path: kubelet\n      - url: URL/tools.tar.gz\n        digest: \
    unresolved\n        size: unresolved\n        members: {bin/ctr: ctr, ./bin/x: x}\n";

fn files_lock(server: &str) -> String {
    FILES.replace("URL", server).replace("./bin/x", "bin/x")
}

#[test]
fn invalid_files_are_refused_by_line() {
    let refusal = |from: &str, to: &str| {
        let text = files_lock("https://dl.example");
        assert!(text.contains(from), "{from}");
        let error = lock(&text.replacen(from, to, 1)).expect_err("refused");
        format!("{} {error}", error.code().id)
    };
    let good = lock(&files_lock("https://dl.example")).expect("good");
    let unresolved = good.check_resolved(&[&good.document.artifacts[0]]).expect_err("unresolved");
    let refusals = [
        refusal("https://dl.example/kubelet", "ftp://dl.example/kubelet"),
        refusal("https://dl.example/kubelet", "https://dl.example/tools.tar.gz"),
        refusal("        path: kubelet\n", ""),
        refusal("path: kubelet", "path: ../kubelet"),
        refusal("path: kubelet", "path: ctr"),
        refusal("path: kubelet", "path: kubelet\n        members: {a: b}"),
        refusal("path: kubelet", "members: {a: b}"),
        refusal("path: kubelet", "mode: 755"),
        refusal("bin/ctr: ctr", "../bin/ctr: ctr"),
        refusal("bin/x: x", "bin/x: /etc/x"),
        refusal("{bin/ctr: ctr, bin/x: x}", "{}"),
        refusal("    files:", "    digest: unresolved\n    files:"),
        refusal("images: []\nartifacts:", "artifacts: []\nimages:"),
        refusal("        digest: unresolved\n", ""),
        format!("{} {unresolved}", unresolved.code().id),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
    let error = lock(&FILES[..FILES.find("      - url").expect("files")].replace("files:", "files: []"));
    assert!(error.expect_err("empty").to_string().contains("at least one file"));
    let error = lock(&TEXT.replacen("    digest: unresolved\n", "", 1)).expect_err("refused");
    assert!(error.to_string().contains("images[0].digest"), "{error}");
}

#[tokio::test]
async fn measured_files_must_match_pins() {
    let registry = Registry::start(|_| ()).await;
    let (kubelet, tools) = (b"kubelet".repeat(100), b"tools".repeat(70));
    registry.add_file("kubelet", &kubelet);
    registry.add_file("tools.tar.gz", &tools);
    let server = format!("http://{}/files", registry.address());
    let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
    // One digest is already known: it is not replaced, and must match.
    let text = files_lock(&server);
    let pinned = text.replacen("digest: unresolved", &format!("digest: {}", digest(&kubelet)), 1);
    let resolution = run_resolution(&lock(&pinned).expect("good"), &client).await;
    assert_eq!((resolution.resolved, resolution.failures.len()), (2, 0));
    let expected = with_renderer(&pinned)
        .replacen(
            "kubelet  # one program\n",
            &format!("kubelet  # one program\n        resolved: {server}/kubelet\n"),
            1,
        )
        .replacen("tools.tar.gz\n", &format!("tools.tar.gz\n        resolved: {server}/tools.tar.gz\n"), 1)
        .replacen("digest: unresolved", &format!("digest: {}", digest(&tools)), 1)
        .replacen("size: unresolved", "size: 700", 1)
        .replacen("size: unresolved", "size: 350", 1);
    assert_eq!(resolution.text, expected);
    assert!(matches!(
        lock(&expected).map(|lock| lock.artifact_pin(&lock.document.artifacts[0])),
        Ok(Some(ArtifactPin::Files(pin))) if pin.files.len() == 2 && pin.license.as_deref() == Some("Apache-2.0")
    ));

    let wrong = text.replacen("digest: unresolved", &format!("digest: {}", digest(&tools)), 1);
    let wrong = wrong.replacen("/tools.tar.gz", "/toolz.tar.gz", 1);
    let resolution = run_resolution(&lock(&wrong).expect("good"), &client).await;
    let failures: Vec<_> = resolution
        .failures
        .iter()
        .map(|error| format!("{} {error}", error.code().id).replace(&registry.address().to_string(), "SERVER"))
        .collect();
    assert_eq!(resolution.text, with_renderer(&wrong), "nothing is written of what does not match");
    insta::assert_snapshot!(failures.join("\n"));
}
