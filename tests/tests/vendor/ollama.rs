//! Ollama itself at both ends. It writes a store, which becomes an artifact of a bundle byte for byte. It also reads
//! the store that a site creates from the artifact, mounted read-only as in a pod.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landfall_bundle_spec::Verified;
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_engine::step::Step;
use landfall_host::command::Subprocesses;
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_lifecycle::context::{Site, UndoScope};
use landfall_lifecycle::steps::artifact_files::ArtifactFiles;
use landfall_lifecycle::steps::stage::Stage;
use landfall_media::counters::IoCounters;
use landfall_media::progress::SilentProgress;
use landfall_models::sample::{GgufValue, gguf};
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument};
use landfall_site::content::PlacedFile;
use landfall_site::place::{HostAccess, Medium, Releases, SiteRelease};
use landfall_test_support::definition as notation;
use landfall_xtask::images;
use landfall_xtask::vendor::Vendor;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::examples::lock_with;
use super::found_images::definition;
use super::outcome::Outcome;
use super::starter::{Starter, starter};

/// Time limit until Ollama listens.
const PATIENCE: Duration = Duration::from_mins(1);

/// Script that mounts a store over itself with these options, and executes Ollama.
const SERVE: &str = r#"mount --bind "$1" "$1"; mount -o "remount,bind,$2" "$1"; exec "$3" serve"#;

/// Name of the model, and the parameters of its weights.
const MODEL: &str = "tiny:1b";
const PARAMETERS: u64 = 64 * 2 + 64;

const MODELFILE: &str = "FROM ./tiny.gguf
TEMPLATE \"{{ .Prompt }} and so on\"
PARAMETER temperature 0.25
SYSTEM You are tiny.
LICENSE MIT License
";

const COMPONENTS: &str = "  - {name: models, kind: model, reference: example.internal/models}
components:
  - \
    {name: reader, manifests: reader, namespace: reader, podSecurity: baseline, \
    mounts: [{artifact: models, claim: models}], \
    without: {probes: a test, limits: a test, proofs: a test}}
";

/// A pod that mounts the store. Its image is not Ollama's, which is not an assembled image.
const POD: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: reader}
spec:
  selector: {matchLabels: {app: reader}}
  template:
    metadata: {labels: {app: reader}}
    spec:
      containers:
        - name: reader
          image: docker.io/library/busybox
          volumeMounts: [{name: models, mountPath: /models, readOnly: true}]
      volumes: [{name: models, persistentVolumeClaim: {claimName: models, readOnly: true}}]
";

/// A running `ollama serve`. It ends when this value is dropped, and with the thread that started it.
struct Ollama {
    program: PathBuf,
    home: PathBuf,
    child: Child,
    address: String,
}

impl Ollama {
    /// Serves the models of a store, which is mounted with this option: `rw` or `ro`.
    fn serve(store: &Path, option: &str, home: &Path) -> Result<Self> {
        let program = images::ensure_ollama()?;
        std::fs::create_dir(home).with_context(|| format!("cannot create {}", home.display()))?;
        let log = home.join("log");
        let output = File::create(&log)?;
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            SERVE,
            "sh",
        ]);
        command.arg(store).arg(option).arg(&program).env("HOME", home).env("OLLAMA_MODELS", store);
        command.env("OLLAMA_HOST", "127.0.0.1:0").env("OLLAMA_NO_CLOUD", "1").env("GIN_MODE", "release");
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        let child = child.context("cannot start ollama")?;
        let mut ollama = Self { program, home: home.to_owned(), child, address: String::new() };
        ollama.address = ollama.listening_address(&log)?;
        Ok(ollama)
    }

    fn listening_address(&mut self, log: &Path) -> Result<String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let said = std::fs::read_to_string(log)?;
            if let Some((_, rest)) = said.split_once("Listening on ")
                && let Some((address, _)) = rest.split_once(' ')
            {
                return Ok(address.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ollama ended with {status}:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("ollama did not listen within {} s:\n{}", PATIENCE.as_secs(), std::fs::read_to_string(log)?)
    }

    /// Returns the response to a request, with this body if there is one.
    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        if let Some(body) = body {
            curl.args(["--json", &body.to_string()]);
        }
        Outcome::success(curl.arg(format!("http://{}/api/{path}", self.address)))?.value()
    }

    /// Returns the only listed model, and its details.
    fn model(&self) -> Result<(Value, Value)> {
        let listed = self.ask("tags", None)?;
        let [model] = listed["models"].as_array().context("no models")?.as_slice() else { bail!("it lists {listed}") };
        Ok((model.clone(), self.ask("show", Some(&json!({ "model": MODEL })))?))
    }

    fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        Outcome::of(command.args(arguments).env("OLLAMA_HOST", &self.address).env("HOME", &self.home))
    }
}

