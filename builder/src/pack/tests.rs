//! Whole builds of a small release. Registry and kubectl are small programs here, because these tests are about what the
//! builder makes of their answers; the real ones are used in the tests crate.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::trust::{KeyKind, RootContents, SigningKey, TrustAnchor, UnsignedRoot};
use landfall_error_codes::{Coded as _, codes};
use landfall_media::durable;
use landfall_media::progress::{Progress, Silent};
use landfall_release_document::{ComponentData, DataRoom, UpgradeRoute};
use serde_json::{Value, json};

use crate::error::Result;
use crate::fetch::tests::registry::{Registry, digest};
use crate::lock;
use crate::options::{BuildOptions, BuildOutput, LockOptions, SourceOptions};
use crate::pack::{BuildReport, BuiltFile, build};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const IMAGES: [&str; 8] = [
    "registry.k8s.io/kube-apiserver:v1.36.3",
    "registry.k8s.io/kube-controller-manager:v1.36.3",
    "registry.k8s.io/kube-scheduler:v1.36.3",
    "registry.k8s.io/kube-proxy:v1.36.3",
    "registry.k8s.io/etcd:3.7.3-0",
    "registry.k8s.io/pause:3.10.2",
    "ghcr.io/distribution/distribution:3.1.1",
    "ghcr.io/small/database:1",
];
const ARTIFACTS: [(&str, &str); 2] =
    [("registry.example/node/kubernetes:1", "kubernetes"), ("registry.example/models/small:1", "model.bin")];
const OBJECTS: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: database}\nspec:\n  replicas: 1\n  serviceName: database\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n    spec:\n      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n      containers:\n        - name: a\n          image: ghcr.io/small/database\n          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";

const KUBECTL: &str = "#!/bin/sh\nif [ \"$1\" = version ]; then\n  echo '{\"clientVersion\": {\"gitVersion\": \"v1.36.3\"}}'\nelse\n  cat \"$2/objects.yaml\"\nfi\n";

/// A vendor's folder with a release, a key and its root, and the registry that has the images.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) registry: Registry,
    key: SigningKey,
}

