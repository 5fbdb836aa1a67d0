//! Resolves local folders: lists their files with sizes, and reads each into the store for its SHA-256.
//!
//! A folder belongs to the vendor, but may contain files that the vendor did not mean to ship. Therefore links that
//! lead out of it are refused rather than followed.

use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_error_codes::codes;
use landfall_models::{POINTER_BYTES, is_pointer};

use super::ollama_files;
use super::resolve::{MovedPin, Outcome, Resolver};
use crate::error::{BuildError, Place, Result};
use crate::fetch::read_local;
use crate::lock::LockEntry;
use crate::lock::folder::{FolderFields, FolderPinned};
use crate::lock::pinned::PinnedFile;
use crate::paths::is_plain_path;
use crate::patterns::not_taken;
use crate::pointers::pointer;

/// Number of files in one folder that are read in parallel.
const PARALLEL: usize = 2;

/// Maximum depth of subfolders, and maximum number of files and folders that are listed.
const DEPTH: usize = 32;
const ENTRIES: usize = 10_000;

/// A file of a folder: relative path, and size in bytes.
type FolderFile = (String, u64);

impl Resolver<'_> {
    /// Lists the files and pins them.
    pub(super) async fn folder(self, entry: &LockEntry, fields: &FolderFields) -> Result<Outcome> {
        let folder = self.lock.resolve_path(&fields.path);
        let found = if fields.ollama.is_empty() {
            let listed = list_files(&folder)?;
            let taken = select_files(fields, &folder, &listed)?;
            if let Some(outcome) = pin_outcome(fields, &folder, |pinned| first_change(pinned, &taken)) {
                return Ok(outcome);
            }
            let files = stream::iter(taken).map(|file| self.local(&folder, file)).buffered(PARALLEL);
            FolderPinned { resolved: fields.source(), license: None, files: files.try_collect().await? }
        } else {
            let stored = ollama_files::read_models(&folder, &fields.ollama)?;
            if let Some(outcome) = pin_outcome(fields, &folder, |pinned| stored.first_change(pinned, &fields.ollama)) {
                return Ok(outcome);
            }
            self.ollama(&folder, &stored, fields.source()).await?
        };
        self.replacement_outcome([fields.replacement(self.lock, &found)], &entry.reference.value)
    }

    /// Reads a file into the store.
    async fn local(self, folder: &Path, (path, _): &FolderFile) -> Result<PinnedFile> {
        let sums = read_local(&folder.join(path), None, self.store).await?;
        if sums.size < POINTER_BYTES && is_pointer(&self.store.read(sums.sha256, POINTER_BYTES)?) {
            let hint = format!(
                "Run `git lfs install` and `git lfs pull` in {}, then `landfall lock` again.",
                folder.display()
            );
            return Err(pointer(Place::default(), &folder.join(path).display().to_string()).hint(hint));
        }
        Ok(PinnedFile { path: path.clone(), digest: sums.sha256, size: sums.size })
    }
}

/// A difference: the pinned state, and the current one.
pub(super) type Change = (String, String);

/// Outcome for a folder with fresh pins; `None` if its files must be pinned.
fn pin_outcome(
    fields: &FolderFields,
    folder: &Path,
    changed: impl FnOnce(&FolderPinned) -> Option<Change>,
) -> Option<Outcome> {
    let pinned = fields.pinned.as_ref().filter(|_| fields.is_confirmed())?;
    let reference = folder.display().to_string();
    let moved = |(pinned, now)| Outcome::Moved(MovedPin { reference, pinned, now });
    Some(changed(pinned).map_or(Outcome::Holds, moved))
}

fn unfit(path: &Path, what: &str) -> BuildError {
    BuildError::new(codes::FOLDER_UNFIT, format!("{} {what}", path.display()))
}

/// Files below a folder, sorted by path.
fn list_files(folder: &Path) -> Result<Vec<FolderFile>> {
    let (mut files, mut left) = (Vec::new(), ENTRIES);
    list(folder, "", DEPTH, &mut left, &mut files)?;
    files.sort();
    Ok(files)
}

