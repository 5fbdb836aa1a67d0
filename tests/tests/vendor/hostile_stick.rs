//! A stick that tries to write to the terminal of its reader: escape codes, control characters and very long names in
//! every string that it carries, signed by its vendor or not.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::sample::{Forgery, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use serde_json::Value;
use tempfile::TempDir;

use super::outcome::Outcome;
use super::starter::starter;

/// Sets the window's title, clears the screen, returns to the line's start, colors, deletes, reverses and hides.
const ESCAPES: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}31m\u{8}\u{7f}\u{202e}\u{200b}\nerror[LF0000]: forged";

/// What shows that a string reached the terminal at all, in a form without effect.
const MARK: &str = "hostile";

/// Most bytes of a line, with the escapes of a limited text, and of everything that a run prints.
const LINE_BYTES: usize = 16 << 10;
const OUTPUT_BYTES: usize = 1 << 20;

/// What fits into the name of a file of the head, beside its own.
const NAME_CHARACTERS: usize = 30;

/// How many different strings must have been seen in harmless form, so that the test cannot pass on refusals alone.
const SEEN_AT_LEAST: usize = 20;

/// The starter's head with the root of a vendor whose key is at hand.
struct Stick {
    vendor: Vendor,
    fingerprint: String,
    files: Vec<(String, Vec<u8>)>,
    payload_bytes: usize,
    folder: TempDir,
}

/// One hostile string: its place, and the heads that carry it.
struct Case {
    place: String,
    heads: Vec<PathBuf>,
}

impl Stick {
    fn new() -> Result<Self> {
        let vendor = Vendor::new(KeyKind::EcdsaP256)?;
        let fingerprint = vendor.root.fingerprint().to_string();
        let head = std::fs::File::open(starter()?.file(".head")?).context("cannot open the head")?;
        let mut files = Vec::new();
        for entry in tar::Archive::new(head).entries()? {
            let mut entry = entry?;
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents)?;
            files.push((entry.path()?.display().to_string(), contents));
        }
        let root = files.iter_mut().find(|(name, _)| name == "trust/1.root.json").context("the head has no root")?;
        root.1 = vendor.root.bytes().to_vec();
        let payload_bytes = payload_bytes(&files)?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        Ok(Self { vendor, fingerprint, files, payload_bytes, folder })
    }

    /// The head before it is changed. The payload is only counted: no test reads it.
    fn forgery(&self) -> Forgery {
        Forgery { files: self.files.clone(), payload: vec![0; self.payload_bytes] }
    }

    /// Names of the JSON files of the head.
    fn documents(&self) -> Vec<&str> {
        self.files.iter().map(|(name, _)| name.as_str()).filter(|name| is_json(name)).collect()
    }

    /// The path of one string of each kind in a document: strings at the same path of a list's elements are of one kind.
    fn places(&self, document: &str) -> Result<Vec<String>> {
        let contents = &self.files.iter().find(|(name, _)| name == document).context("no such file")?.1;
        let mut pointers = Vec::new();
        strings(&serde_json::from_slice(contents)?, "", &mut pointers);
        let mut known = BTreeSet::new();
        pointers.retain(|pointer| known.insert(kind_of(pointer)));
        Ok(pointers)
    }

    /// Heads in which one string is hostile: as an attacker can change it, and as its vendor can sign it.
    fn case(&self, document: &str, pointer: &str, hostile: &str) -> Result<Case> {
        let change = |value: &mut Value| {
            if let Some(text) = value.pointer_mut(pointer) {
                *text = hostile.into();
            }
        };
        let forged = self.forgery().edit(document, change)?;
        let signed = self.forgery().edit(document, change)?;
        let signed = if document == "landfall.json" { signed } else { signed.bind()? };
        let mut heads = vec![forged.head()];
        if let Ok(signed) = signed.sign(&self.vendor.key) {
            heads.push(signed.head());
        }
        let write = |(index, head): (usize, Vec<u8>)| {
            let path = self.folder.path().join(format!("{index}.head"));
            std::fs::write(&path, head).context("cannot write a head").map(|()| path)
        };
        let heads = heads.into_iter().enumerate().map(write).collect::<Result<_>>()?;
        Ok(Case { place: format!("{document}{pointer}"), heads })
    }

    /// Runs every verb that reads a stick, for a person and for a program.
    fn read_by_every_verb(&self, head: &Path) -> Result<Vec<(String, Outcome)>> {
        let head = head.display().to_string();
        let store = self.folder.path().join("store").display().to_string();
        let trust = ["--trust", self.fingerprint.as_str()];
        let verbs: [&[&str]; 4] = [
            &["inspect", &head],
            &[&["verify", &head], &trust[..]].concat(),
            &[&["stage", &head, "--store", &store], &trust[..]].concat(),
            &[&["install", &head, "--dry-run"], &trust[..]].concat(),
        ];
        let mut outcomes = Vec::new();
        for verb in verbs {
            for more in [&[][..], &["--json"]] {
                let arguments = [verb, more].concat();
                outcomes.push((arguments.join(" "), Outcome::of(&mut starter()?.landfall(&arguments))?));
            }
        }
        Ok(outcomes)
    }
}

