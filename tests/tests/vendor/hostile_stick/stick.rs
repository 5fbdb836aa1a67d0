//! Heads with one hostile text, and the verbs that read them.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use landfall_bundle_spec::sample::{Forgery, Vendor};
use landfall_bundle_spec::trust::{KeyKind, Revocation, RevokedRelease};
use landfall_xtask::vendor::KEY_PASSWORD;
use serde_json::Value;
use tempfile::TempDir;

use super::places::Place;
use crate::vendor::outcome::Outcome;
use crate::vendor::starter::starter;

/// The starter's head with the root and a revocation of a vendor whose key is available.
pub struct Stick {
    vendor: Vendor,
    pub fingerprint: String,
    pub files: Vec<(String, Vec<u8>)>,
    payload_bytes: usize,
    pub folder: TempDir,
}

/// Heads that differ from the starter's in one text.
pub struct Heads {
    /// Head with the signatures of the original head.
    pub forged: PathBuf,
    /// Head signed by its vendor, if that is possible.
    pub signed: Option<PathBuf>,
}

/// Folder of a head with the objects of components, one document for each.
const OBJECTS: &str = "documents/objects/";

/// Description of a license.
const LICENSE: &str = "id: acme-1\nvendor: Example\ncustomer: Acme\ncontact: a@example.com\nrelease: starter\n\
    ends: 2030-01-01\nsupersedes: [acme-0]\nentitlements: {components: [analytics], features: [reports], nodes: 3}\n";

/// A run of a verb: its arguments, and its outcome.
pub type Run = (String, Outcome);

impl Stick {
    pub fn new() -> Result<Self> {
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
        let root = files.iter().position(|(name, _)| name == "trust/1.root.json").context("the head has no root")?;
        files[root].1 = vendor.root.bytes().to_vec();
        files.insert(root + 1, ("trust/revocation.json".to_owned(), revocation(&vendor)?));
        let payload_bytes = payload_bytes(&files)?;
        let folder = tempfile::tempdir().context("cannot create a folder")?;
        Ok(Self { vendor, fingerprint, files, payload_bytes, folder })
    }

    /// Returns the path of a file with this machine's facts, which are collected once rather than in each of thousands
    /// of runs.
    fn facts(&self) -> Result<String> {
        let path = self.folder.path().join("facts.json");
        if !path.exists() {
            let facts = Outcome::success(&mut starter()?.landfall(&["facts"]))?.stdout;
            landfall_media::durable::write_file(&path, &facts, 0o644)?;
        }
        Ok(path.display().to_string())
    }

    /// Returns the unmodified head. The payload has only its size, because no test reads it.
    pub fn forgery(&self) -> Forgery {
        Forgery { files: self.files.clone(), payload: vec![0; self.payload_bytes] }
    }

    /// Returns a file of the unmodified head.
    pub fn file(&self, name: &str) -> Result<Vec<u8>> {
        let found = self.files.iter().find(|(file, _)| file == name);
        found.map(|(_, contents)| contents.clone()).with_context(|| format!("the head has no {name}"))
    }

