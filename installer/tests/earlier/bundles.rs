//! Bundles of earlier programs, which are the frozen vectors of the format, and the key that signed them: verbs accept,
//! refuse and continue them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use landfall_media::durable;
use serde_json::Value;
use tempfile::TempDir;

use crate::repository;

/// Description of a license for the vectors' release.
const LICENSE: &str = "id: acme-2027\nvendor: Example\ncustomer: Acme\ncontact: licenses@example.com\nrelease: sample\n\
                       entitlements: {components: [reports]}\n";

/// Password of the vectors' keys.
const PASSWORD: (&str, &str) = ("LANDFALL_KEY_PASSWORD", "test vectors");

/// Root document 1 of the vectors' vendor.
const ROOT: &str = "vendor/1.root.json";

fn vectors() -> PathBuf {
    repository().join("bundle-spec/vectors")
}

/// Bundles of the index, without those that are only a head.
fn whole_bundles() -> Vec<Value> {
    let index = fs_err::read(vectors().join("index.json")).expect("the index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let listed = index["vectors"].as_array().expect("vectors").iter();
    listed.filter(|vector| text(vector, "file").ends_with(".landfall")).cloned().collect()
}

fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document[name].as_str().expect(name)
}

/// Folder with a copy of one vector. Verbs take neighbors of a bundle for its parts.
fn alone(file: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs_err::read(vectors().join(file)).expect("a vector");
    durable::write_file(&folder.path().join("sample.landfall"), &bytes, 0o644).expect("a bundle");
    folder
}

fn run(words: &str, paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    let mut paths = paths.iter();
    for word in words.split(' ') {
        match word {
            "PATH" => command.arg(paths.next().expect("a path")),
            word => command.arg(word),
        };
    }
    command.arg("--json").current_dir(vectors()).env(PASSWORD.0, PASSWORD.1).output().expect("landfall")
}

/// Document of a verb that succeeds.
fn printed(words: &str, paths: &[&Path]) -> Value {
    let output = run(words, paths);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a document")
}

#[test]
fn earlier_bundles_have_stated_results() {
    let bundles = whole_bundles();
    assert!(bundles.len() > 10, "only {} bundles", bundles.len());
    for vector in bundles {
        let (file, trust) = (text(&vector, "file"), text(&vector, "trust"));
        let folder = alone(file);
        let words = format!("verify PATH --trust {trust}");
        if vector["id"].is_string() {
            let document = printed(&words, &[folder.path()]);
            assert_eq!((&document["id"], &document["verified"]), (&vector["id"], &true.into()), "{file}");
            assert_eq!(printed("inspect PATH", &[folder.path()])["id"], vector["id"], "{file}");
        } else {
            let output = run(&words, &[folder.path()]);
            assert_eq!(output.status.code(), Some(3), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn earlier_bundles_are_compared_and_reduced() {
    let [from, to] = ["good/tiny.landfall", "good/chunks.landfall"].map(alone);
    let ids = [&from, &to].map(|folder| printed("inspect PATH", &[folder.path()])["id"].clone());
    let difference = printed("diff PATH PATH", &[from.path(), to.path()]);
    assert_eq!([&difference["from"]["id"], &difference["to"]["id"]], [&ids[0], &ids[1]]);
    let out = tempfile::tempdir().expect("a folder");
    let words = format!("carry delta PATH --from PATH --output PATH --trust {ROOT}");
    let delta = printed(&words, &[to.path(), from.path(), out.path()]);
    assert_eq!((&delta["release"]["bundle"], &delta["from"][0]["bundle"]), (&ids[1], &ids[0]));
    assert!(delta["leftOutBlobs"].as_u64() > Some(0), "{delta}");
    let verified = printed(&format!("verify PATH --trust {ROOT}"), &[out.path()]);
    assert_eq!((&verified["id"], &verified["leftOutBlobs"]), (&ids[1], &delta["leftOutBlobs"]));
}

#[test]
fn earlier_bundle_is_staged_once() {
    let (bundle, store) = (alone("good/chunks.landfall"), tempfile::tempdir().expect("a folder"));
    let words = format!("stage PATH --trust {ROOT} --store PATH");
    let lacking = [(); 2].map(|()| printed(&words, &[bundle.path(), store.path()])["lackingBytes"].as_u64());
    assert!(lacking[0] > Some(1 << 20) && lacking[1] == Some(0), "{lacking:?}");
}

#[test]
fn earlier_key_signs_license() {
    let out = tempfile::tempdir().expect("a folder");
    let (description, roots) = (out.path().join("acme.yaml"), out.path().join("roots"));
    durable::write_file(&description, LICENSE.as_bytes(), 0o644).expect("a description");
    fs_err::create_dir(&roots).expect("a folder");
    let root = fs_err::read(vectors().join(ROOT)).expect("a root");
    durable::write_file(&roots.join("1.root.json"), &root, 0o644).expect("a root");
    let issue = "license issue PATH --key vendor/cosign.key --roots PATH --output PATH";
    let issued = printed(issue, &[&description, &roots, out.path()]);
    let license = printed(&format!("license inspect PATH --trust {ROOT}"), &[&out.path().join("acme-2027.license")]);
    assert_eq!((text(&license, "id"), &license["verified"]), ("acme-2027", &true.into()));
    assert_eq!(license["signedBy"], issued["signedBy"]);
}