impl Drop for Ollama {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the weights of a very small model.
fn weights() -> Result<Vec<u8>> {
    let text = |text: &str| GgufValue::Text(text.to_owned());
    let metadata = [
        ("general.architecture", text("llama")),
        ("general.file_type", GgufValue::U32(0)),
        ("llama.block_count", GgufValue::U32(1)),
        ("llama.context_length", GgufValue::U32(2048)),
        ("llama.embedding_length", GgufValue::U32(64)),
        ("llama.attention.head_count", GgufValue::U32(4)),
        ("tokenizer.ggml.model", text("llama")),
        ("tokenizer.ggml.tokens", GgufValue::Texts(vec!["a".to_owned(), "b".to_owned()])),
    ];
    let tensors: [(&str, u32, &[u64], u64); 2] =
        [("token_embd.weight", 0, &[64, 2], 512), ("output_norm.weight", 0, &[64], 256)];
    let (mut bytes, size) = gguf(&metadata, &tensors);
    bytes.resize(usize::try_from(size)?, 7);
    Ok(bytes)
}

/// Creates the model in Ollama from weights and a Modelfile. Returns Ollama's description of it.
fn create(folder: &Path, store: &Path) -> Result<(Value, Value)> {
    std::fs::create_dir(store)?;
    std::fs::write(folder.join("tiny.gguf"), weights()?)?;
    std::fs::write(folder.join("Modelfile"), MODELFILE)?;
    let ollama = Ollama::serve(store, "rw", &folder.join("home"))?;
    let modelfile = folder.join("Modelfile").display().to_string();
    let created = ollama.run(&["create", MODEL, "--file", &modelfile])?;
    ensure!(created.code == 0, "ollama create failed:\n{}", created.stderr);
    ollama.model()
}

fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
}

/// Returns the digest of each file below a folder.
fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let found = Outcome::success(Command::new("find").arg(folder).args(["-type", "f", "-printf", "%P\n"]))?;
    found.text()?.lines().map(|path| Ok((path.to_owned(), digest(&folder.join(path))?))).collect()
}

/// Locks the store and builds a release with it. Returns the folder of the bundle.
fn pack(starter: &Starter, vendor: &Vendor, folder: &Path) -> Result<PathBuf> {
    let (release, stick) = (folder.join("release"), folder.join("stick"));
    std::fs::create_dir_all(release.join("reader"))?;
    notation::write(&release, &definition("models", "1.0.0", COMPONENTS)?);
    std::fs::write(release.join("reader/kustomization.yaml"), "resources: [reader.yaml]\n")?;
    std::fs::write(release.join("reader/reader.yaml"), POD)?;
    let entry = format!(
        "  - reference: example.internal/models:1\n    folder:\n      path: ollama\n      ollama: ['{MODEL}']\n      \
         pinned: unresolved\n"
    );
    std::fs::write(vendor.lock_file(), lock_with("", &entry)?)?;
    let mut command = starter.landfall_lock();
    command.arg(&release).arg("--lock").arg(vendor.lock_file()).arg("--registries").arg(vendor.registries_file());
    Outcome::success(command.arg("--store").arg(vendor.store()))?;
    let arguments = vendor.build_arguments(&release, &stick, &[]);
    Outcome::success(&mut starter.command(vendor, &arguments))?;
    Ok(stick)
}

/// Returns the head of the bundle in a folder.
fn head(stick: &Path) -> Result<PathBuf> {
    let entries = stick.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "head")).context("no head")
}

