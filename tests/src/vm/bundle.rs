//! The bundle that the lane installs. Everything that its content depends on is its key, so a disk on which it is installed
//! counts for every later run with the same inputs, although another build of it would have another time and signature.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::cache::{Key, cache_root};
use crate::source::Source;
use crate::vendor::Vendor;
use crate::{commands, workspace};

/// The vendor's folder in the cache. Its keys are inputs of the bundle, so they must last as long as the disks do.
const VENDOR: &str = "vm-vendor";

/// What the starter release is made of, besides what its lock pins.
const DEFINITIONS: [&str; 2] = ["releases/starter", "manifests"];

/// Hexadecimal digits by which a program is named.
const NAMED_DIGITS: usize = 12;

/// A bundle to install, and its first trust.
pub struct Bundle {
    origin: Origin,
    /// Everything that its content depends on.
    pub key: Key,
    /// `sha256:…` of the vendor's root document.
    pub fingerprint: String,
    /// The sources of bundle and program, in a few words.
    pub source: String,
}

/// Where its files come from.
enum Origin {
    /// This vendor builds the starter release when a stick needs it.
    Starter(Box<Vendor>),
    /// They are in this folder.
    Folder(PathBuf),
}

impl Bundle {
    /// The starter release of this tree. The program is built now, the bundle only when a stick needs it.
    pub fn starter() -> Result<Self> {
        let before = Source::of(&workspace::root())?;
        let vendor = Vendor::open(&cache_root()?.join(VENDOR))?;
        vendor.lock(&commands::demo::release())?;
        // The program is the builder as well as what is delivered; kubectl renders.
        let files = [
            ("landfall", vendor.landfall().to_owned()),
            ("kubectl", vendor.binaries().join("kubectl")),
            ("lock", vendor.lock_file()),
            ("root", vendor.keys().join("1.root.json")),
        ];
        let key = inputs(&workspace::root(), &files)?;
        let source = match std::env::var_os(workspace::PROGRAM_VARIABLE) {
            Some(_) => program(vendor.landfall())?,
            None => Source::describe(&before, &Source::of(&workspace::root())?),
        };
        Ok(Self { fingerprint: vendor.fingerprint()?, origin: Origin::Starter(Box::new(vendor)), key, source })
    }

    /// An earlier build, with the vendor's root document.
    pub fn built(folder: &Path, root: &Path) -> Result<Self> {
        let document = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
        let fingerprint = format!("sha256:{}", hex::encode(Sha256::digest(document)));
        let key = identity(folder, &files(folder)?)?;
        let source = program(&folder.join("landfall"))?;
        Ok(Self { origin: Origin::Folder(folder.to_owned()), key, fingerprint, source })
    }

    /// Its files, which are built in the scratch folder unless they exist.
    pub fn files(&self, scratch: &Path) -> Result<Vec<PathBuf>> {
        match &self.origin {
            Origin::Starter(vendor) => files(&commands::demo::write_stick(vendor, scratch)?),
            Origin::Folder(folder) => files(folder),
        }
    }
}

/// Everything that the content of the starter release depends on, except when it is built: its definition in the tree, and these
/// files.
fn inputs(tree: &Path, files: &[(&str, PathBuf)]) -> Result<Key> {
    let mut key = Key::new().with("options", commands::demo::BUILD_OPTIONS.join(" "));
    for folder in DEFINITIONS {
        key = key.with_folder(folder, &tree.join(folder))?;
    }
    files.iter().try_fold(key, |key, (name, path)| key.with_file(name, path))
}

/// What a built bundle is, without reading all of its bytes: its head, against which the rest is checked, and the program that
/// reads it.
fn identity(folder: &Path, files: &[PathBuf]) -> Result<Key> {
    let named = |name: &str, is_it: fn(&Path) -> bool| {
        let found = files.iter().find(|path| is_it(path));
        found.with_context(|| format!("there is no {name} of a bundle in {}", folder.display()))
    };
    let head = named("head", |path| path.extension().is_some_and(|extension| extension == "head"))?;
    let landfall = named("landfall", |path| path.file_name().is_some_and(|name| name == "landfall"))?;
    Key::new().with_file("head", head)?.with_file("landfall", landfall)
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// A program whose sources are unknown, by its digest.
fn program(path: &Path) -> Result<String> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("landfall {}", &hex::encode(Sha256::digest(content))[..NAMED_DIGITS]))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "throw-away files of a test")]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn another_head_or_another_program_is_another_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let root = folder.join("keys/1.root.json");
        put(&root, "{}");
        let bundle = || Bundle::built(folder, &root);
        put(&folder.join("starter.head"), "head");
        let missing = bundle().err().unwrap().to_string();
        assert!(missing.starts_with("there is no landfall of a bundle in "), "{missing}");
        put(&folder.join("landfall"), "program");
        let one = bundle().unwrap();
        assert_eq!(one.files(Path::new("/nowhere")).unwrap().len(), 2);
        put(&folder.join("letter.txt"), "says nothing about the content");
        assert_eq!(bundle().unwrap().key.digest(), one.key.digest());
        put(&folder.join("landfall"), "another");
        let two = bundle().unwrap();
        put(&folder.join("starter.head"), "another");
        let three = bundle().unwrap();
        let keys = [&one, &two, &three].map(|bundle| bundle.key.digest());
        assert_eq!(std::collections::BTreeSet::from_iter(&keys).len(), 3, "{keys:?}");
        assert_ne!(one.source, two.source, "it is named by its program");
        assert_eq!(two.source, three.source);
    }

    #[test]
    fn only_another_input_is_another_starter_release() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, program) = (folder.path().join("tree"), folder.path().join("landfall"));
        let (release, manifest) =
            (tree.join("releases/starter/release.yaml"), tree.join("manifests/valkey/service.yaml"));
        let all = [&release, &manifest, &program];
        for path in all {
            put(path, "one");
        }
        let digest = || inputs(&tree, &[("landfall", program.clone())]).unwrap().digest();
        let first = digest();
        assert_eq!(digest(), first, "the time is no input");
        let mut seen = std::collections::BTreeSet::from([first]);
        for path in all {
            put(path, "two");
            assert!(seen.insert(digest()), "{} is no input", path.display());
            put(path, "one");
        }
        put(&tree.join("docs/VM.md"), "what a run found");
        assert!(!seen.insert(digest()), "a document is no input");
        put(&tree.join("manifests/valkey/more.yaml"), "one");
        assert!(seen.insert(digest()), "a file that is added is an input");
    }
}