impl Bench {
    pub(crate) async fn new(development: bool, assembled_annotation: bool) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("folder"),
            registry: Registry::start(|_| ()).await,
            key: SigningKey::generate(KeyKind::Ed25519).expect("key"),
        };
        for reference in IMAGES {
            bench.push_image(reference, assembled_annotation);
        }
        for (reference, file) in ARTIFACTS {
            bench.push_artifact(reference, file);
        }
        let mut root = UnsignedRoot::new(&RootContents::single(bench.key.public(), development)).expect("root");
        root.sign(&bench.key).expect("signed");
        bench.write("roots/1.root.json", root.finish(None).expect("root").bytes(), 0o644);
        bench.write("release/release.yaml", include_bytes!("../definition/good.yaml"), 0o644);
        for component in ["network", "database", "assistant"] {
            bench.write(&format!("release/manifests/{component}/kustomization.yaml"), b"resources: []\n", 0o644);
            let objects = if component == "database" { OBJECTS } else { "" };
            bench.write(&format!("release/manifests/{component}/objects.yaml"), objects.as_bytes(), 0o644);
        }
        bench.write("kubectl", KUBECTL.as_bytes(), 0o755);
        bench.write("landfall", &super::programs::program(&[(object::elf::PT_LOAD, b"stands for the program")]), 0o755);
        bench.write(
            "landfall-appliance",
            &super::programs::program(&[(object::elf::PT_LOAD, b"the appliance")]),
            0o755,
        );
        bench.write(
            "landfall-validator",
            &super::programs::program(&[(object::elf::PT_LOAD, b"the validator")]),
            0o755,
        );
        let mirrors = format!("mirrors: [{{host: '*', endpoint: 'http://{}'}}]\n", bench.registry.address());
        bench.write("registries.yaml", mirrors.as_bytes(), 0o644);
        bench.write("release/images.lock", lock_text(false).as_bytes(), 0o644);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8], mode: u32) {
        let path = self.path(name);
        durable::create_folder(path.parent().expect("folder")).expect("folder");
        durable::write_file(&path, bytes, mode).expect("file");
    }

    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs_err::read_to_string(self.path(name)).expect("text");
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, text.replacen(from, to, 1).as_bytes(), 0o644);
    }

    pub(crate) fn push(&self, reference: &str, manifest: &Value) {
        let (repository, tag) = reference.rsplit_once(':').expect("tag");
        self.registry.add_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
    }

    fn push_image(&self, reference: &str, assembled: bool) {
        self.push_image_of(reference, assembled, &[tar_of(reference)]);
    }

    pub(crate) fn push_image_of(&self, reference: &str, assembled: bool, layers: &[Vec<u8>]) {
        let layer_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let configuration = json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": layer_ids },
        });
        let configuration = configuration.to_string().into_bytes();
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&configuration), "size": configuration.len() },
            "layers": layers.iter().map(|layer| json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer), "size": layer.len(),
            })).collect::<Vec<_>>(),
        });
        if assembled {
            manifest["annotations"] = json!({ "dev.landfall.assembled": "true" });
        }
        for layer in layers {
            self.registry.add_blob(layer);
        }
        self.registry.add_blob(&configuration);
        self.push(reference, &manifest);
    }

    fn push_artifact(&self, reference: &str, file: &str) {
        self.push_artifact_of(reference, file, &file.bytes().cycle().take(3_000_000).collect::<Vec<_>>());
    }

    fn push_artifact_of(&self, reference: &str, file: &str, bytes: &[u8]) {
        self.push_files(reference, &[(file, bytes)]);
    }

    /// An artifact of these files, each a layer.
    pub(crate) fn push_files(&self, reference: &str, files: &[(&str, &[u8])]) {
        let layers = files.iter().map(|(file, bytes)| {
            self.registry.add_blob(bytes);
            json!({
                "mediaType": "application/x", "digest": digest(bytes), "size": bytes.len(),
                "annotations": { "org.opencontainers.image.title": file },
            })
        });
        let layers: Vec<_> = layers.collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x",
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
            "layers": layers,
        });
        self.registry.add_blob(b"{}");
        self.push(reference, &manifest);
    }

    pub(crate) fn source(&self) -> SourceOptions {
        SourceOptions { release: self.path("release"), lock: None, registries: Some(self.path("registries.yaml")) }
    }

    pub(crate) fn lock_options(&self) -> LockOptions {
        let (store, kubectl) = (self.path("store"), self.path("kubectl"));
        LockOptions { source: self.source(), store, kubectl, helm: self.path("helm"), output: None }
    }

    pub(crate) async fn lock(&self) -> Result<lock::LockReport> {
        lock::lock(&self.lock_options(), &Silent).await
    }

    pub(crate) async fn build(&self) -> Result<BuildReport> {
        self.build_at("2026-11-20T08:16:00Z").await
    }

    pub(crate) async fn build_into(&self, output: &Path) -> Result<BuildReport> {
        self.build_of("2026-11-20T08:16:00Z", output).await
    }

    async fn build_at(&self, built_at: &str) -> Result<BuildReport> {
        self.build_of(built_at, &self.path("out")).await
    }

    pub(crate) async fn build_of(&self, built_at: &str, output: &Path) -> Result<BuildReport> {
        self.build_watched(built_at, output, &Silent).await
    }

    pub(crate) async fn build_watched(
        &self,
        built_at: &str,
        output: &Path,
        progress: &dyn Progress,
    ) -> Result<BuildReport> {
        let options = BuildOptions {
            source: self.source(),
            sign_commands: Vec::new(),
            roots: self.path("roots"),
            store: self.path("store"),
            appliance: self.path("landfall-appliance"),
            validator: self.path("landfall-validator"),
            gpu_program: self.path("landfall-gpu"),
            installer: self.path("landfall"),
            kubectl: self.path("kubectl"),
            helm: self.path("helm"),
            built_at: built_at.to_owned(),
        };
        let output = BuildOutput::Folder { path: output.to_owned(), part_bytes: None };
        build(&options, std::slice::from_ref(&self.key), output, progress).await
    }

    pub(crate) async fn refusal(&self) -> String {
        self.refusal_of_class(2).await
    }

    async fn refusal_of_class(&self, exit_code: u8) -> String {
        let error = self.build().await.expect_err("refused");
        assert_eq!(error.code().class.exit_code(), exit_code, "{error}");
        assert!(!self.path("out").exists(), "nothing is written before everything is checked");
        let text = format!("{} {error}", error.code().id);
        let text = text.replace(&format!("{}/", self.folder.path().display()), "");
        text.replace(&self.registry.address().to_string(), "REGISTRY")
    }
}

/// A layer with one file, by name a shell.
fn tar_of(text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "bin/sh", text.as_bytes()).expect("entry");
    archive.into_inner().expect("archive")
}

