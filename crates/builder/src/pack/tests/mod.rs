//! Complete builds of a small release. Small programs replace the registry and kubectl, because these tests concern the
//! builder's handling of their output; the tests crate uses the real ones.

mod changes;
mod files;
mod keeping;
mod platforms;
mod refusals;

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::trust::{KeyKind, RootContents, SigningKey, TrustAnchor, UnsignedRoot};
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable;
use landfall_media::progress::{Progress, SilentProgress};
use landfall_release_document::{ComponentData, DataRoom, UpgradeRoute};
use landfall_test_support::definition as notation;
use landfall_test_support::runnable::write_program;
use serde_json::{Value, json};

use crate::error::Result;
use crate::options::{BuildOptions, BuildOutput, Handbook, LockOptions, SourceOptions};
use crate::pack::{BuildReport, BuiltFile, build};
use crate::resolution;
use landfall_test_registry::{Registry, digest};

/// Definition that tests write and edit.
const DEFINITION: &str = "release/release.yaml";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const IMAGES: [&str; 8] = [
    "registry.k8s.io/kube-apiserver:v1.36.3",
    "registry.k8s.io/kube-controller-manager:v1.36.3",
    "registry.k8s.io/kube-scheduler:v1.36.3",
    "registry.k8s.io/kube-proxy:v1.36.3",
    "registry.k8s.io/etcd:3.7.3-0",
    "registry.k8s.io/pause:3.10.2",
    "ghcr.io/distribution/distribution:3.1.1",
    "ghcr.io/small/database:1",
];
pub(crate) const ARTIFACTS: [(&str, &str); 2] =
    [("registry.example/node/kubernetes:1", "kubernetes"), ("registry.example/models/small:1", "model.bin")];
pub(crate) const OBJECTS: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: database}\nspec:\n  \
    replicas: 1\n  serviceName: database\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: \
    {labels: {app: a}}\n    spec:\n      securityContext: \
    {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n      containers:\n        - name: a\n          \
    image: ghcr.io/small/database\n          resources: {limits: {memory: 1Gi}}\n          securityContext: \
    {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";

const KUBECTL: &str = "#!/bin/sh\nif [ \"$1\" = version ]; then\n  echo \
    '{\"clientVersion\": {\"gitVersion\": \"v1.36.3\"}}'\nelse\n  cat \"$2/objects.yaml\"\nfi\n";

/// A vendor's folder with a release, a key and its root, and a registry with the images.
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
        bench.write(DEFINITION, include_bytes!("../../definition/good.yaml"), 0o644);
        for component in ["network", "database", "assistant"] {
            bench.write(&format!("release/manifests/{component}/kustomization.yaml"), b"resources: []\n", 0o644);
            let objects = if component == "database" { OBJECTS } else { "" };
            bench.write(&format!("release/manifests/{component}/objects.yaml"), objects.as_bytes(), 0o644);
        }
        bench.write("kubectl", KUBECTL.as_bytes(), 0o755);
        bench.write(
            "landfall",
            &crate::executables::program(&[(object::elf::PT_LOAD, b"stands for the program")]),
            0o755,
        );
        bench.write(
            "landfall-appliance",
            &crate::executables::program(&[(object::elf::PT_LOAD, b"the appliance")]),
            0o755,
        );
        bench.write(
            "landfall-validator",
            &crate::executables::program(&[(object::elf::PT_LOAD, b"the validator")]),
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
        if name == DEFINITION {
            notation::write(&self.path("release"), std::str::from_utf8(bytes).expect("text"));
        }
        let path = self.text_path(name);
        durable::create_folder(path.parent().expect("folder")).expect("folder");
        match mode {
            0o755 => write_program(&path, bytes),
            _ => durable::write_file(&path, bytes, mode).expect("file"),
        }
    }

    /// Path of a text that tests write and edit: the definition stays in the notation of tests.
    fn text_path(&self, name: &str) -> PathBuf {
        self.path(if name == DEFINITION { "definition.yaml" } else { name })
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs_err::read_to_string(self.text_path(name)).expect("text")
    }

    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, text.replacen(from, to, 1).as_bytes(), 0o644);
    }

    pub(crate) fn push(&self, reference: &str, manifest: &Value) {
        let (repository, tag) = reference.rsplit_once(':').expect("tag");
        self.registry.add_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
    }

    pub(crate) fn push_image(&self, reference: &str, assembled: bool) {
        self.push_image_of(reference, assembled, &[tar_of(reference)]);
    }

    pub(crate) fn push_image_of(&self, reference: &str, assembled: bool, layers: &[Vec<u8>]) {
        self.push(reference, &self.manifest_of("amd64", assembled, layers));
    }

    /// Manifest of an image for this CPU, with its blobs in the registry.
    fn manifest_of(&self, architecture: &str, assembled: bool, layers: &[Vec<u8>]) -> Value {
        let layer_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let configuration = json!({
            "architecture": architecture, "os": "linux", "rootfs": { "type": "layers", "diff_ids": layer_ids },
        });
        let configuration = configuration.to_string().into_bytes();
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&configuration),
                "size": configuration.len() },
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
        manifest
    }

    fn push_artifact(&self, reference: &str, file: &str) {
        self.push_artifact_of(reference, file, &file.bytes().cycle().take(3_000_000).collect::<Vec<_>>());
    }

    fn push_artifact_of(&self, reference: &str, file: &str, bytes: &[u8]) {
        self.push_files(reference, &[(file, bytes)]);
    }

    /// Pushes an artifact with these files, one per layer.
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

    pub(crate) async fn lock(&self) -> Result<resolution::LockReport> {
        resolution::lock(&self.lock_options(), &SilentProgress).await
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
        self.build_watched(built_at, output, &SilentProgress).await
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
        let handbook = Handbook { length: 12, unpack: || b"the handbook".to_vec() };
        let output = BuildOutput::Folder { path: output.to_owned(), handbook, part_bytes: None };
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

/// A layer with one file at the path of a shell.
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
            "  - \
             {{reference: '{reference}', digest: unresolved, mediaType: unresolved, size: unresolved, license: MIT}}\n"
        )
    };
    let images: String = IMAGES.iter().map(|reference| entry(reference)).collect();
    let artifacts: String = ARTIFACTS.iter().map(|(reference, _)| entry(reference)).collect();
    format!("assembled: {assembled}\nplatform: linux/amd64\nimages:\n{images}artifacts:\n{artifacts}")
}