fn list(folder: &Path, prefix: &str, depth: usize, left: &mut usize, files: &mut Vec<FolderFile>) -> Result<()> {
    let unread = |error: std::io::Error| unfit(folder, "cannot be listed").because(error);
    for entry in fs_err::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        *left =
            left.checked_sub(1).ok_or_else(|| unfit(folder, &format!("has more than {ENTRIES} files and folders")))?;
        let metadata = path.symlink_metadata().map_err(|error| unfit(&path, "cannot be looked at").because(error))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.map(|name| format!("{prefix}{name}")).filter(|name| is_plain_path(name));
        let name = name.ok_or_else(|| unfit(folder, "holds a name that no file of an artifact may have"))?;
        match metadata.file_type() {
            kind if kind.is_dir() && depth == 0 => return Err(unfit(&path, "is too deep below the folder")),
            kind if kind.is_dir() => list(&path, &format!("{name}/"), depth - 1, left, files)?,
            kind if kind.is_file() => files.push((name, metadata.len())),
            kind if kind.is_symlink() => return Err(unfit(&path, "is a link")),
            _ => return Err(unfit(&path, "is neither a file nor a folder")),
        }
    }
    Ok(())
}

/// Selected files: at least one, and at least one for each pattern.
fn select_files<'a>(fields: &FolderFields, folder: &Path, listed: &'a [FolderFile]) -> Result<Vec<&'a FolderFile>> {
    let taken: Vec<_> = listed.iter().filter(|(path, _)| fields.patterns.takes(path)).collect();
    let paths: Vec<_> = listed.iter().map(|(path, _)| path.as_str()).collect();
    let folder = folder.display();
    let what = match fields.patterns.idle(&paths).first() {
        Some(pattern) => format!("no file of {folder} fits the pattern `{pattern}`"),
        None if taken.is_empty() => format!("there is no file to take in {folder}"),
        None => return Ok(taken),
    };
    Err(not_taken(&what, paths.iter(), "no files").hint("Correct `path`, `include` and `exclude` of the lock's entry."))
}