pub(crate) fn lock_text(assembled: bool) -> String {
    let entry = |reference: &str| {
        format!(
            "  - {{reference: '{reference}', digest: unresolved, mediaType: unresolved, size: unresolved, license: MIT}}\n"
        )
    };
    let images: String = IMAGES.iter().map(|reference| entry(reference)).collect();
    let artifacts: String = ARTIFACTS.iter().map(|(reference, _)| entry(reference)).collect();
    format!("assembled: {assembled}\nplatform: linux/amd64\nimages:\n{images}artifacts:\n{artifacts}")
}

fn beside<'a>(report: &'a BuildReport, extension: &str) -> &'a BuiltFile {
    let has = |file: &&BuiltFile| Path::new(&file.name).extension().is_some_and(|found| found == extension);
    report.files.iter().find(has).expect(extension)
}

pub(crate) fn head(folder: &Path, report: &BuildReport, anchor: &TrustAnchor) -> Verified {
    let bytes = fs_err::read(folder.join(&beside(report, "head").name)).expect("head");
    Verified::read_file(&bytes, anchor).expect("verified")
}

#[tokio::test]
async fn a_release_becomes_a_bundle_that_a_site_can_read() {
    let bench = Bench::new(false, false).await;
    assert_eq!(bench.lock().await.expect("locked").resolved, 10);
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    assert_eq!(verified.id(), report.id);
    let release: landfall_release_document::ReleaseDocument =
        serde_json::from_slice(verified.small_document("documents/release.json").expect("release")).expect("read");
    assert_eq!(release.node_packs[0].kubernetes, "v1.36.3");
    assert!(!release.assembled);
    let components: Vec<_> = release.components.iter().map(|component| component.name.as_str()).collect();
    assert_eq!(components, ["network", "database", "assistant"]);
    let objects: Value =
        serde_json::from_slice(verified.small_document(&release.components[1].objects).expect("objects"))
            .expect("read");
    let image = objects[0].pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).expect("image");
    assert_eq!(image, format!("ghcr.io/small/database:1@{}", release.images[7].manifest.digest));

    // Node files first, then images, then what components mount; layers say what they unpack to.
    let entries = verified.blobs().entries();
    assert_eq!(entries[3].sha256, release.artifacts[0].manifest.digest);
    assert_eq!(entries.last().expect("last").sha256, release.artifacts[1].files[0].blob.digest);
    let layers: Vec<_> = entries.iter().filter_map(|entry| entry.layer).collect();
    assert_eq!((layers.len(), layers[0].inodes, layers[0].unpacked_bytes), (8, 1, IMAGES[0].len() as u64));

    // What the vendor reads is what a site's preflight asks for.
    assert_eq!(report.site_room, DataRoom::of(entries, &release.requirements).into());
    let (staged, unpacked) = (entries.iter().map(|entry| entry.size), layers.iter().map(|layer| layer.unpacked_bytes));
    assert_eq!((report.site_room.bundle_bytes, report.site_room.unpacked_bytes), (staged.sum(), unpacked.sum()));

    // Each byte of the store once.
    assert_eq!(report.store_bytes.read_bytes, entries.iter().map(|entry| entry.size).sum::<u64>());
    let sheet = beside(&report, "html");
    let page = fs_err::read_to_string(bench.path("out").join(&sheet.name)).expect("page");
    assert!(page.contains(&report.fingerprint.to_string()) && page.contains(&report.files[0].sha256.to_hex()));
    assert!(page.contains("ghcr.io/small/database:1</td><td>MIT"), "{page}");
    assert!(!page.contains("For development only"));
}

#[tokio::test]
async fn a_release_that_needs_gpus_brings_the_program_that_reads_their_facts() {
    let bench = Bench::new(false, false).await;
    bench.edit("release/release.yaml", "data: 10Gi}", "data: 10Gi, gpus: {count: 1}}");
    bench.lock().await.expect("locked");
    let refused = bench.build().await.expect_err("no program");
    assert_eq!(refused.code(), codes::TOOL_MISSING, "{refused}");
    bench.write("landfall-gpu", b"#!/bin/sh\n", 0o755);
    assert!(bench.refusal().await.contains("is not a program for Linux"));
    let linked = |version: &str| {
        super::programs::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], &["GLIBC_2.2.5", version])
    };
    bench.write("landfall-gpu", &linked("GLIBC_2.38"), 0o755);
    assert!(bench.refusal().await.contains("needs glibc 2.38 of the host"));
    let program = linked("GLIBC_2.34");
    bench.write("landfall-gpu", &program, 0o755);
    let report = bench.build().await.expect("built");
    let (release, _) = read_as_a_site(&bench);
    let gpu = release.artifacts.last().expect("artifacts");
    assert_eq!((gpu.name.as_str(), gpu.files[0].path.as_str()), ("landfall-gpu", "landfall-gpu"));
    assert_eq!((gpu.files[0].blob.digest, release.artifacts.len()), (digest(&program), 3));
    let head = head(&bench.path("out"), &report, &TrustAnchor::Fingerprint(report.fingerprint));
    assert!(head.blobs().entries().iter().any(|entry| entry.sha256 == digest(&program)));
    let inventory = head.small_document(landfall_inventory::INVENTORY_DOCUMENT_NAME).expect("inventory");
    let inventory = landfall_inventory::InventoryDocument::read(inventory).expect("read");
    assert_eq!(inventory.artifact_license("landfall-gpu"), Some("Apache-2.0"));
    let sheet = fs_err::read_to_string(bench.path("out").join(&beside(&report, "html").name)).expect("page");
    assert!(sheet.contains(&format!("{}</td><td>Apache-2.0", gpu.reference)), "{sheet}");
}