fn file_with_extension<'a>(report: &'a BuildReport, extension: &str) -> &'a BuiltFile {
    let has = |file: &&BuiltFile| Path::new(&file.name).extension().is_some_and(|found| found == extension);
    report.files.iter().find(has).expect(extension)
}

pub(crate) fn head(folder: &Path, report: &BuildReport, anchor: &TrustAnchor) -> Verified {
    let bytes = fs_err::read(folder.join(&file_with_extension(report, "head").name)).expect("head");
    Verified::read_file(&bytes, anchor).expect("verified")
}

#[tokio::test]
async fn release_becomes_readable_bundle() {
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

    // Node files come first, then images, then mounted artifacts; layers state their unpacked size.
    let entries = verified.blobs().entries();
    assert_eq!(entries[3].sha256, release.artifacts[0].manifest.digest);
    assert_eq!(entries.last().expect("last").sha256, release.artifacts[1].files[0].blob.digest);
    let layers: Vec<_> = entries.iter().filter_map(|entry| entry.layer).collect();
    assert_eq!((layers.len(), layers[0].inodes, layers[0].unpacked_bytes), (8, 1, IMAGES[0].len() as u64));

    // The report shows the same sizes as a site's preflight.
    assert_eq!(report.site_room, DataRoom::of(entries, &release.requirements).into());
    let (staged, unpacked) = (entries.iter().map(|entry| entry.size), layers.iter().map(|layer| layer.unpacked_bytes));
    assert_eq!((report.site_room.bundle_bytes, report.site_room.unpacked_bytes), (staged.sum(), unpacked.sum()));

    // Each byte in the store is read once.
    assert_eq!(report.store_bytes.read_bytes, entries.iter().map(|entry| entry.size).sum::<u64>());
    let sheet = file_with_extension(&report, "html");
    let page = fs_err::read_to_string(bench.path("out").join(&sheet.name)).expect("page");
    assert!(page.contains(&report.fingerprint.to_string()) && page.contains(&report.files[0].sha256.to_hex()));
    assert!(page.contains("ghcr.io/small/database:1</td><td>MIT"), "{page}");
    assert!(!page.contains("For development only"));
}

