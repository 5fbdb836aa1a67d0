//! Resolves models in a local Ollama store: their manifests and all blobs that these name, under the paths of the
//! store.
//!
//! The artifact is therefore itself a store, which Ollama reads where it is mounted. A blob is named after its digest:
//! a blob with other content is damaged, and is refused before anything is pinned.

use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::store::{ContentStore, ExpectedBlob};
use landfall_models::ollama::{MANIFEST_BYTES, OllamaBlob, OllamaManifest, OllamaName};

use super::folder_files::Change;
use super::resolve::Resolver;
use crate::error::{BuildError, Result};
use crate::fetch::read_local;
use crate::lock::folder::FolderPinned;
use crate::lock::pinned::PinnedFile;

/// Number of blobs that are read in parallel.
const PARALLEL: usize = 2;

/// Maximum size of a license text in bytes, and maximum length of the line that names the license.
const LICENSE_BYTES: u64 = 64 << 10;
const LICENSE_NAME_BYTES: usize = 128;

/// Content of a store for some models: files by path, and which of them are licenses.
#[derive(Debug, Default)]
pub(super) struct OllamaContent {
    /// Files, sorted by path.
    pub files: Vec<PinnedFile>,
    licenses: Vec<Sha256>,
}

/// Reads the manifests of models, and checks that their blobs exist, without reading them.
pub(super) fn read_models(store: &Path, models: &[OllamaName]) -> Result<OllamaContent> {
    let mut found = OllamaContent::default();
    for name in models {
        let path = name.path();
        let (file, manifest) = manifest(store, name, path)?;
        found.files.push(file);
        for blob in manifest.blobs() {
            found.licenses.extend(blob.is_license().then_some(blob.digest));
            found.files.push(looked_at(store, blob)?);
        }
    }
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    // Models share blobs, such as licenses.
    found.files.dedup_by(|one, other| one.path == other.path);
    Ok(found)
}

impl Resolver<'_> {
    /// Reads the files of a store into the content store.
    pub(super) async fn ollama(self, store: &Path, found: &OllamaContent, resolved: String) -> Result<FolderPinned> {
        let files = stream::iter(&found.files).map(|file| self.blob(store, file)).buffered(PARALLEL);
        let files = files.try_collect().await?;
        Ok(FolderPinned { resolved, license: found.license(self.store), files })
    }

    async fn blob(self, store: &Path, file: &PinnedFile) -> Result<PinnedFile> {
        let path = store.join(&file.path);
        let expected = ExpectedBlob { digest: file.digest, size: file.size };
        let read = read_local(&path, Some(expected), self.store).await;
        read.map_err(|error| match error.code() {
            codes::FETCH_MISMATCH => unfit(&path, &format!("is damaged: its bytes are not {}", file.digest)),
            _ => error,
        })?;
        Ok(file.clone())
    }
}

impl OllamaContent {
    /// The first model that differs from its pin. A manifest names its blobs by digest, so comparing manifests
    /// suffices.
    pub(super) fn first_change(&self, pinned: &FolderPinned, models: &[OllamaName]) -> Option<Change> {
        let manifest = |files: &[PinnedFile], name: &OllamaName| {
            let path = name.path();
            let found = files.iter().find(|file| file.path == path).map(|file| file.digest);
            found.map_or_else(|| format!("no `{name}`"), |digest| format!("`{name}` with the manifest {digest}"))
        };
        let mut both = models.iter().map(|name| (manifest(&pinned.files, name), manifest(&self.files, name)));
        both.find(|(pinned, now)| pinned != now)
    }

    /// Names of the models' licenses, from the first lines of their texts. These must be in the content store.
    fn license(&self, store: &ContentStore) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        for digest in &self.licenses {
            names.extend(license_name(&beginning(&store.path(*digest))?).filter(|name| !names.contains(name)));
        }
        (!names.is_empty()).then(|| names.join(", ")).filter(|names| names.len() <= LICENSE_NAME_BYTES * 2)
    }
}

/// First non-empty line of a license, if it is short enough for a name.
fn license_name(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let is_name = line.len() <= LICENSE_NAME_BYTES && !line.chars().any(char::is_control);
    is_name.then(|| line.to_owned())
}