/// The database with a volume of its own.
fn with_claims() -> String {
    let claims = "  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n  selector:";
    let mounts = "volumeMounts: [{name: data, mountPath: /data}]\n          securityContext: {allow";
    OBJECTS.replacen("  selector:", claims, 1).replacen("securityContext: {allow", mounts, 1)
}

#[tokio::test]
async fn backup_rules_and_upgrades_reach_the_site() {
    let rule = "    data: migrated\n    backup:\n      - name: rows\n        workload: StatefulSet/database\n        \
                volume: data\n        save: [sh, -c, dump]\n        load: [/bin/sh, -c, fill]\n        \
                checks: [{shows: It answers, arguments: [ask]}]\n    secrets:";
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    bench.write("release/manifests/database/objects.yaml", with_claims().as_bytes(), 0o644);
    bench.edit("release/release.yaml", "    secrets:", rule);
    bench.edit("release/release.yaml", "counter: 7", "counter: 7\nsoakSeconds: 90\nupgrades: [{from: 1.2.2}]");
    // The image has a shell, and nothing else.
    let refused = bench.refusal().await;
    assert!(refused.starts_with("LF2039"), "{refused}");
    assert!(
        refused.contains("the rule `rows` of `database` runs `ask`, which the image ghcr.io/small/database:1"),
        "{refused}"
    );
    bench.edit("release/release.yaml", "arguments: [ask]", "arguments: [sh, -c, ask]");
    bench.build().await.expect("built");
    let (release, _) = read_as_a_site(&bench);
    let database = &release.components[1];
    let streams: Vec<_> = database.backup.iter().map(|rule| rule.stream(&database.name)).collect();
    assert_eq!((database.data, streams), (ComponentData::Migrated, vec!["database/rows".to_owned()]));
    let routes = ["1.2.2", "1.2.1"].map(|from| release.upgrade_path(from));
    assert_eq!(routes, [UpgradeRoute::Direct, UpgradeRoute::NotAllowed]);
    assert_eq!(release.soak_seconds, Some(90));
}

#[tokio::test]
async fn bad_releases_are_refused_before_anything_is_written() {
    let unlocked = Bench::new(true, false).await;
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let good = fs_err::read(bench.path("release/release.yaml")).expect("release");
    let lock = fs_err::read(bench.path("release/images.lock")).expect("lock");
    let mut refusals = vec![unlocked.refusal().await];
    for (file, from, to) in [
        ("release/release.yaml", "needs: [network]", "needs: [netwrok]"),
        ("release/release.yaml", "needs: []", "needs: [assistant]"),
        ("release/release.yaml", "components:", "components: ]["),
        ("release/release.yaml", "kubernetes: v1.36", "kubernetes: v1.37"),
        ("release/release.yaml", "platform: linux/amd64", "platform: linux/arm64"),
        ("release/images.lock", "'ghcr.io/small/database:1'", "'ghcr.io/small/other:1'"),
        ("release/images.lock", "'registry.k8s.io/pause:3.10.2'", "'registry.k8s.io/pauze:3.10.2'"),
        ("release/manifests/database/objects.yaml", "image: ghcr.io/small/database", "image: ghcr.io/small/unknown"),
        ("release/manifests/database/objects.yaml", "metadata: {name: database}", "metadata: {name: other}"),
    ] {
        bench.edit(file, from, to);
        refusals.push(bench.refusal().await);
        bench.write("release/release.yaml", &good, 0o644);
        bench.write("release/images.lock", &lock, 0o644);
        bench.write("release/manifests/database/objects.yaml", OBJECTS.as_bytes(), 0o644);
    }
    // The lock names a manifest that the registry does not have.
    let pinned = digest(b"never pushed").to_string();
    let text = String::from_utf8(lock).expect("text");
    let images = text.find("\nimages:").expect("images");
    let at = images + text[images..].find("digest: sha256:").expect("digest") + "digest: ".len();
    bench.write(
        "release/images.lock",
        format!("{}{pinned}{}", &text[..at], &text[at + pinned.len()..]).as_bytes(),
        0o644,
    );
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));
}