/// Bytes after the head.
fn payload_bytes(files: &[(String, Vec<u8>)]) -> Result<usize> {
    let landfall: Value = serde_json::from_slice(&files.first().context("an empty head")?.1)?;
    let total = usize::try_from(landfall["payload_bytes"].as_u64().context("no payload_bytes")?)?;
    let first = files.iter().position(|(name, _)| name == "blobs.json").context("no blobs.json")?;
    let of_head: usize = files[first..].iter().map(|(_, contents)| 512 + contents.len().next_multiple_of(512)).sum();
    total.checked_sub(of_head).context("the payload is shorter than its head")
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

/// JSON Pointers of all strings.
fn strings(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| strings(item, &format!("{at}/{index}"), found));
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                strings(item, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

fn kind_of(pointer: &str) -> String {
    let kinds = pointer.split('/').map(|part| if part.parse::<u32>().is_ok() { "*" } else { part });
    kinds.collect::<Vec<_>>().join("/")
}

/// Fails if what was printed can do anything to a terminal, forges a line or floods the screen, or if the program
/// crashed.
fn expect_harmless(what: &str, outcome: &Outcome) -> Result<()> {
    let (stdout, stderr) = (outcome.text()?, outcome.stderr.as_str());
    ensure!((0..100).contains(&outcome.code), "{what} ended with {}: {stderr}", outcome.code);
    ensure!(stdout.len() + stderr.len() <= OUTPUT_BYTES, "{what} printed {} bytes", stdout.len() + stderr.len());
    for line in stdout.lines().chain(stderr.lines()) {
        let active = line.chars().find(|letter| letter.is_control() || matches!(letter, '\u{202e}' | '\u{200b}'));
        ensure!(active.is_none(), "{what} printed {active:?}: {line:?}");
        ensure!(!line.starts_with("error[LF0000]"), "{what} printed a forged line: {line:?}");
        let is_document = what.ends_with("--json");
        ensure!(is_document || line.len() <= LINE_BYTES, "{what} printed a line of {} bytes", line.len());
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn no_string_of_a_stick_reaches_the_terminal_as_it_is() -> Result<()> {
    let stick = Stick::new()?;
    let hostile = format!("{MARK}{ESCAPES}");
    let mut seen = BTreeSet::new();
    let mut places = 0;
    for document in stick.documents() {
        for pointer in stick.places(document)? {
            places += 1;
            let case = stick.case(document, &pointer, &hostile)?;
            for head in &case.heads {
                for (what, outcome) in stick.read_by_every_verb(head)? {
                    expect_harmless(&format!("{}: {what}", case.place), &outcome)?;
                    if outcome.text()?.contains(MARK) || outcome.stderr.contains(MARK) {
                        seen.insert(case.place.clone());
                    }
                }
            }
        }
    }
    landfall_tests::printer::note(format!("{places} kinds of strings, {} of them shown in harmless form", seen.len()));
    ensure!(seen.len() >= SEEN_AT_LEAST, "too few strings were ever shown: {seen:?}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_long_string_of_a_stick_does_not_flood_the_terminal() -> Result<()> {
    let stick = Stick::new()?;
    for hostile in ["x".repeat(1 << 20), ESCAPES.repeat(1 << 14)] {
        for document in ["landfall.json", "documents/release.json", "trust/1.root.json"] {
            for pointer in stick.places(document)? {
                let case = stick.case(document, &pointer, &hostile)?;
                for head in &case.heads {
                    let inspect = ["inspect", &head.display().to_string()].map(str::to_owned);
                    let outcome =
                        Outcome::of(starter()?.landfall(&inspect.each_ref().map(String::as_str)).arg("--quiet"))?;
                    expect_harmless(&format!("{}: inspect", case.place), &outcome)?;
                }
            }
        }
    }
    Ok(())
}

/// Names are strings, too: of the head's files, of the bundle, of the folder that it is in.
#[test]
#[ignore = "needs cargo xtask test"]
fn no_name_on_a_stick_reaches_the_terminal_as_it_is() -> Result<()> {
    let stick = Stick::new()?;
    let name = format!("{MARK}{}", ESCAPES.replace('\n', ""));
    let mut heads = Vec::new();
    let start: String = name.chars().take(NAME_CHARACTERS).collect();
    for (index, (file, _)) in stick.files.iter().enumerate().filter(|(_, (file, _))| file.len() < 50) {
        let mut forgery = stick.forgery();
        forgery.files[index].0 = file.replace(".json", &format!("{start}.json"));
        heads.push((format!("{index}.head"), forgery.head()));
    }
    heads.push((format!("{name}.head"), stick.forgery().head()));
    let folder = stick.folder.path().join(&name);
    std::fs::create_dir(&folder).context("cannot make a folder")?;
    for (name, head) in &heads {
        let path = folder.join(name);
        std::fs::write(&path, head).with_context(|| format!("cannot write {}", path.display()))?;
        for (what, outcome) in stick.read_by_every_verb(&path)? {
            expect_harmless(&format!("{name:?}: {}", what.escape_debug()), &outcome)?;
        }
    }
    // Several bundles in one folder, each of them named.
    for (what, outcome) in stick.read_by_every_verb(&folder)? {
        expect_harmless(&format!("the folder: {}", what.escape_debug()), &outcome)?;
    }
    Ok(())
}
