//! Malicious or broken upstreams, used through the program. Each fault has its own code, and leaves nothing in the
//! content store or the lock. A chart with a look-up is in `charts.rs`; a model whose archives differ from its
//! statements is in `model_archives.rs`.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_media::store::ContentStore;
use landfall_xtask::cache;
use landfall_xtask::vendor::{VENDOR_STORE, Vendor};
use landfall_xtask::workspace;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::outcome::Outcome;
use super::starter::{Starter, starter};
use landfall_test_registry::{Fault, Faults, Registry, digest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const FILE: &str = "application/octet-stream";
const REPOSITORY: &str = "hostile/thing";
const REFERENCE: &str = "hostile.example/hostile/thing:1";

/// End of a definition whose last component runs the image.
const COMPONENT: &str = "\n  - {name: hostile, from: ../../manifests/hostile, namespace: hostile}\n";

const POD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: hostile}\nspec:\n  selector: \
    {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n    spec:\n      securityContext: \
    {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n      containers:\n        - name: a\n          \
    image: hostile.example/hostile/thing\n          securityContext: \
    {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";

/// Credentials of the registry, which no other server may receive.
const SECRET: &str = "dmVuZG9yOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";

/// Use of the content in the release.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Image,
    /// As an artifact of this kind.
    Artifact(&'static str),
}

/// Content that an earlier run has left in the store, and that this run leaves there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    /// The store is empty, and stays empty.
    Empty,
    /// The store has the manifest and the configuration, and nothing more afterwards.
    Begun,
    /// The store has the manifest and the configuration. Afterwards, it also has the received bytes of the file, from
    /// which the next run continues.
    Continued,
}

/// Behavior of an upstream.
struct Hostile {
    what: &'static str,
    used: Use,
    content: Content,
    faults: fn(&mut Faults),
    /// Change that it makes once its content is pinned.
    then: fn(&Registry, &Content),
    command: &'static str,
    code: (i32, &'static str),
    store: Store,
}

/// Content that an upstream publishes: one file or layer.
struct Content {
    manifest: Vec<u8>,
    configuration: Vec<u8>,
    blob: Vec<u8>,
}

impl Content {
    fn new(configuration: &Value, blob: Vec<u8>, mut layer: Value) -> Self {
        let configuration = configuration.to_string().into_bytes();
        layer["digest"] = json!(digest(&blob));
        layer["size"] = json!(blob.len());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
            "config": { "mediaType": "application/x", "digest": digest(&configuration), "size": configuration.len() },
        });
        Self { manifest: manifest.to_string().into_bytes(), configuration, blob }
    }

    /// Creates an artifact of one file.
    fn file(name: &str, blob: Vec<u8>) -> Self {
        let annotations = json!({ "org.opencontainers.image.title": name });
        Self::new(&json!({ "of": "the tests" }), blob, json!({ "mediaType": FILE, "annotations": annotations }))
    }

    fn publish(&self, registry: &Registry) {
        registry.add_blob(&self.configuration);
        registry.add_blob(&self.blob);
        registry.add_manifest(REPOSITORY, "1", MANIFEST, &self.manifest);
    }

    /// Returns its entry in the lock.
    fn entry(&self) -> String {
        let (digest, size) = (digest(&self.manifest), self.manifest.len());
        format!(
            "  - \
             {{reference: '{REFERENCE}', resolved: '{REFERENCE}', license: MIT, \
             digest: {digest}, mediaType: {MANIFEST}, size: {size}}}\n"
        )
    }
}

fn large_file() -> Content {
    Content::file(
        "thing.bin",
        (0..500_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect(),
    )
}

/// Returns an image whose configuration states a layer that it does not have.
fn lying_image() -> Result<Content> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("file"), "of a layer")?;
    let layer = Outcome::success(Command::new("tar").args(["--create", "--file", "-", "file"]).current_dir(&folder))?;
    let configuration = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [digest(b"another layer")] },
    });
    Ok(Content::new(&configuration, layer.stdout, json!({ "mediaType": LAYER })))
}

/// Returns a wheel whose metadata belongs to a package with another name.
fn lying_wheel() -> Result<Content> {
    const PROGRAM: &str = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as wheel:\n    for name, text \
        in (('a.py', ''), ('a-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n'), \
        ('a-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: b\\nVersion: 1.0\\n'), ('a-1.0.dist-info/RECORD', \
        '')):\n        wheel.writestr(name, text)\n";
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("wheel");
    Outcome::success(Command::new("python3").args(["-c", PROGRAM]).arg(&path))?;
    Ok(Content::file("a-1.0-py3-none-any.whl", std::fs::read(&path)?))
}