/// Every check of what is rendered, and of the installer, is part of a build, and comes before anything large is fetched.
#[tokio::test]
async fn what_cannot_run_at_a_site_is_refused_before_anything_is_fetched() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let fetched = bench.registry.ranges().len();
    let definition = "\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                      metadata: {name: wheels.small.example}\nspec:\n  group: small.example\n  scope: Namespaced\n  \
                      names: {kind: Wheel, plural: wheels, singular: wheel}\n  versions:\n    - name: v1\n      \
                      served: true\n      storage: true\n      schema: {openAPIV3Schema: {type: object}}\n";
    let custom = format!("{OBJECTS}---\napiVersion: small.example/v1\nkind: Wheel\nmetadata: {{name: wheel}}\n");
    let changed = |from: &str, to: &str| {
        assert!(OBJECTS.contains(from), "{from}");
        OBJECTS.replacen(from, to, 1)
    };
    let objects = "release/manifests/database/objects.yaml";
    let kustomization = "release/manifests/database/kustomization.yaml";
    let named =
        "image: ghcr.io/small/database\n          env: [{name: A, valueFrom: {configMapKeyRef: {name: b, key: c}}}]";
    for (code, file, contents) in [
        (codes::INSTALLER_UNFIT, "landfall", "#!/bin/sh\n".to_owned()),
        (codes::REMOTE_BASE, kustomization, "resources: ['https://example.com/base']\n".to_owned()),
        (codes::OBJECT_UNFIT, objects, changed("replicas: 1", "replcas: 1")),
        (codes::NEED_MISSING, objects, custom),
        (codes::POD_REFUSED, objects, changed("runAsNonRoot: true, ", "")),
        (codes::DANGLING_REFERENCE, objects, changed("image: ghcr.io/small/database", named)),
        (codes::RELEASE_INVALID, objects, with_claims()),
    ] {
        let good = fs_err::read(bench.path(file)).expect("file");
        bench.write("release/manifests/assistant/objects.yaml", definition.as_bytes(), 0o644);
        bench.write(file, contents.as_bytes(), 0o755);
        let refused = bench.refusal().await;
        assert!(refused.starts_with(code.id), "expected {}: {refused}", code.id);
        assert_eq!(bench.registry.ranges().len(), fetched, "{} came after a blob", code.id);
        bench.write(file, &good, 0o755);
    }
}

#[tokio::test]
async fn what_was_assembled_for_tests_needs_a_development_key() {
    let by_lock = Bench::new(false, false).await;
    by_lock.write("release/images.lock", lock_text(true).as_bytes(), 0o644);
    by_lock.lock().await.expect("locked");
    let by_annotation = Bench::new(false, true).await;
    by_annotation.lock().await.expect("locked");
    for bench in [&by_lock, &by_annotation] {
        let refused = bench.refusal().await;
        assert!(refused.starts_with(codes::ASSEMBLED_UNDER_RELEASE_KEY.id), "{refused}");
    }
    let development = Bench::new(true, true).await;
    development.lock().await.expect("locked");
    let report = development.build().await.expect("built");
    assert!(report.development);
}

#[tokio::test]
async fn a_key_that_the_roots_do_not_name_is_refused() {
    let mut bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench.key = SigningKey::generate(KeyKind::Ed25519).expect("key");
    assert!(bench.refusal().await.starts_with(codes::SIGNING_REFUSED.id));
}

/// The lock with the node's artifact composed of files that the registry's machine serves as well.
pub(crate) fn composed(bench: &Bench, archive: &[u8]) -> String {
    composed_of(bench, b"the program kubelet", archive)
}