/// The first file whose size changed, or that is missing or new: pinned and current state.
fn first_change(pinned: &FolderPinned, taken: &[&FolderFile]) -> Option<Change> {
    let described = |path: &str, size: u64| format!("`{path}` of {size} bytes");
    let changed = pinned.files.iter().find_map(|PinnedFile { path, size, .. }| {
        let now = taken.iter().copied().find(|(other, _)| other == path);
        let now = match now {
            Some((_, now)) if now == size => return None,
            Some((_, now)) => described(path, *now),
            None => format!("no `{path}`"),
        };
        Some((described(path, *size), now))
    });
    changed.or_else(|| {
        let is_pinned = |path: &str| pinned.files.iter().any(|file| file.path == *path);
        let (path, size) = taken.iter().copied().find(|(path, _)| !is_pinned(path))?;
        Some((format!("no `{path}`"), described(path, *size)))
    })
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;
    use landfall_media::progress::SilentProgress;
    use landfall_media::store::ContentStore;

    use super::*;
    use crate::fetch::{Client, DockerConfiguration, Registries, Retry, fetch, fetch_manifests};
    use crate::lock::{List, Lock};
    use crate::pins::ArtifactPin;
    use crate::resolution::resolve;
    use landfall_test_registry::digest;

    const LOCK: &str = "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
        shop.example/ranker:1\n    folder:\n      path: weights\n      exclude: ['*.md']\n      pinned: unresolved\n";

    /// A vendor's folder with weights.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            let bench = Self(tempfile::tempdir().expect("folder"));
            bench.write("weights/model.gguf", b"weights");
            bench.write("weights/tokenizer/vocab.txt", b"words");
            bench.write("weights/notes.md", b"not to ship");
            bench
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.0.path().join(name);
            durable::create_folder(path.parent().expect("folder")).expect("folder");
            durable::write_file(&path, bytes, 0o644).expect("file");
        }

        fn store(&self, name: &str) -> ContentStore {
            ContentStore::at(self.0.path().join(name))
        }

        fn lock(&self, text: &str) -> Lock {
            Lock::parse(&self.0.path().join("images.lock"), text.to_owned()).expect("lock")
        }

        fn client() -> Client {
            Client::new(Registries::default(), DockerConfiguration::default(), Retry::default())
        }

        async fn run_resolution(&self, text: &str) -> crate::resolution::Resolution {
            resolve(&self.lock(text), &[], &Self::client(), &self.store("store"), &SilentProgress).await
        }

        /// Code and text of the only failure.
        async fn refusal(&self, text: &str) -> (&'static str, String) {
            let resolution = self.run_resolution(text).await;
            let error = resolution.failures.first().expect("refused");
            (error.code().id, error.to_string())
        }

        async fn fetch_paths(&self, text: &str, store: &str) -> Result<Vec<String>> {
            let lock = self.lock(text);
            let pin: ArtifactPin = lock.artifact_pin(&lock.list(List::Artifacts)[0]).expect("pinned");
            let (client, store, pins) = (Self::client(), self.store(store), [pin]);
            let manifests = fetch_manifests(&client, &store, &[], &pins, &SilentProgress).await?;
            let fetched = fetch(&client, &store, "linux/amd64", &manifests, &SilentProgress).await?;
            let layers = fetched.artifacts[0].manifest.layers.iter();
            Ok(layers.map(|layer| layer.annotations.values().cloned().collect::<Vec<_>>().join(" ")).collect())
        }
    }

    #[tokio::test]
    async fn folder_files_are_pinned_by_digest() {
        let bench = Bench::new();
        let resolution = bench.run_resolution(LOCK).await;
        assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
        let expected = format!(
            "      pinned:\n        resolved: 'weights exclude *.md'\n        files:\n          - \
             {{path: 'model.gguf', digest: '{}', size: 7}}\n          - \
             {{path: 'tokenizer/vocab.txt', digest: '{}', size: 5}}\n",
            digest(b"weights"),
            digest(b"words")
        );
        assert_eq!(resolution.text, LOCK.replace("      pinned: unresolved\n", &expected));
        let again = bench.run_resolution(&resolution.text).await;
        assert_eq!((again.resolved, again.moved.len(), again.text.as_str()), (0, 0, resolution.text.as_str()));
        for store in ["store", "another"] {
            let paths = bench.fetch_paths(&resolution.text, store).await.expect("fetched");
            assert_eq!(paths, ["model.gguf", "tokenizer/vocab.txt"], "no layer reveals the folder's path");
        }

        // A change that preserves the size is detected when the file is read; the store still has the pinned content.
        bench.write("weights/model.gguf", b"changed");
        bench.fetch_paths(&resolution.text, "store").await.expect("from the store");
        let error = bench.fetch_paths(&resolution.text, "third").await.expect_err("refused");
        assert_eq!(error.code(), codes::FETCH_MISMATCH, "{error}");
        assert!(!bench.store("third").contains(digest(b"changed")));
    }

    #[tokio::test]
    async fn changed_folder_files_are_reported() {
        let bench = Bench::new();
        let text = bench.run_resolution(LOCK).await.text;
        bench.write("weights/model.gguf", b"longer weights");
        let moved = bench.run_resolution(&text).await.moved;
        assert_eq!((&*moved[0].pinned, &*moved[0].now), ("`model.gguf` of 7 bytes", "`model.gguf` of 14 bytes"));
        bench.write("weights/model.gguf", b"weights");
        bench.write("weights/more.gguf", b"more");
        let moved = bench.run_resolution(&text).await.moved;
        assert_eq!((&*moved[0].pinned, &*moved[0].now), ("no `more.gguf`", "`more.gguf` of 4 bytes"));
    }

    #[tokio::test]
    async fn lfs_pointers_are_refused() {
        for name in ["model.gguf", "tokenizer/vocab.txt", "pytorch_model.bin"] {
            let bench = Bench::new();
            let oid = "0".repeat(64);
            let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 5\n");
            bench.write(&format!("weights/{name}"), text.as_bytes());
            let (code, what) = bench.refusal(LOCK).await;
            assert_eq!(code, "LF2094", "{what}");
            assert!(what.ends_with(&format!("weights/{name} is a pointer of Git LFS, not the file itself")), "{what}");
        }
    }

    #[tokio::test]
    async fn links_and_unmatched_patterns_are_refused() {
        let bench = Bench::new();
        let (code, what) = bench.refusal(&LOCK.replace("path: weights", "path: nothing")).await;
        assert!(code == "LF2159" && what.contains("nothing cannot be listed"), "{what}");
        let (code, what) = bench.refusal(&LOCK.replace("exclude: ['*.md']", "include: ['*.safetensors']")).await;
        assert!(code == codes::FILE_MISSING.id && what.contains("`model.gguf`"), "{what}");
        bench.write("weights/a\u{1b}[31m", b"x");
        let (code, what) = bench.refusal(LOCK).await;
        assert!(code == "LF2159" && !what.contains('\u{1b}'), "{what}");
        durable::remove_file(&bench.0.path().join("weights/a\u{1b}[31m")).expect("removed");
        std::os::unix::fs::symlink("/etc/passwd", bench.0.path().join("weights/link")).expect("link");
        let (code, what) = bench.refusal(LOCK).await;
        assert!(code == "LF2159" && what.ends_with("weights/link is a link"), "{what}");
    }
}