fn beginning(path: &Path) -> Option<String> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    fs_err::File::open(path).ok()?.take(LICENSE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn unfit(path: &Path, what: &str) -> BuildError {
    BuildError::new(codes::OLLAMA_STORE, format!("{} {what}", path.display()))
}

/// The manifest of a model. Returns an error if it has no weights.
fn manifest(store: &Path, name: &OllamaName, path: String) -> Result<(PinnedFile, OllamaManifest)> {
    let full = store.join(&path);
    let size = size(&full).map_err(|error| error.hint(format!("Run `ollama pull {name}` with this store.")))?;
    if size > MANIFEST_BYTES {
        return Err(unfit(&full, &format!("has {size} bytes, and a manifest has at most {MANIFEST_BYTES}")));
    }
    let bytes = fs_err::read(&full).map_err(|error| unfit(&full, "cannot be read").because(error))?;
    let manifest = OllamaManifest::read(&bytes).map_err(|what| unfit(&full, &what))?;
    if !manifest.blobs().iter().any(OllamaBlob::is_weights) {
        let what = format!("names no GGUF file: `{name}` runs elsewhere, or its weights have another form");
        return Err(unfit(&full, &what));
    }
    Ok((PinnedFile { path, digest: Sha256::of(&bytes), size: bytes.len() as u64 }, manifest))
}

/// A blob as its manifest states it. Returns an error if it is missing or has another size.
fn looked_at(store: &Path, blob: &OllamaBlob) -> Result<PinnedFile> {
    let OllamaBlob { digest, size: stated, .. } = blob;
    let path = blob.path();
    let full = store.join(&path);
    let found = size(&full)?;
    if found != *stated {
        return Err(unfit(&full, &format!("is damaged: it has {found} bytes, and the manifest states {stated}")));
    }
    Ok(PinnedFile { path, digest: *digest, size: *stated })
}

/// Size of a file. Returns an error for anything that is not a regular file.
fn size(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata().map_err(|error| unfit(path, "is missing").because(error))?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err(unfit(path, "is not a file")) }
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;
    use landfall_media::progress::SilentProgress;
    use landfall_models::sample::gguf;

    use super::*;
    use crate::fetch::{Client, DockerConfiguration, Registries, Retry, fetch, fetch_manifests};
    use crate::lock::{List, Lock};
    use crate::resolution::{Resolution, resolve};
    use landfall_test_registry::digest;

    const LOCK: &str = "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
        shop.example/chat:1\n    folder:\n      path: models\n      ollama: ['tiny:1b', team/other]\n      pinned: \
        unresolved\n";

    const LICENSE: &[u8] = b"\n   MIT License\n\nPermission is hereby granted\n";

    /// A store with two models that share a license.
    struct Bench(tempfile::TempDir);

    fn weights(bytes: u64) -> Vec<u8> {
        let (mut header, size) = gguf(&[], &[("a", 24, &[bytes], bytes)]);
        header.resize(usize::try_from(size).expect("small"), 7);
        header
    }

    impl Bench {
        fn new() -> Self {
            let bench = Self(tempfile::tempdir().expect("folder"));
            bench.add(
                "manifests/registry.ollama.ai/library/tiny/1b",
                &[("model", &weights(64)), ("template", b"{{ .Prompt }}"), ("license", LICENSE)],
            );
            bench.add(
                "manifests/registry.ollama.ai/team/other/latest",
                &[("model", &weights(32)), ("license", LICENSE)],
            );
            bench.add("manifests/registry.ollama.ai/library/unused/latest", &[("model", &weights(96))]);
            bench.add("manifests/registry.ollama.ai/library/remote/latest", &[("license", LICENSE)]);
            bench
        }

        fn add(&self, manifest: &str, layers: &[(&str, &[u8])]) {
            let blob = |kind: &str, bytes: &[u8]| {
                self.write(&format!("models/blobs/sha256-{}", digest(bytes).to_hex()), bytes);
                let kind = format!("application/vnd.ollama.image.{kind}");
                serde_json::json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
            };
            let layers: Vec<_> = layers.iter().map(|(kind, bytes)| blob(kind, bytes)).collect();
            let text = serde_json::json!({ "schemaVersion": 2, "config": blob("config", b"{}"), "layers": layers });
            self.write(&format!("models/{manifest}"), text.to_string().as_bytes());
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.0.path().join(name);
            durable::create_folder(path.parent().expect("folder")).expect("folder");
            durable::write_file(&path, bytes, 0o644).expect("file");
        }

        fn blob(bytes: &[u8]) -> String {
            format!("models/blobs/sha256-{}", digest(bytes).to_hex())
        }

        fn lock(&self, text: &str) -> Lock {
            Lock::parse(&self.0.path().join("images.lock"), text.to_owned()).expect("lock")
        }

        fn store(&self) -> ContentStore {
            ContentStore::at(self.0.path().join("store"))
        }

        async fn run_resolution(&self, text: &str) -> Resolution {
            let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
            resolve(&self.lock(text), &[], &client, &self.store(), &SilentProgress).await
        }

        async fn refusal(&self, text: &str) -> String {
            let resolution = self.run_resolution(text).await;
            let error = resolution.failures.first().expect("refused");
            assert_eq!(error.code().id, "LF2154", "{error}");
            assert!(resolution.text.contains("pinned: unresolved"));
            error.to_string()
        }
    }

    #[tokio::test]
    async fn ollama_models_become_store() {
        let bench = Bench::new();
        let resolution = bench.run_resolution(LOCK).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        let text = resolution.text;
        assert!(text.contains("        resolved: 'models ollama tiny:1b ollama team/other:latest'\n"), "{text}");
        assert!(text.contains("        license: 'MIT License'\n"), "{text}");
        for bytes in [&weights(64)[..], &weights(32), b"{{ .Prompt }}", LICENSE, b"{}"] {
            let path = Bench::blob(bytes).replace("models/", "");
            assert_eq!(text.matches(&format!("path: '{path}', digest: '{}'", digest(bytes))).count(), 1, "{text}");
        }
        assert!(!text.contains(&digest(&weights(96)).to_hex()), "an unnamed model keeps its place");
        let again = bench.run_resolution(&text).await;
        assert_eq!((again.resolved, again.moved.len(), again.text.as_str()), (0, 0, text.as_str()));

        // Composes the artifact of a model: weights, license texts, and other files.
        let lock = bench.lock(&text);
        let mut pin = lock.artifact_pin(&lock.list(List::Artifacts)[0]).expect("pinned");
        if let crate::pins::ArtifactPin::Files(files) = &mut pin {
            files.form = crate::pins::Form::Model;
            assert_eq!(files.license.as_deref(), Some("MIT License"));
        }
        let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
        let pins = [pin];
        let manifests = fetch_manifests(&client, &bench.store(), &[], &pins, &SilentProgress).await.expect("manifests");
        let fetched =
            fetch(&client, &bench.store(), "linux/amd64", &manifests, &SilentProgress).await.expect("fetched");
        let kinds: Vec<_> =
            fetched.artifacts[0].manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
        let count = |wanted: &str| kinds.iter().filter(|kind| kind.contains(wanted)).count();
        assert_eq!((count(".weight.v1"), count(".doc.v1"), count(".weight.config.v1")), (2, 1, 4), "{kinds:?}");
    }

    #[tokio::test]
    async fn repulled_model_is_reported() {
        let bench = Bench::new();
        let text = bench.run_resolution(LOCK).await.text;
        bench.add("manifests/registry.ollama.ai/team/other/latest", &[("model", &weights(128))]);
        let moved = bench.run_resolution(&text).await.moved;
        assert!(moved[0].pinned.starts_with("`team/other:latest` with the manifest sha256:"), "{:?}", moved[0]);
        assert_ne!(moved[0].pinned, moved[0].now);
    }

    #[tokio::test]
    async fn damaged_store_is_refused() {
        let bench = Bench::new();
        let blob = Bench::blob(&weights(64));
        let mut other = weights(64);
        *other.last_mut().expect("bytes") = 8;
        bench.write(&blob, &other);
        let refused = bench.refusal(LOCK).await;
        assert!(refused.contains(&blob) && refused.contains("is damaged: its bytes are not sha256:"), "{refused}");
        assert!(!bench.store().contains(digest(&other)), "nothing of it is kept");
        bench.write(&blob, b"short");
        let refused = bench.refusal(LOCK).await;
        assert!(refused.contains(&blob) && refused.contains("it has 5 bytes, and the manifest states"), "{refused}");
        std::fs::remove_file(bench.0.path().join(&blob)).expect("removed");
        assert!(bench.refusal(LOCK).await.contains("is missing"));

        let named = |model: &str| LOCK.replace("'tiny:1b', team/other", model);
        assert!(bench.refusal(&named("none")).await.contains("library/none/latest is missing"));
        assert!(bench.refusal(&named("remote")).await.contains("names no GGUF file: `remote:latest` runs elsewhere"));
        bench.write("models/manifests/registry.ollama.ai/library/unused/latest", b"{}");
        assert!(bench.refusal(&named("unused")).await.contains("is no manifest"));
        let link = bench.0.path().join("models/manifests/registry.ollama.ai/library/linked");
        std::fs::create_dir(&link).expect("folder");
        std::os::unix::fs::symlink("/etc/passwd", link.join("latest")).expect("link");
        assert!(bench.refusal(&named("linked")).await.contains("is not a file"));
    }

    #[test]
    fn models_exclude_patterns() {
        let refused = |from: &str, to: &str| {
            let lock = Lock::parse(Path::new("images.lock"), LOCK.replace(from, to));
            lock.map(|_| ()).expect_err("refused").to_string()
        };
        assert!(refused("team/other]", "../x]").contains("is not the name of a model of Ollama"));
        let both = refused("      pinned", "      include: ['*']\n      pinned");
        assert!(both.contains("names models of Ollama, and patterns"), "{both}");
    }
}