fn composed_of(bench: &Bench, kubelet: &[u8], archive: &[u8]) -> String {
    bench.registry.add_file("v1/kubelet", kubelet);
    bench.registry.add_file("v1/containerd-2.tar.gz", archive);
    // The mirror of all hosts has the files of the host `files` below that name.
    let (kubelet, tools) = ("https://files/v1/kubelet", "https://files/v1/containerd-2.tar.gz");
    let entry = format!(
        "  - reference: {}\n    license: Apache-2.0\n    files:\n      - {{url: '{kubelet}', digest: unresolved, size: unresolved, path: kubelet}}\n      - {{url: '{tools}', digest: unresolved, size: unresolved, members: {{bin/containerd: containerd, bin/ctr: ctr}}}}\n",
        ARTIFACTS[0].0
    );
    let text = lock_text(false);
    let line = text.lines().find(|line| line.contains(ARTIFACTS[0].0)).expect("line");
    text.replace(&format!("{line}\n"), &entry)
}

pub(crate) fn tools() -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let large = vec![5; 2_500_000];
    for (path, bytes) in [("bin/ctr", &b"the tool"[..]), ("bin/containerd", &large), ("README", b"x")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, bytes).expect("entry");
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("archive")
}

/// Every byte of a bundle, as a site reads it; the release document, and the bytes of the node's files by path.
fn read_as_a_site(bench: &Bench) -> (landfall_release_document::ReleaseDocument, Vec<(String, Vec<u8>)>) {
    use landfall_media::counters::Counters;
    use landfall_media::{Payload, bundle, verify};
    let located = bundle::locate(&bench.path("out")).expect("located");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = Verified::read(located.head().expect("head"), &anchor).expect("verified");
    let document = verified.small_document("documents/release.json").expect("release");
    let release = landfall_release_document::ReleaseDocument::read(document).expect("read");
    let media = located.assemble(Payload::from(verified), Counters::new()).expect("assembled");
    verify::verify(&media, "verifying", &Silent).expect("whole");
    let stream = fs_err::read(&media.parts()[0].path).expect("stream");
    let mut blobs = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(&*stream).entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("bytes");
        blobs.insert(digest(&bytes), bytes);
    }
    let node = release.artifacts.iter().find(|artifact| artifact.name == "kubernetes").expect("node");
    let files = node.files.iter().map(|file| (file.path.clone(), blobs[&file.blob.digest].clone())).collect();
    (release, files)
}

#[tokio::test]
async fn files_of_upstream_travel_as_an_artifact_that_a_site_reads() {
    let bench = Bench::new(false, false).await;
    let archive = tools();
    bench.write("release/images.lock", composed(&bench, &archive).as_bytes(), 0o644);
    let report = bench.lock().await.expect("locked");
    assert_eq!((report.resolved, report.entries), (11, 11));
    let report = bench.build().await.expect("built");
    let (release, files) = read_as_a_site(&bench);
    let names: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.len())).collect();
    assert_eq!(names, [("kubelet", 19), ("containerd", 2_500_000), ("ctr", 8)]);
    assert_eq!(files[0].1, b"the program kubelet");
    let node = &release.artifacts[0];
    assert_eq!(node.reference, ARTIFACTS[0].0);
    let total: u64 = node.files.iter().map(|file| file.blob.size).sum();
    assert!(report.store_bytes.read_bytes > total);
    let sheet = fs_err::read_to_string(bench.path("out").join(&beside(&report, "html").name)).expect("page");
    assert!(sheet.contains("registry.example/node/kubernetes:1</td><td>Apache-2.0"), "{sheet}");
    let head = head(&bench.path("out"), &report, &TrustAnchor::Fingerprint(report.fingerprint));
    let travels = |bytes: &[u8]| head.blobs().entries().iter().any(|entry| entry.sha256 == digest(bytes));
    assert!(travels(b"the tool") && !travels(&archive), "members travel, their archive does not");
}

#[tokio::test]
async fn a_program_for_the_node_that_needs_libraries_of_the_host_is_refused() {
    let dynamic = super::programs::program(&[(object::elf::PT_INTERP, b"/lib64/ld-linux-x86-64.so.2\0")]);
    let bench = Bench::new(true, false).await;
    bench.write("release/images.lock", composed_of(&bench, &dynamic, &tools()).as_bytes(), 0o644);
    bench.lock().await.expect("locked");
    let mut refusals = vec![bench.refusal().await];

    // As an artifact of a registry, which the lock pins as a whole.
    let bench = Bench::new(true, false).await;
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &dynamic);
    bench.lock().await.expect("locked");
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));

    // A library beside those of glibc.
    let bench = Bench::new(true, false).await;
    let versions = ["GLIBC_2.34"];
    let foreign =
        super::programs::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6", "libseccomp.so.2"], &versions);
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &foreign);
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(
        refusal
            .ends_with("kubelet of registry.example/node/kubernetes:1 needs the library libseccomp.so.2 of the host"),
        "{refusal}"
    );

    // What is no program of the node may be anything.
    let bench = Bench::new(true, false).await;
    bench.push_artifact_of(ARTIFACTS[1].0, "model.bin", &dynamic);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
}

