//! Wrong inputs to the real program: what a person typed, the exit code, and the message. None needs a site.

#![expect(clippy::disallowed_methods, reason = "files of a test, which end with it")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Wrong inputs, in a folder with the files below.
const WRONG: &[&str] = &[
    "instal stick",
    "verfy stick",
    "backup chekc",
    "settings --previous",
    "verify nope",
    "verify nope --trust sha256:123",
    "verify nope --trust roots/1.root.json",
    "verify --installed --trust 1.root.json",
    "plan nope",
    "inspect nope",
    "facts nope.json",
    "facts folder",
    "facts text.json",
    "facts status.json",
    "facts newer.json",
    "facts --html folder",
    "facts --html nope/facts.html",
    "facts --output folder",
    "plan stick --trust sha256:123 --facts nope.json",
    "models fit --model nope.gguf",
    "restore --at yesterday",
    "history --limit 0",
    "history --limit many",
    "logs web --since soon",
    "backup check --copy /mnt",
    "verify --site",
    "explain LF4480",
    "explain lf",
    "explain nope",
    "handbook errrors",
    "handbook upgrade",
    "support analyze nope.tar.gz",
    "audit verify nope.jsonl --chain-only",
    "license inspect nope.license",
    "trust show nope.root.json",
    "init nope --output release",
    "lock nope",
];

fn landfall(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(words.split(' ')).current_dir(folder).env_remove("LANDFALL_TRUST");
    command.output().expect("landfall")
}

#[test]
fn wrong_inputs_are_answered_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| fs_err::write(folder.path().join(name), text).expect(name);
    fs_err::create_dir(folder.path().join("folder")).expect("a folder");
    file("text.json", "no facts");
    file("status.json", r#"{"kind": "status", "schema": 1}"#);
    file("newer.json", r#"{"kind": "facts", "schema": 99}"#);
    let mut answers = String::new();
    for words in WRONG {
        let output = landfall(folder.path(), words);
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().expect("an exit code");
        assert!(output.stdout.is_empty(), "{words} printed data");
        let _infallible = write!(answers, "$ landfall {words}\n{}\n[exit {code}]\n\n", said.trim_end());
    }
    insta::assert_snapshot!(answers.replace(&folder.path().display().to_string(), "FOLDER"));
}

#[test]
fn a_variable_gives_the_root_of_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |words: &str, trust: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command.args(words.split(' ')).current_dir(folder.path()).env("LANDFALL_TRUST", trust);
        String::from_utf8(command.output().expect("landfall").stderr).expect("text")
    };
    let malformed = said("verify nope", "sha256:123");
    assert!(malformed.contains("error[LF1102]"), "{malformed}");
    // An installed release has its own root, whatever the variable contains.
    let installed = said("verify --installed", "sha256:123");
    assert!(!installed.contains("--trust") && !installed.contains("LF1102"), "{installed}");
}
