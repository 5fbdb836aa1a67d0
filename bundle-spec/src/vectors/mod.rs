//! The test vectors of format 1 in `bundle-spec/vectors`, read by this crate and by `docs/read_bundle.py`.
//!
//! Vectors are frozen: every later version must read the good ones and refuse the bad ones with the same codes. New
//! ones are added to [`generate`], which writes only missing files: `cargo test -p landfall-bundle-spec --lib --
//! --ignored write_missing_vectors`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::archive;
use crate::digest::Sha256;
use crate::error::Result;
use crate::head::{Opened, Verified};
use crate::stream::check_payload;
use crate::trust::{PublicKey, Role, SigningKey, TrustAnchor, find_detached_signature};
use landfall_error_codes::CodedError;

mod generate;

/// The file `index.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    vectors: Vec<Vector>,
    headers: Vec<HeaderVector>,
}

/// A file and its expected result.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    /// Path relative to the folder. `.head` files contain only the head.
    file: String,
    /// Description of the vector.
    what: String,
    /// Trust anchor: a file under `vendor/`, or text typed as a fingerprint.
    trust: String,
    /// Id of an accepted bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Sha256>,
    /// Error code of a refused bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Error code of the `landfall` command if it differs: the command reports the damaged file on the media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

/// The header for a name, a size and a mode.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderVector {
    name: String,
    size: u64,
    mode: u32,
    header: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn index() -> Index {
    serde_json::from_slice(&fs::read(folder().join("index.json")).unwrap()).unwrap()
}

fn anchor(text: &str) -> Result<TrustAnchor> {
    if text.starts_with("vendor/") {
        return Ok(TrustAnchor::Root(fs::read(folder().join(text)).unwrap()));
    }
    TrustAnchor::fingerprint(text)
}

fn read(file: &str, trust: &str) -> Result<Sha256> {
    let bytes = fs::read(folder().join(file)).unwrap();
    let anchor = anchor(trust)?;
    if Path::new(file).extension().is_some_and(|extension| extension == "head") {
        return Verified::read_file(&bytes, &anchor).map(|verified| verified.id());
    }
    let mut source = bytes.as_slice();
    let verified = Verified::read(&mut source, &anchor)?;
    check_payload(&verified, source)?;
    Ok(verified.id())
}

#[test]
fn vectors_have_stated_results() {
    let index = index();
    for vector in &index.vectors {
        let result = read(&vector.file, &vector.trust).map_err(|error| error.code().id.to_owned());
        let expected = vector.id.ok_or_else(|| vector.code.clone().unwrap());
        assert_eq!(result, expected, "{}: {}", vector.file, vector.what);
    }
    for vector in &index.headers {
        let header = archive::header(&vector.name, vector.size, vector.mode);
        assert_eq!(STANDARD.encode(header), vector.header, "{}", vector.size);
    }
    let listed = |folder_name: &str| {
        let mut files: Vec<_> = index.vectors.iter().filter(|vector| vector.file.starts_with(folder_name)).collect();
        files.sort_by(|one, next| one.file.cmp(&next.file));
        files.dedup_by(|one, next| one.file == next.file);
        files.len()
    };
    for name in ["good", "bad"] {
        assert_eq!(
            fs::read_dir(folder().join(name)).unwrap().count(),
            listed(name),
            "files of {name} without an entry"
        );
    }
}

#[test]
fn reader_refusals_have_vectors() {
    let index = index();
    let codes: Vec<&str> = index.vectors.iter().filter_map(|vector| vector.code.as_deref()).collect();
    // The first two need a broken source and no trust anchor; the last one needs a site that knows a revocation.
    let without = ["LF1018", "LF1101", "LF1132"];
    let of_the_reader = |id: &&str| {
        ("LF1001"..="LF1018").contains(id) || ("LF1101"..="LF1112").contains(id) || ("LF1130"..="LF1133").contains(id)
    };
    for id in landfall_error_codes::codes::ALL
        .iter()
        .map(|code| code.id)
        .filter(of_the_reader)
        .filter(|id| !without.contains(id))
    {
        assert!(codes.contains(&id), "{id} has no vector");
    }
}

#[test]
fn python_reader_agrees() {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/read_bundle.py");
    let output = Command::new("python3").arg("-B").arg(reader).arg("--vectors").arg(folder()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let index = index();
    let last = format!("{} vectors, 0 wrong", index.vectors.len() + index.headers.len());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.lines().last() == Some(&last), "{text}{errors}");
}

#[test]
fn cosign_signatures_are_imported() {
    let head = fs::read(folder().join("good/two-signers.head")).unwrap();
    let opened = Opened::read_file(&head).unwrap();
    let message = fs::read(folder().join("cosign/landfall.json")).unwrap();
    let keys = || opened.roots()[0].keys_of(Role::Release).cloned();
    for (name, signer) in [("p256", 0), ("ed25519", 1)] {
        let bundle = fs::read(folder().join(format!("cosign/{name}.sigstore.json"))).unwrap();
        let (key, signature) = find_detached_signature(&bundle, &message, keys()).unwrap();
        assert_eq!(key, opened.signatures()[signer].key());
        let key = opened.roots()[0].key(key).unwrap();
        assert!(key.verifies(&message, &signature) && !key.verifies(b"other", &signature), "{name}");
        assert!(find_detached_signature(&bundle, b"other", keys()).is_none());
        assert!(find_detached_signature(&bundle, &message, []).is_none());
    }
    let pem = |file: &str| fs::read(folder().join("cosign").join(file)).unwrap();
    let key = SigningKey::from_encrypted_pem(&pem("cosign.key"), b"pw").unwrap();
    let public = PublicKey::from_pem("cosign.pub", &String::from_utf8(pem("cosign.pub")).unwrap()).unwrap();
    assert_eq!(key.public(), &public);
    assert_eq!(public.to_pem().as_bytes(), pem("cosign.pub"));
}