/// Upstream's kubelet is such a program. Which host has such a glibc is judged at the site.
#[tokio::test]
async fn the_glibc_that_programs_for_the_node_need_is_in_the_head() {
    let bench = Bench::new(true, false).await;
    let versions = ["GLIBC_2.2.5", "GLIBC_2.34"];
    let kubelet = super::programs::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], &versions);
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &kubelet);
    bench.lock().await.expect("locked");
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    let document = verified.small_document("documents/release.json").expect("release");
    let release = landfall_release_document::ReleaseDocument::read(document).expect("read");
    assert_eq!(release.node_packs[0].glibc.as_deref(), Some("2.34"));
}

#[tokio::test]
async fn the_head_says_what_the_headers_of_models_say() {
    let bench = Bench::new(true, false).await;
    let (mut weights, file_bytes) = landfall_models::sample::safetensors(&[("a", "BF16", &[1000, 8], 16_000)]);
    weights.resize(usize::try_from(file_bytes).expect("small"), 7);
    bench.push_artifact_of(ARTIFACTS[1].0, "model.safetensors", &weights);
    bench.lock().await.expect("locked");
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    let document = verified.small_document(landfall_models::MODELS_DOCUMENT_NAME).expect("models");
    let document = landfall_models::ModelsDocument::read(document).expect("read");
    assert_eq!((document.models.len(), document.models[0].name.as_str()), (1, "model"));
    assert_eq!(document.models[0].weights.bytes_of("BF16"), 16_000);
    assert!(document.images.is_empty());

    let bench = Bench::new(true, false).await;
    weights.pop();
    bench.push_artifact_of(ARTIFACTS[1].0, "model.safetensors", &weights);
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(refusal.starts_with("LF2071 "), "{refusal}");
    assert!(refusal.ends_with("the models of registry.example/models/small:1 cannot be read"), "{refusal}");
}

#[tokio::test]
async fn a_lock_of_files_that_do_not_fit_is_refused_before_anything_is_written() {
    let bench = Bench::new(true, false).await;
    bench.write("release/images.lock", composed(&bench, &tools()).as_bytes(), 0o644);
    let mut refusals = vec![bench.refusal().await];
    bench.lock().await.expect("locked");
    bench.edit("release/images.lock", "bin/ctr: ctr", "bin/crt: ctr");
    refusals.push(bench.refusal().await);
    bench.edit("release/images.lock", "bin/crt: ctr", "bin/ctr: ctr");
    bench.registry.add_file("v1/kubelet", b"the program kubelet, changed");
    fs_err::remove_dir_all(bench.path("store")).expect("forgotten");
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));
}

/// Names of files in the output, in order.
fn output(bench: &Bench) -> Vec<String> {
    let entries = fs_err::read_dir(bench.path("out")).expect("output").map(|entry| entry.expect("entry"));
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_rebuild_with_nothing_changed_keeps_the_bundle_and_reads_nothing_of_it() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let first = bench.build().await.expect("built");
    let (before, sums) = (output(&bench), fs_err::read(bench.path("out/SHA256SUMS")).expect("sums"));
    let second = bench.build_at("2026-11-21T09:00:00Z").await.expect("built again");
    assert_eq!(second.kept.as_deref(), Some("2026-11-20T08:16:00Z"));
    assert_eq!((second.id, second.total_bytes), (first.id, first.total_bytes));
    assert_eq!((second.store_bytes.read_bytes, second.media_bytes.written_bytes), (0, 0), "nothing is read or written");
    assert_eq!(output(&bench), before);
    assert_eq!(fs_err::read(bench.path("out/SHA256SUMS")).expect("sums"), sums);
    let named = |report: &BuildReport| {
        report.files.iter().map(|file| (file.name.clone(), file.size, file.sha256)).collect::<Vec<_>>()
    };
    assert_eq!(named(&second).len(), 4, "the bundle, its head, the sheet and the provenance");
    assert!(named(&second).iter().all(|file| named(&first).contains(file)), "{:?}", named(&second));
    landfall_media::bundle::locate(&bench.path("out")).expect("one bundle");
}