/// Returns weights in which two tensors share bytes.
fn overlapping_tensors() -> Content {
    let tensor = |from: u32, to: u32| json!({ "dtype": "U8", "shape": [to - from], "data_offsets": [from, to] });
    let header = json!({ "a": tensor(0, 4), "b": tensor(2, 6) });
    let weights = [landfall_models::sample::with_length(header.to_string().as_bytes()), vec![7; 6]].concat();
    Content::file("model.safetensors", weights)
}

/// Returns as many faulty responses as a client could request.
fn always(fault: &Fault) -> Vec<Fault> {
    vec![fault.clone(); 20]
}

/// A vendor with a release that uses the content, a store with all other content, and the upstream.
struct Case {
    starter: &'static Starter,
    folder: tempfile::TempDir,
    vendor: Vendor,
    upstream: Registry,
    _runtime: Runtime,
}

impl Case {
    fn new(hostile: &Hostile) -> Result<Self> {
        let content = &hostile.content;
        let starter = starter()?;
        let folder = starter.scratch()?;
        let runtime = Runtime::new()?;
        let upstream = runtime.block_on(Registry::start(hostile.faults));
        content.publish(&upstream);
        let vendor = starter.vendor(folder.path(), starter.registry()?)?;
        let mirrors = std::fs::read_to_string(vendor.registries_file())?;
        let mirror = format!("{mirrors}  - {{host: hostile.example, endpoint: 'http://{}'}}\n", upstream.address());
        std::fs::write(vendor.registries_file(), mirror)?;
        // Hard links suffice, because blobs are never changed in place.
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--link"]).arg(cache::cache_root()?.join(VENDOR_STORE)).arg(vendor.store());
        Outcome::success(&mut copy)?;
        if hostile.store != Store::Empty {
            let store = ContentStore::at(vendor.store());
            store.ingest_bytes(&content.manifest)?;
            store.ingest_bytes(&content.configuration)?;
        }
        let case = Self { starter, folder, vendor, upstream, _runtime: runtime };
        case.write_release(hostile.used, content)?;
        Ok(case)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_release(&self, used: Use, content: &Content) -> Result<()> {
        std::fs::create_dir_all(self.path("releases/starter"))?;
        let manifests = workspace::root().join("manifests");
        Outcome::success(Command::new("cp").arg("--recursive").arg(manifests).arg(self.folder.path()))?;
        std::fs::create_dir(self.path("manifests/hostile"))?;
        std::fs::write(self.path("manifests/hostile/kustomization.yaml"), "resources: [pod.yaml]\n")?;
        std::fs::write(self.path("manifests/hostile/pod.yaml"), POD)?;
        std::fs::write(
            self.path("manifests/hostile/component.yaml"),
            "podSecurity: restricted\nwithout: {probes: a test, limits: a test, proofs: a test}\n",
        )?;
        let mut release = std::fs::read_to_string(workspace::root().join("releases/starter/release.yaml"))?;
        let mut lock = std::fs::read_to_string(self.starter.lock_file())?;
        let list = match used {
            Use::Image => {
                release = release.replacen("\ncomponents:\n", &format!("\ncomponents:{COMPONENT}"), 1);
                "\nimages:\n"
            }
            Use::Artifact(kind) => {
                let entry = format!("  - {{name: hostile, kind: {kind}, reference: hostile.example/hostile/thing}}\n");
                release = release.replacen("\nartifacts:\n", &format!("\nartifacts:\n{entry}"), 1);
                "\nartifacts:\n"
            }
        };
        ensure!(release.contains("hostile") && lock.matches(list).count() == 1, "the starter release has another form");
        lock = lock.replacen(list, &format!("{list}{}", content.entry()), 1);
        std::fs::write(self.path("releases/starter/release.yaml"), release)?;
        std::fs::write(self.vendor.lock_file(), lock)?;
        std::fs::create_dir(self.path("docker"))?;
        let auths = json!({ "auths": { self.upstream.address().to_string(): { "auth": SECRET } } });
        Ok(std::fs::write(self.path("docker/config.json"), auths.to_string())?)
    }

    fn run(&self, command: &str) -> Result<Outcome> {
        let release = self.path("releases/starter");
        let mut landfall = if command == "build" {
            self.starter.command(&self.vendor, &self.vendor.build_arguments(&release, &self.path("stick"), &[]))
        } else {
            let mut lock = self.starter.landfall_lock();
            lock.arg(release).arg("--check").arg("--lock").arg(self.vendor.lock_file());
            lock.arg("--registries").arg(self.vendor.registries_file()).arg("--store").arg(self.vendor.store());
            lock
        };
        Outcome::of(landfall.env("DOCKER_CONFIG", self.path("docker")))
    }
}

/// Returns the files of a store with their sizes, by their paths in it.
pub fn store_files(store: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(store)?.to_owned(), entry.metadata()?.len());
            }
        }
    }
    Ok(found)
}

