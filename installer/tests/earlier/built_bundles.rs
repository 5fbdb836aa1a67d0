//! Bundles of the earlier program: every verb that reads a bundle, its provenance, a license or facts prints what the
//! earlier program printed.

use std::process::{Command, Output};

use landfall_test_support::differences::differences;
use serde_json::Value;
use tempfile::TempDir;

use crate::earlier;

/// Names of documents that the earlier program printed, and the arguments with which it did, in the folder of the
/// bundles. `{out}` is a fresh folder.
const PRINTED: [(&str, &str); 13] = [
    ("inspect", "inspect 1.2.3"),
    ("verify", "verify 1.2.3 --trust 1.root.json"),
    ("verify-later", "verify 1.3.0 --trust 1.root.json"),
    ("diff", "diff 1.2.3 1.3.0"),
    ("spdx", "sbom 1.2.3 --format spdx"),
    ("cyclonedx", "sbom 1.3.0 --format cyclonedx"),
    ("provenance", "provenance 1.2.3 --trust 1.root.json"),
    ("delta", "carry delta 1.3.0 --from 1.2.3 --output {out} --trust 1.root.json"),
    ("stage", "stage 1.2.3 --trust 1.root.json --store {out}"),
    ("trust", "trust show 1.root.json"),
    ("license", "license inspect acme-2027.license --trust 1.root.json"),
    ("plan", "plan 1.2.3 --facts facts.json --trust 1.root.json"),
    ("preflight", "preflight 1.2.3 --facts facts.json --trust 1.root.json"),
];

/// Fields whose values differ between two runs of one program.
const VOLATILE: [&str; 4] = ["process", "media", "store", "files"];

/// Field of a plan's steps that is for people; it may change.
const TITLE: &str = "/title was ";

/// Variable with the path of the earlier program, which writes the documents.
const PROGRAM: &str = "LANDFALL_TEST_EARLIER_PROGRAM";

fn run(program: &str, arguments: &str, out: &TempDir) -> Output {
    let arguments = arguments.replace("{out}", &out.path().display().to_string());
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).arg("--json").current_dir(earlier("bundles"));
    command.output().expect("landfall")
}

/// Document and exit code of a run.
fn printed(program: &str, arguments: &str) -> (Value, Option<i32>) {
    let out = tempfile::tempdir().expect("a folder");
    let output = run(program, arguments, &out);
    let said = String::from_utf8_lossy(&output.stderr);
    let document =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}; {said}"));
    (document, output.status.code())
}

#[test]
fn earlier_bundles_are_read_alike() {
    for (name, arguments) in PRINTED {
        let bytes = fs_err::read(earlier(&format!("bundles/printed/{name}.json"))).expect("a document");
        let earlier: Value = serde_json::from_slice(&bytes).expect("JSON");
        let (mut present, code) = printed(env!("CARGO_BIN_EXE_landfall"), arguments);
        present["exitCode"] = code.into();
        let mut differences = differences(&earlier, &present);
        differences.retain(|difference| !difference.contains(TITLE));
        assert_eq!(differences, [""; 0], "{arguments}");
    }
}

#[test]
fn changed_byte_of_earlier_bundle_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let found =
        fs_err::read_dir(earlier("bundles/1.2.3")).expect("a folder").map(|entry| entry.expect("a file").path());
    let bundle =
        found.into_iter().find(|path| path.extension().is_some_and(|end| end == "landfall")).expect("a bundle");
    let mut bytes = fs_err::read(bundle).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    landfall_media::durable::write_file(&folder.path().join("small.landfall"), &bytes, 0o644).expect("a bundle");
    let arguments = format!("verify {} --trust 1.root.json", folder.path().display());
    let output = run(env!("CARGO_BIN_EXE_landfall"), &arguments, &folder);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Keys and roots of the earlier program sign what this program writes.
#[test]
fn earlier_key_signs_license() {
    let out = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_landfall");
    let issue = ["license", "issue", "acme.yaml", "--key", "cosign.key", "--roots", ".", "--output"];
    let mut command = Command::new(program);
    command.args(issue).arg(out.path()).current_dir(earlier("bundles")).env("LANDFALL_KEY_PASSWORD", "earlier");
    let output = command.output().expect("landfall");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let license = out.path().join("acme-2027.license");
    let (document, _) = printed(program, &format!("license inspect {} --trust 1.root.json", license.display()));
    assert_eq!((&document["id"], &document["verified"]), (&"acme-2027".into(), &true.into()));
}

/// Writes the documents with the earlier program.
#[test]
#[ignore = "writes the documents that it compares with; see tests/earlier/README.md"]
fn write_printed_documents() {
    let program = std::env::var(PROGRAM).expect(PROGRAM);
    for (name, arguments) in PRINTED {
        let (mut document, code) = printed(&program, arguments);
        let fields = document.as_object_mut().expect("an object");
        fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        document["exitCode"] = code.into();
        let text = format!("{document:#}\n");
        let path = earlier(&format!("bundles/printed/{name}.json"));
        landfall_media::durable::write_file(&path, text.as_bytes(), 0o644).expect("written");
    }
}