#[tokio::test]
async fn a_changed_release_of_the_same_version_takes_the_place_of_its_bundle() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let first = bench.build().await.expect("built");
    bench.write("out/letter.txt", b"of a customer", 0o644);
    bench.edit("release/manifests/database/objects.yaml", "replicas: 1", "replicas: 2");
    let second = bench.build_at("2026-11-21T09:00:00Z").await.expect("built again");
    assert_ne!(second.id, first.id);
    assert_eq!((second.kept, second.superseded.len()), (None, 1));
    let mut expected: Vec<_> = second.files.iter().map(|file| file.name.clone()).collect();
    expected.extend(["SHA256SUMS".to_owned(), "letter.txt".to_owned()]);
    expected.sort();
    assert_eq!(output(&bench), expected);
    let sums = fs_err::read_to_string(bench.path("out/SHA256SUMS")).expect("sums");
    assert!(!sums.contains(&first.files[0].name), "{sums}");
    landfall_media::bundle::locate(&bench.path("out")).expect("one bundle");

    // A bundle that lost a byte is not kept, and one of another version is left alone.
    let whole = bench.path("out").join(&second.files[0].name);
    let bytes = fs_err::read(&whole).expect("bundle");
    durable::write_file(&whole, &bytes[1..], 0o644).expect("cut");
    let third = bench.build_at("2026-11-22T09:00:00Z").await.expect("built again");
    assert_eq!((third.kept, third.superseded.len()), (None, 1));
    bench.edit("release/release.yaml", "version: 1.2.3", "version: 1.2.4");
    let fourth = bench.build_at("2026-11-23T09:00:00Z").await.expect("another version");
    assert!(fourth.superseded.is_empty());
    assert!(output(&bench).contains(&third.files[0].name));
}

#[tokio::test]
async fn another_kubectl_than_the_locks_does_not_render() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    bench.write("kubectl", format!("{KUBECTL}# another\n").as_bytes(), 0o755);
    let refused = bench.build().await.expect_err("another program");
    assert_eq!(refused.code(), codes::RENDERER_UNPINNED, "{refused}");
    bench.lock().await.expect("locked");
    bench.build().await.expect("built with the new one");
}

#[tokio::test]
async fn an_entry_that_is_not_resolved_is_named_by_its_line_after_the_others_were() {
    let bench = Bench::new(false, false).await;
    bench.edit("release/images.lock", "small/database:1", "small/database:2");
    let refused = bench.lock().await.expect_err("no such tag").to_string();
    let text = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    let line = 1 + text.lines().position(|line| line.contains("small/database:2")).expect("line");
    assert!(line > 1 + lock_text(false).lines().position(|line| line.contains("small/database:1")).expect("line"));
    assert!(refused.contains(&format!("images.lock:{line}: images[7]: ")), "{refused}");
}

#[tokio::test]
async fn too_little_room_is_reported_before_anything_large_is_fetched() {
    let bench = Bench::new(false, false).await;
    let huge = |number: u8, size: u64| {
        json!({
            "mediaType": "application/x", "digest": digest(&[number]), "size": size,
            "annotations": { "org.opencontainers.image.title": number.to_string() },
        })
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [huge(1, u64::MAX), huge(2, u64::MAX - 1)],
    });
    bench.push(ARTIFACTS[1].0, &manifest);
    bench.lock().await.expect("locked");
    let refused = bench.refusal_of_class(codes::NO_SPACE.class.exit_code()).await;
    assert!(refused.starts_with(codes::NO_SPACE.id) && refused.contains("store"), "{refused}");
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
}

/// A store with room beside an output without: packing itself would notice only after hours of fetching.
#[tokio::test]
async fn too_little_room_for_the_output_is_reported_before_anything_is_fetched() {
    let test = "pack::tests::too_little_room_for_the_output_is_reported_before_anything_is_fetched";
    let Some(small) = landfall_media::mounted::on_tmpfs(test, "size=1m") else { return };
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    let refused = bench.build_into(&small.join("out")).await.expect_err("refused");
    assert_eq!(refused.code(), codes::NO_SPACE);
    assert!(refused.to_string().contains(&small.display().to_string()), "{refused}");
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
    assert_eq!(fs_err::read_dir(&small).expect("output").count(), 0);
    // The other side has room: the same build elsewhere succeeds.
    bench.build().await.expect("built");
}

#[tokio::test]
async fn what_was_assembled_for_tests_is_refused_before_its_blobs_are_fetched() {
    let bench = Bench::new(false, true).await;
    bench.lock().await.expect("locked");
    assert!(bench.refusal().await.starts_with(codes::ASSEMBLED_UNDER_RELEASE_KEY.id));
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
}