/// Returns a host below this folder, with the bundle of this stick.
fn site(root: &Path, stick: &Path, anchor: &Path) -> Result<Site> {
    let anchor = TrustAnchor::Root(std::fs::read(anchor)?);
    let verified = Verified::read(BufReader::new(File::open(head(stick)?)?), &anchor)?;
    let release = verified.small_document(RELEASE_DOCUMENT_NAME).context("the head has no release")?;
    let paths = SitePaths::below(root);
    std::fs::create_dir_all(paths.data())?;
    let node = NodeIdentity { name: "node-1".to_owned(), address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let host = HostAccess { paths, node, commands: Arc::new(Subprocesses) };
    let own = SiteRelease {
        bundle: verified.id().to_string().trim_start_matches("sha256:")[..12].to_owned(),
        release: Arc::new(ReleaseDocument::read(release)?),
        documents: Arc::default(),
        payload: verified.into(),
    };
    let medium = Medium { path: stick.to_owned(), io: IoCounters::default() };
    let releases = Releases { own, kept: Vec::new() };
    Ok(Site::on_host(host, releases, medium, Arc::new(SilentProgress), UndoScope::STEP))
}

/// Runs the steps of an install that create the folder that pods mount. Returns the folder.
fn place_folder(mut site: Site) -> Result<PathBuf> {
    let release = Arc::clone(&site.releases.own.release);
    let artifact = release.artifacts.iter().find(|artifact| artifact.name == "models").context("no models")?;
    let files = artifact.files.iter().map(|file| PlacedFile {
        path: file.path.clone(),
        blob: file.blob.digest,
        size: file.blob.size,
        links: Vec::new(),
    });
    let files = ArtifactFiles { artifact: artifact.name.clone(), files: files.collect(), executable: false };
    Stage {}.act(&mut site, &Value::Null)?;
    files.act(&mut site, &Value::Null)?;
    Ok(site.content.files().join(&artifact.name))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn ollama_reads_what_a_site_makes_of_the_store_that_it_wrote() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let store = folder.path().join("ollama");
    let (listed, shown) = create(folder.path(), &store)?;
    let written = files(&store)?;

    let stick = pack(starter, &vendor, folder.path())?;
    let fit = Outcome::success(starter.landfall(&["models", "fit", "--json"]).arg(&stick))?.json()?;
    assert_eq!(fit["models"][0]["weightsBytes"], json!(PARAMETERS * 4), "{fit}");
    let root = folder.path().join("site");
    let mounted = place_folder(site(&root, &stick, &vendor.keys().join("1.root.json"))?)?;
    assert_eq!(files(&mounted)?, written);

    // Ollama identifies the model by its manifest's digest, and shows everything in the Modelfile.
    let ollama = Ollama::serve(&mounted, "ro", &folder.path().join("home-of-pod"))?;
    let (found, details) = ollama.model()?;
    let manifest = &written["manifests/registry.ollama.ai/library/tiny/1b"];
    assert_eq!(
        (&found["name"], format!("sha256:{}", found["digest"].as_str().unwrap_or(""))),
        (&json!(MODEL), manifest.clone())
    );
    for field in ["name", "digest", "size", "details"] {
        assert_eq!(found[field], listed[field], "{field}");
    }
    assert_eq!(details["model_info"]["general.parameter_count"], json!(PARAMETERS));
    for (field, expected) in
        [("template", "{{ .Prompt }} and so on"), ("system", "You are tiny."), ("license", "MIT License")]
    {
        assert_eq!(details[field], json!(expected), "{field}");
    }
    ensure!(details["parameters"].as_str().is_some_and(|text| text.ends_with(" 0.25")), "{}", details["parameters"]);
    for field in ["parameters", "model_info", "tensors", "capabilities"] {
        assert_eq!(details[field], shown[field], "{field}");
    }
    let weights = digest(&folder.path().join("tiny.gguf"))?.replace(':', "-");
    let from = format!("\nFROM {}/blobs/{weights}\n", mounted.display());
    ensure!(details["modelfile"].as_str().is_some_and(|text| text.contains(&from)), "{}", details["modelfile"]);
    // The manifest contains the path of the vendor's store, as docs/vendor/artifacts.md says.
    assert_eq!(details["details"]["parent_model"], json!(format!("{}/blobs/{weights}", store.display())));

    // The store cannot be changed, and was not.
    let removed = ollama.run(&["rm", MODEL])?;
    ensure!(removed.code != 0 && removed.stderr.contains("read-only file system"), "{}", removed.stderr);
    drop(ollama);
    assert_eq!(files(&mounted)?, written);
    Ok(())
}
