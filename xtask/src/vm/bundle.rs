//! The bundle that the lane installs. Its key covers all inputs of its content. So a disk on which it is installed
//! stays valid for every later run with the same inputs. Another build would have another time and signature, but the
//! same key.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::cache::{Key, cache_root};
use crate::source::Source;
use crate::vendor::Vendor;
use crate::{builds, starter, workspace};

/// Vendor's folder in the cache. Its signing keys are inputs of the bundle, so they must last as long as the disks.
const VENDOR: &str = "vm-vendor";

/// Sources of the starter release, in addition to the parts pinned by its lock.
const DEFINITIONS: [&str; 2] = ["releases/starter", "manifests"];

/// Number of hexadecimal digits that name a program.
const NAMED_DIGITS: usize = 12;

/// A bundle to install, and the anchor of its trust.
pub struct Bundle {
    origin: Origin,
    /// Key of everything on which its content depends.
    pub key: Key,
    /// `sha256:…` of the vendor's root document.
    pub fingerprint: String,
    /// Short description of the sources of bundle and program.
    pub source: String,
}

/// Origin of its files.
enum Origin {
    /// This vendor builds the starter release when a stick needs it.
    Starter(Box<Vendor>),
    /// The files are in this folder.
    Folder(PathBuf),
}

impl Bundle {
    /// Prepares the starter release of this tree. The program is built now, the bundle only when a stick needs it.
    pub fn starter() -> Result<Self> {
        let before = Source::of(&workspace::root())?;
        let vendor = Vendor::open(&cache_root()?.join(VENDOR))?;
        vendor.lock(&starter::release())?;
        // The program is both the builder and part of the content; kubectl renders.
        let files = [
            ("landfall", vendor.landfall().to_owned()),
            ("kubectl", vendor.binaries().join("kubectl")),
            ("lock", vendor.lock_file()),
            ("root", vendor.keys().join("1.root.json")),
        ];
        let key = inputs(&workspace::root(), &files)?;
        let source = match std::env::var_os(builds::PROGRAM_VARIABLE) {
            Some(_) => program(vendor.landfall())?,
            None => Source::describe(&before, &Source::of(&workspace::root())?),
        };
        Ok(Self { fingerprint: vendor.fingerprint()?, origin: Origin::Starter(Box::new(vendor)), key, source })
    }

    /// Returns an earlier build, with the vendor's root document.
    pub fn from_folder(folder: &Path, root: &Path) -> Result<Self> {
        let document = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
        let fingerprint = format!("sha256:{}", hex::encode(Sha256::digest(document)));
        let key = identity(folder, &files(folder)?)?;
        let source = program(&folder.join("landfall"))?;
        Ok(Self { origin: Origin::Folder(folder.to_owned()), key, fingerprint, source })
    }

    /// Returns its files, which are built in the scratch folder unless they exist.
    pub fn files(&self, scratch: &Path) -> Result<Vec<PathBuf>> {
        match &self.origin {
            Origin::Starter(vendor) => files(&starter::write_stick(vendor, scratch)?),
            Origin::Folder(folder) => files(folder),
        }
    }
}

/// Returns a key of everything on which the starter release's content depends, except the build time: its definition in
/// the tree, and these files.
fn inputs(tree: &Path, files: &[(&str, PathBuf)]) -> Result<Key> {
    let mut key = Key::new().with("options", starter::BUILD_OPTIONS.join(" "));
    for folder in DEFINITIONS {
        key = key.with_folder(folder, &tree.join(folder))?;
    }
    files.iter().try_fold(key, |key, (name, path)| key.with_file(name, path))
}

/// Returns a key of a built bundle without reading all of its bytes. It covers the head, against which the rest is
/// verified, and the program that reads it.
fn identity(folder: &Path, files: &[PathBuf]) -> Result<Key> {
    let named = |name: &str, is_it: fn(&Path) -> bool| {
        let found = files.iter().find(|path| is_it(path));
        found.with_context(|| format!("there is no {name} of a bundle in {}", folder.display()))
    };
    let head = named("head", |path| path.extension().is_some_and(|extension| extension == "head"))?;
    let landfall = named("landfall", |path| path.file_name().is_some_and(|name| name == "landfall"))?;
    Key::new().with_file("head", head)?.with_file("landfall", landfall)
}

/// Returns the files of a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// Describes a program with unknown sources by its digest.
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
    fn changed_inputs_make_other_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let root = folder.join("keys/1.root.json");
        put(&root, "{}");
        let bundle = || Bundle::from_folder(folder, &root);
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
    fn changed_inputs_make_other_release() {
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