fn check(hostile: &Hostile) -> Result<()> {
    let content = &hostile.content;
    let case = Case::new(hostile)?;
    (hostile.then)(&case.upstream, content);
    let (store, lock) = (store_files(case.vendor.store())?, std::fs::read(case.vendor.lock_file())?);
    let refused = case.run(hostile.command)?;
    assert_eq!((refused.code, refused.error()), (hostile.code.0, Some(hostile.code.1)), "{}", refused.stderr);
    assert_eq!(std::fs::read(case.vendor.lock_file())?, lock, "the lock");
    assert!(!case.path("stick").exists(), "nothing is written");
    let mut after = store_files(case.vendor.store())?;
    if hostile.store == Store::Continued {
        let partial = Path::new("landfall/partial").join(digest(&content.blob).to_hex());
        ensure!(after.remove(&partial).is_some_and(|bytes| bytes > 0), "nothing is left to continue");
    }
    assert_eq!(after, store, "the store");
    let sent = case.upstream.token_requests();
    assert!(sent.is_empty(), "{sent:?}");
    Ok(())
}

/// Returns an upstream whose only fault is broken responses for a file.
fn broken_upstream(what: &'static str, faults: fn(&mut Faults), code: (i32, &'static str), store: Store) -> Hostile {
    let used = Use::Artifact("files");
    Hostile { what, used, content: large_file(), faults, then: |_, _| (), command: "build", code, store }
}

/// Returns an upstream whose content differs from its statements.
fn lying(what: &'static str, used: Use, content: Content, code: &'static str) -> Hostile {
    let (code, store) = ((2, code), Store::Empty);
    Hostile { what, used, content, faults: |_| (), then: |_, _| (), command: "build", code, store }
}

fn hostile_upstreams() -> Result<Vec<Hostile>> {
    let moved = Hostile {
        then: |registry, content| {
            let other = [content.manifest.as_slice(), b"\n"].concat();
            registry.add_manifest(REPOSITORY, "1", MANIFEST, &other);
        },
        command: "check",
        ..broken_upstream("moves a tag", |_| (), (4, "LF2019"), Store::Empty)
    };
    let other_bytes = Hostile {
        then: |registry, content| {
            let other = content.blob.iter().rev().copied().collect::<Vec<_>>();
            registry.add_blob_as(digest(&content.blob), &other);
        },
        ..broken_upstream("has other bytes under a digest", |_| (), (2, "LF1210"), Store::Begun)
    };
    Ok(vec![
        moved,
        other_bytes,
        broken_upstream(
            "sends a body without an end",
            |faults| faults.on_blobs(always(&Fault::Endless)),
            (2, "LF2114"),
            Store::Begun,
        ),
        broken_upstream(
            "leads to plain HTTP",
            |faults| faults.on_manifests(always(&Fault::Redirect("http://192.0.2.1/v2/".to_owned()))),
            (2, "LF2106"),
            Store::Empty,
        ),
        broken_upstream(
            "names another server for its tokens",
            |faults| faults.ask_for_token("https://192.0.2.1/token"),
            (2, "LF2160"),
            Store::Empty,
        ),
        broken_upstream(
            "limits every request",
            |faults| faults.on_manifests(always(&Fault::Wait(429, "21600"))),
            (5, "LF2130"),
            Store::Empty,
        ),
        broken_upstream(
            "sends half of a range",
            |faults| faults.on_blobs([Fault::DropAfter(700_000), Fault::HalfRange]),
            (2, "LF2109"),
            Store::Continued,
        ),
        lying("has a layer that is not the stated one", Use::Image, lying_image()?, "LF2117"),
        lying("has a wheel of another package", Use::Artifact("wheels"), lying_wheel()?, "LF2064"),
        lying("has tensors that overlap", Use::Artifact("model"), overlapping_tensors(), "LF2071"),
    ])
}

#[test]
#[ignore = "needs cargo xtask test"]
fn upstream_faults_have_distinct_codes() -> Result<()> {
    let all = hostile_upstreams()?;
    for hostile in &all {
        check(hostile).with_context(|| format!("an upstream that {}", hostile.what))?;
    }
    let mut codes: Vec<_> = all.iter().map(|hostile| hostile.code.1).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    Ok(())
}

/// Waits three times as long as a server may stall.
#[test]
#[ignore = "needs cargo xtask test"]
fn stalled_body_resumes_in_next_run() -> Result<()> {
    let stall = |faults: &mut Faults| faults.on_blobs(always(&Fault::StallAfter(1000)));
    check(&broken_upstream("stalls", stall, (5, "LF2115"), Store::Continued))
}
