//! Inputs of verbs: a vendor's keys and roots, two bundles and a license; and fresh output folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_bundle_spec::sample::{Forgery, Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_media::durable;
use tempfile::TempDir;

/// Description of a license for the sample's release.
const LICENSE: &str = "id: acme-2027\nvendor: Example\ncustomer: Acme\ncontact: licenses@example.com\nrelease: sample\n\
                       entitlements: {components: [reports]}\n";

/// An inventory with one package.
const INVENTORY: &str = concat!(
    r#"{"type":"landfall.dev/inventory/1","packages":[{"kind":"deb","name":"a","version":"1"}],"#,
    r#""images":[{"reference":"docker.io/a/b:1","packages":[0]}]}"#,
);

pub(crate) const PASSWORD: (&str, &str) = ("LANDFALL_KEY_PASSWORD", "of-a-test");

/// Folder with the inputs.
pub(crate) struct Inputs(TempDir);

impl Inputs {
    pub(crate) fn new() -> Self {
        let inputs = Self(tempfile::tempdir().expect("a folder"));
        let vendor = Vendor::new(KeyKind::Ed25519).expect("a vendor");
        // Large enough to take more than one write.
        let sample = Sample::with_blobs(&vendor, vec![vec![7; 6 << 20], vec![8; 3 << 20]]).expect("a bundle");
        let other = Sample::tiny(&vendor).expect("a bundle");
        inputs.write("sample.landfall", &sample.stream());
        inputs.write("other.landfall", &other.stream());
        inputs.write("1.root.json", vendor.root.bytes());
        let bill =
            Forgery::of(&other).insert_before("documents/release", "documents/inventory.json", INVENTORY.as_bytes());
        inputs.write("bill.head", &bill.bind().expect("a head").head());
        inputs.write("acme.yaml", LICENSE.as_bytes());
        inputs.write("site.yaml", b"accept: []\n");
        let keys = inputs.path("keys").display().to_string();
        Self::landfall(&["key", "new", "--output", &keys]);
        Self::landfall(&["key", "new", "--no-root", "--output", &format!("{keys}/more")]);
        durable::rename(&inputs.path("keys/more/cosign.pub"), &inputs.path("keys/second.pub")).expect("a key");
        let all = format!("all={keys}/cosign.pub");
        let folder = inputs.folder();
        Self::landfall(&["trust", "init", "--key", &all, "--output", &format!("{folder}/draft")]);
        let (license, key) = (inputs.path("acme.yaml"), format!("{keys}/cosign.key"));
        let license = license.display().to_string();
        Self::landfall(&["license", "issue", &license, "--key", &key, "--roots", &keys, "--output", &folder]);
        inputs
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        durable::write_file(&self.path(name), bytes, 0o644).expect("an input");
    }

    fn landfall(words: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        let output = command.args(words).env(PASSWORD.0, PASSWORD.1).output().expect("landfall");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> String {
        self.0.path().display().to_string()
    }
}

/// Fresh output folders for one run.
pub(crate) struct Outputs(TempDir);

impl Outputs {
    pub(crate) fn new(inputs: &Inputs) -> Self {
        let outputs = Self(tempfile::tempdir().expect("a folder"));
        for folder in ["out", "roots"] {
            fs_err::create_dir(outputs.path(folder)).expect("a folder");
        }
        let root = fs_err::read(inputs.path("keys/1.root.json")).expect("a root");
        durable::write_file(&outputs.path("roots/1.root.json"), &root, 0o644).expect("a root");
        outputs
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// All files with their sizes, by path in the folders.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        walk(self.0.path(), self.0.path(), &mut found);
        found
    }
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            let bytes = path.symlink_metadata().expect("a file").len();
            found.insert(path.strip_prefix(root).expect("below").to_owned(), bytes);
        }
    }
}