    /// Returns a license of the same vendor, with a text in every field that may have one.
    pub fn license(&self) -> Result<Vec<u8>> {
        let folder = self.folder.path();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))
        };
        // `trust show` also reads the document before the requested one.
        write("1.root.json", &self.file("trust/1.root.json")?)?;
        write("revocation.json", &self.file("trust/revocation.json")?)?;
        write("license.yaml", LICENSE.as_bytes())?;
        write("cosign.key", self.vendor.key.to_encrypted_pem(KEY_PASSWORD.as_bytes())?.as_bytes())?;
        let mut issue = starter()?.landfall(&["license", "issue", "license.yaml", "--key", "cosign.key"]);
        issue.args(["--roots", "."]).current_dir(folder).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD);
        Outcome::success(&mut issue)?;
        std::fs::read(folder.join("acme-1.license")).context("no license was issued")
    }

    /// Returns every place of every document of the head, with the name of its document. The objects of all components
    /// have one form.
    pub fn places(&self) -> Result<Vec<(&str, Place)>> {
        let mut places = Vec::new();
        let mut of_objects = BTreeSet::new();
        for (name, contents) in self.files.iter().filter(|(name, _)| is_json(name)) {
            let document = serde_json::from_slice(contents).with_context(|| format!("{name} is not JSON"))?;
            let new = if name.starts_with(OBJECTS) {
                Place::new_in(&document, &mut of_objects)
            } else {
                Place::of(&document)
            };
            places.extend(new.into_iter().map(|place| (name.as_str(), place)));
        }
        Ok(places)
    }

    /// Writes heads with a hostile text at a place into a folder. One is as an attacker can change it. The other is as
    /// its vendor can sign it, if that is possible.
    pub fn heads(&self, document: &str, place: &Place, hostile: &str, folder: &Path) -> Result<Heads> {
        let change = |value: &mut Value| place.write(value, hostile);
        // Created twice, because a clone would copy a payload of a gigabyte.
        let forged = self.forgery().edit(document, change)?;
        let signed = self.forgery().edit(document, change);
        let signed = if document == "landfall.json" { signed } else { signed.and_then(Forgery::bind) };
        let signed = signed.and_then(|signed| signed.sign(&self.vendor.key)).ok();
        let write = |name: &str, head: Vec<u8>| {
            let path = folder.join(name);
            std::fs::write(&path, head).context("cannot write a head").map(|()| path)
        };
        Ok(Heads {
            forged: write("forged.head", forged.head())?,
            signed: signed.map(|signed| write("signed.head", signed.head())).transpose()?,
        })
    }

    /// Runs two verbs that read a head whose signatures do not match. One prints it anyway, and the other refuses it,
    /// as all remaining verbs do.
    pub fn read_by_verbs_without_trust(&self, head: &Path) -> Result<Vec<Run>> {
        let head = head.display().to_string();
        let verify = ["verify", &head, "--trust", &self.fingerprint];
        [run(&["inspect", &head]), run(&["inspect", &head, "--json"]), run(&verify)].into_iter().collect()
    }

    /// Runs every verb that reads a stick, with output for people and for programs.
    pub fn read_by_every_verb(&self, head: &Path) -> Result<Vec<Run>> {
        let head = head.display().to_string();
        let store = format!("{head}.store");
        let trust = ["--trust", self.fingerprint.as_str()];
        let facts = self.facts()?;
        let facts = ["--facts", facts.as_str()];
        let verbs: [&[&str]; 6] = [
            &["inspect", &head],
            &["models", "fit", &head],
            &[&["verify", &head], &trust[..]].concat(),
            &[&["stage", &head, "--store", &store], &trust[..]].concat(),
            &[&["install", &head, "--dry-run"], &trust[..], &facts[..]].concat(),
            &[&["preflight", &head], &trust[..], &facts[..]].concat(),
        ];
        let forms = verbs.iter().flat_map(|verb| [[*verb, &[][..]].concat(), [*verb, &["--json"][..]].concat()]);
        forms.map(|arguments| run(&arguments)).collect()
    }

    /// Runs the verbs that print the most of a head.
    pub fn read_by_printing_verbs(&self, head: &Path) -> Result<Vec<Run>> {
        let head = head.display().to_string();
        let trust = ["--trust", self.fingerprint.as_str()];
        let facts = self.facts()?;
        let facts = ["--facts", facts.as_str()];
        let verbs: [&[&str]; 5] = [
            &["inspect", &head],
            &["inspect", &head, "--json"],
            &[&["verify", &head], &trust[..]].concat(),
            &[&["install", &head, "--dry-run"], &trust[..], &facts[..]].concat(),
            &[&["preflight", &head], &trust[..], &facts[..]].concat(),
        ];
        verbs.iter().map(|verb| run(verb)).collect()
    }
}

pub fn run(arguments: &[&str]) -> Result<Run> {
    Ok((arguments.join(" "), Outcome::of(&mut starter()?.landfall(arguments))?))
}

pub fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

/// Returns a signed revocation of another release.
fn revocation(vendor: &Vendor) -> Result<Vec<u8>> {
    let revoked = RevokedRelease {
        name: "other".to_owned(),
        version: "1.0.0".to_owned(),
        bundle: None,
        reason: "it loses data".to_owned(),
    };
    let revocation = Revocation::new(1, vec![revoked])?;
    let signature = vendor.key.sign(revocation.message())?;
    Ok(revocation.with_signature(vendor.key.public().id(), &signature)?.bytes().to_vec())
}

/// Returns the number of bytes after the head.
fn payload_bytes(files: &[(String, Vec<u8>)]) -> Result<usize> {
    let landfall: Value = serde_json::from_slice(&files.first().context("an empty head")?.1)?;
    let total = usize::try_from(landfall["payload_bytes"].as_u64().context("no payload_bytes")?)?;
    let first = files.iter().position(|(name, _)| name == "blobs.json").context("no blobs.json")?;
    let of_head: usize = files[first..].iter().map(|(_, contents)| 512 + contents.len().next_multiple_of(512)).sum();
    total.checked_sub(of_head).context("the payload is shorter than its head")
}