#[tokio::test]
async fn gpu_pods_require_nvidia_tools() {
    let bench = Bench::new(false, false).await;
    bench.edit("release/release.yaml", "data: 10Gi}", "data: 10Gi, gpus: {count: 1, plugin: {}}}");
    bench.lock().await.expect("locked");
    let program = crate::executables::linked_program(
        "/lib64/ld-linux-x86-64.so.2",
        &["libc.so.6"],
        &["GLIBC_2.2.5", "GLIBC_2.34"],
    );
    bench.write("landfall-gpu", &program, 0o755);
    let refused = bench.build().await.expect_err("no tools");
    assert_eq!(refused.code(), codes::GPU_TOOLS_MISSING, "{refused}");
    assert!(refused.to_string().contains("has nvidia-ctk or nvidia-cdi-hook"), "{refused}");
}

#[tokio::test]
async fn gpu_release_packs_gpu_program() {
    let bench = Bench::new(false, false).await;
    bench.edit("release/release.yaml", "data: 10Gi}", "data: 10Gi, gpus: {count: 1}}");
    bench.lock().await.expect("locked");
    let refused = bench.build().await.expect_err("no program");
    assert_eq!(refused.code(), codes::TOOL_MISSING, "{refused}");
    bench.write("landfall-gpu", b"#!/bin/sh\n", 0o755);
    assert!(bench.refusal().await.contains("is not a program for Linux"));
    let linked = |version: &str| {
        crate::executables::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], &["GLIBC_2.2.5", version])
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
    let sheet =
        fs_err::read_to_string(bench.path("out").join(&file_with_extension(&report, "html").name)).expect("page");
    assert!(sheet.contains(&format!("{}</td><td>Apache-2.0", gpu.reference)), "{sheet}");
}

/// The database with its own volume.
fn with_claims() -> String {
    let claims = "  volumeClaimTemplates: \
        [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n  \
        selector:";
    let mounts = "volumeMounts: [{name: data, mountPath: /data}]\n          securityContext: {allow";
    OBJECTS.replacen("  selector:", claims, 1).replacen("securityContext: {allow", mounts, 1)
}

#[tokio::test]
async fn backup_rules_and_upgrades_are_packed() {
    let rule = "    data: migrated\n    backup:\n      - name: rows\n        workload: StatefulSet/database\n        \
                volume: data\n        save: [sh, -c, dump]\n        load: [/bin/sh, -c, fill]\n        \
                checks: [{shows: It answers, arguments: [ask]}]\n    secrets:";
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    bench.write("release/manifests/database/objects.yaml", with_claims().as_bytes(), 0o644);
    bench.edit("release/release.yaml", "    secrets:", rule);
    bench.edit("release/release.yaml", "counter: 7", "counter: 7\nsoakSeconds: 90\nupgrades: [{from: 1.2.2}]");
    // The image contains only a shell.
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

/// The lock with the node's artifact composed of files, which the server of the registry serves as well.
pub(crate) fn composed_lock(bench: &Bench, archive: &[u8]) -> String {
    composed_of(bench, b"the program kubelet", archive)
}

fn composed_of(bench: &Bench, kubelet: &[u8], archive: &[u8]) -> String {
    bench.registry.add_file("v1/kubelet", kubelet);
    bench.registry.add_file("v1/containerd-2.tar.gz", archive);
    // Under its own paths, the mirror for all hosts serves the files of the host `files`.
    let (kubelet, tools) = ("https://files/v1/kubelet", "https://files/v1/containerd-2.tar.gz");
    let entry = format!(
        "  - reference: {}\n    license: Apache-2.0\n    files:\n      - \
         {{url: '{kubelet}', digest: unresolved, size: unresolved, path: kubelet}}\n      - \
         {{url: '{tools}', digest: unresolved, size: unresolved, \
         members: {{bin/containerd: containerd, bin/ctr: ctr}}}}\n",
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

/// All content of a bundle, read as at a site: the release document, and the node's files by path.
fn read_as_a_site(bench: &Bench) -> (landfall_release_document::ReleaseDocument, Vec<(String, Vec<u8>)>) {
    use landfall_media::counters::Counters;
    use landfall_media::{Payload, bundle, verify};
    let located = bundle::locate(&bench.path("out")).expect("located");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = Verified::read(located.head().expect("head"), &anchor).expect("verified");
    let document = verified.small_document("documents/release.json").expect("release");
    let release = landfall_release_document::ReleaseDocument::read(document).expect("read");
    let media = located.assemble(Payload::from(verified), Counters::new()).expect("assembled");
    verify::verify(&media, "verifying", &SilentProgress).expect("whole");
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
