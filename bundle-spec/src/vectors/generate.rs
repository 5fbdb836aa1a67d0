//! Generator of the test vectors. Keys and roots under `vendor/` are created once and kept, so that vectors can be
//! added later.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{HeaderVector, Index, Vector, folder, read};
use crate::archive;
use crate::sample::{Forgery, Sample, Vendor, root_of_the_future};
use crate::trust::{KeyKind, PublicKey, Revocation, RevokedRelease, Root, RootContents, SigningKey, UnsignedRoot};

/// Password of the key files, which sign only vectors.
const PASSWORD: &[u8] = b"test vectors";

const ROOT: &str = "vendor/1.root.json";

/// The signers.
struct VectorSigners {
    /// Signs alone under `vendor/1.root.json`.
    vendor: Vendor,
    /// Signs together with the vendor's key, for both roles, under `vendor/pair.1.root.json`.
    second: SigningKey,
    /// A vendor whose key is in no root.
    stranger: Vendor,
    /// Documents 1 and 2 of the pair; each names both keys with a threshold of 2.
    pair: [Root; 2],
    /// Document 1 by the vendor's key, with a key of an unknown kind in every role, an unknown role and an unknown
    /// field.
    future: Root,
    /// Revocations of release `sample` 1.0.0, and of another one.
    revocations: [Revocation; 2],
}

fn write(file: &str, bytes: &[u8]) {
    let path = folder().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "vectors are written by hand, once")]
    fs::write(path, bytes).unwrap();
}

fn key(file: &str, kind: KeyKind) -> SigningKey {
    let path = folder().join(file);
    if !path.exists() {
        write(file, SigningKey::generate(kind).unwrap().to_encrypted_pem(PASSWORD).unwrap().as_bytes());
    }
    SigningKey::from_encrypted_pem(&fs::read(path).unwrap(), PASSWORD).unwrap()
}

/// Reads a root document; creates it if it is missing.
fn root(file: &str, contents: &RootContents, signers: &[&SigningKey], previous: Option<&Root>) -> Root {
    let path = folder().join(file);
    if !path.exists() {
        let mut unsigned = UnsignedRoot::new(contents).unwrap();
        for signer in signers {
            unsigned.sign(signer).unwrap();
        }
        write(file, unsigned.finish(previous).unwrap().bytes());
    }
    Root::read(file, &fs::read(path).unwrap()).unwrap()
}

/// Reads a root document as a later version might write it; creates it if it is missing.
fn future_root(file: &str, key: &SigningKey) -> Root {
    let path = folder().join(file);
    if !path.exists() {
        let mut unsigned = root_of_the_future(key).unwrap();
        unsigned.sign(key).unwrap();
        write(file, unsigned.finish(None).unwrap().bytes());
    }
    Root::read(file, &fs::read(path).unwrap()).unwrap()
}

/// Reads a revocation; creates it if it is missing.
fn revocation(file: &str, name: &str, key: &SigningKey) -> Revocation {
    let path = folder().join(file);
    if !path.exists() {
        let release = RevokedRelease {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            bundle: None,
            reason: "it loses data".to_owned(),
        };
        let unsigned = Revocation::new(1, vec![release]).unwrap();
        let signature = key.sign(unsigned.message()).unwrap();
        write(file, unsigned.with_signature(key.public().id(), &signature).unwrap().bytes());
    }
    Revocation::read(file, &fs::read(path).unwrap()).unwrap()
}

fn makers() -> VectorSigners {
    let first = key("vendor/cosign.key", KeyKind::EcdsaP256);
    let second = key("vendor/second.key", KeyKind::Ed25519);
    let stranger = key("vendor/stranger.key", KeyKind::EcdsaP256);
    let single = |file: &str, key: &SigningKey| root(file, &RootContents::single(key.public(), true), &[key], None);
    let public: Vec<PublicKey> = [&first, &second].map(|key| key.public().clone()).to_vec();
    let both = |number| RootContents {
        number,
        root: (public.clone(), 2),
        release: (public.clone(), 2),
        ..RootContents::single(first.public(), true)
    };
    let one = root("vendor/pair.1.root.json", &both(1), &[&first, &second], None);
    let two = root("vendor/pair.2.root.json", &both(2), &[&first, &second], Some(&one));
    let stranger_root = single("vendor/stranger.1.root.json", &stranger);
    let vendor_root = single(ROOT, &first);
    if !folder().join("vendor/cosign.pub").exists() {
        write("vendor/cosign.pub", first.public().to_pem().as_bytes());
    }
    let future = future_root("vendor/future.1.root.json", &first);
    let revocations = [("revocation.json", "sample"), ("other-revocation.json", "another")]
        .map(|(file, name)| revocation(&format!("vendor/{file}"), name, &first));
    VectorSigners {
        future,
        revocations,
        vendor: Vendor { key: first, root: vendor_root },
        second,
        stranger: Vendor { key: stranger, root: stranger_root },
        pair: [one, two],
    }
}

/// Names and contents of the files of a head.
type HeadFiles = Vec<(String, Vec<u8>)>;

/// Files by name: bytes, description, and trust anchor.
type Files = BTreeMap<String, (Vec<u8>, &'static str, String)>;

fn add(files: &mut Files, file: &str, bytes: Vec<u8>, trust: &str, what: &'static str) {
    files.insert(file.to_owned(), (bytes, what, trust.to_owned()));
}

fn good(makers: &VectorSigners, files: &mut Files) {
    let tiny = Sample::tiny(&makers.vendor).unwrap();
    add(files, "good/tiny.landfall", tiny.stream(), ROOT, "the smallest bundle that has everything");
    add(files, "good/tiny.head", tiny.head.bytes().to_vec(), ROOT, "a head alone");
    let blobs = vec![vec![0; 0], vec![0x5a; 512], vec![0; (1 << 20) + 600]];
    let chunks = Sample::with_blobs(&makers.vendor, blobs).unwrap();
    add(files, "good/chunks.landfall", chunks.stream(), ROOT, "an empty blob, one of a block, one with chunks");
    let signers = [&makers.vendor.key, &makers.second];
    let pair = Sample::signed_by(&signers, &makers.pair, vec![b"x".to_vec()]).unwrap();
    let fingerprint = makers.pair[0].fingerprint().to_string();
    add(
        files,
        "good/two-signers.head",
        pair.head.bytes().to_vec(),
        &fingerprint,
        "two signers, two roots, by fingerprint",
    );
    let second = makers.pair[1].fingerprint().to_string();
    add(files, "good/newest-fingerprint.head", pair.head.bytes().to_vec(), &second, "the fingerprint of document 2");
    let late = Forgery::of(&pair).without("trust/1.root.json");
    add(files, "good/late-chain.head", late.head(), "vendor/pair.2.root.json", "a chain that begins with number 2");
    let future = Sample::signed_by(&[&makers.vendor.key], std::slice::from_ref(&makers.future), vec![]).unwrap();
    add(
        files,
        "good/unknown-keys.head",
        future.head.bytes().to_vec(),
        "vendor/future.1.root.json",
        "keys of unknown kinds, an unknown role and an unknown field in the root document",
    );
    let forgery = Forgery::of(&tiny);
    let strange = forgery.clone().sign_beside(&makers.stranger.key).unwrap();
    add(files, "good/strangers-signature.head", strange.head(), ROOT, "a stranger's signature beside the vendor's");
    let unrelated = forgery.insert_before("blobs.json", "trust/revocation.json", makers.revocations[1].bytes());
    add(files, "good/revocation.head", unrelated.head(), ROOT, "a revocation of another release");
}

fn bad_future(makers: &VectorSigners, files: &mut Files) {
    let tiny = Sample::tiny(&makers.vendor).unwrap();
    let future = Forgery::of(&tiny).of_the_future().unwrap();
    let mut add = |name: &str, forgery: Forgery, what| {
        add(files, &format!("bad/{name}.head"), forgery.head(), ROOT, what);
    };
    let signed = future.clone().sign(&makers.vendor.key).unwrap();
    add("future", signed.clone(), "a later format: an unknown requirement, unknown fields and files in the head");
    let area = signed.insert_before("trust/", "signatures/zz.ml-dsa.json", b"{}").insert_before(
        "blobs.json",
        "trust/delegations.json",
        b"[1.5]",
    );
    add("future-area", area, "a later format: unknown files in the area, too");
    add("future-stranger", future.sign(&makers.stranger.key).unwrap(), "the same, signed by a stranger");
    let program = Forgery::of(&tiny).edit("landfall.json", |value| value["program"]["offset"] = json!(1024)).unwrap();
    add("program-offset", program.sign(&makers.vendor.key).unwrap(), "a program that is not the first blob");
    let unknown = Forgery::of(&tiny).insert_before("blobs.json", "trust/delegations.json", b"{}");
    add("unknown-area-file", unknown, "a file of the area that format 1 does not have, and no requirement");
    let carrying =
        |revocation: &[u8]| Forgery::of(&tiny).insert_before("blobs.json", "trust/revocation.json", revocation);
    add("revoked", carrying(makers.revocations[0].bytes()), "the bundle carries its own revocation");
    let text = String::from_utf8(makers.revocations[1].bytes().to_vec()).unwrap();
    let zero = text.replace("\"number\":1", "\"number\":0");
    add("revocation-number", carrying(zero.as_bytes()), "a revocation with number 0");
    let changed = text.replace("loses", "loves");
    add("revocation-changed", carrying(changed.as_bytes()), "a revocation changed after it was signed");
}

fn bad_documents(makers: &VectorSigners, files: &mut Files) {
    let forgery = Forgery::of(&Sample::with_blobs(&makers.vendor, vec![vec![1; (1 << 20) + 1]]).unwrap());
    let key = &makers.vendor.key;
    let mut signed = |name: &str, what, forgery: Forgery| {
        add(files, &format!("bad/{name}.head"), forgery.sign(key).unwrap().head(), ROOT, what);
    };
    let edit = |change: &dyn Fn(&mut Value)| forgery.clone().edit("landfall.json", |value| change(value)).unwrap();
    signed("unknown-format", "format 2", edit(&|value| value["format"] = json!(2)));
    let requirement = json!([{ "feature": "deltas", "landfall": "2.0.0" }]);
    signed("unknown-requirement", "requires something unknown", edit(&|value| value["requires"] = requirement.clone()));
    signed("unknown-field", "a field that format 1 does not have", edit(&|value| value["unknown"] = json!(1)));
    signed(
        "document-path",
        "a document name that leaves its folder",
        edit(&|value| value["documents"][0]["name"] = json!("documents/../x")),
    );
    signed("wrong-type", "the type of another document", edit(&|value| value["type"] = json!("landfall.dev/root/1")));
    signed(
        "wrong-length",
        "another length than blobs.json adds up to",
        edit(&|value| value["payload_bytes"] = json!(512)),
    );
    let text = String::from_utf8(forgery.contents("landfall.json").to_vec()).unwrap();
    let landfall = |text: String| forgery.clone().with("landfall.json", text.as_bytes());
    signed("duplicate-name", "a name twice", landfall(text.replacen("\"format\":1", "\"format\":1,\"format\":1", 1)));
    signed("not-canonical", "a space in landfall.json", landfall(text.replacen("\"format\":1", "\"format\": 1", 1)));
    let half = |from: &str, to: &str| landfall(text.replacen(from, to, 1));
    signed("lone-surrogate", "half a surrogate pair in a value", half("\"name\":\"sample\"", "\"name\":\"\\ud800\""));
    signed(
        "lone-surrogate-name",
        "half a surrogate pair in a name",
        half("\"format\":1", "\"\\ud800\":1,\"format\":1"),
    );
    signed("float", "a number that is no integer", landfall(text.replacen("\"counter\":1", "\"counter\":1.0", 1)));
    let mut chunks = forgery.contents("chunks.b3").to_vec();
    chunks[40] ^= 1;
    signed(
        "chunk-list",
        "a chaining value that does not merge into the root",
        forgery.clone().with("chunks.b3", &chunks).bind().unwrap(),
    );
    let twice = |value: &mut Value| {
        let entry = value["entries"][3].clone();
        value["entries"].as_array_mut().unwrap().push(entry);
    };
    signed("blob-twice", "a blob twice", forgery.clone().edit("blobs.json", twice).unwrap().bind().unwrap());
}

fn bad_head(makers: &VectorSigners, files: &mut Files) {
    let tiny = Sample::tiny(&makers.vendor).unwrap();
    let (forgery, head) = (Forgery::of(&tiny), tiny.head.bytes().to_vec());
    let mut add = |name: &str, bytes, what| add(files, &format!("bad/{name}.head"), bytes, ROOT, what);
    let change = |change: &dyn Fn(&mut HeadFiles)| {
        let mut forgery = forgery.clone();
        change(&mut forgery.files);
        forgery.head()
    };
    let offset =
        |name: &str| head.windows(name.len() + 1).position(|bytes| bytes == format!("{name}\0").as_bytes()).unwrap();
    let poke = |offset: usize, byte: u8| {
        let mut bytes = head.clone();
        bytes[offset] = byte;
        bytes
    };
    add("not-a-bundle", change(&|files| files.remove(0).1.clear()), "a tar that begins with something else");
    add("truncated", head[..head.len() - 512].to_vec(), "the last block is missing");
    add("trailing", [head.clone(), vec![0; 512]].concat(), "a block too many");
    add("header-time", poke(offset("blobs.json") + 146, b'1'), "a modification time, with the checksum of none");
    add("padding", poke(offset("trust/1.root.json") - 1, 1), "padding that is not zero");
    add("document", poke(offset("documents/release.json") + 512, b'['), "a document that does not have its digest");
    add("root-first", change(&|files| files.swap(1, 2)), "a root before the signatures");
    add("root-number", change(&|files| files[2].0 = "trust/2.root.json".to_owned()), "document 1 as number 2");
    add(
        "foreign-file",
        change(&|files| files.insert(3, ("x".to_owned(), vec![]))),
        "a file that format 1 does not have",
    );
    add("area-size", change(&|files| files[2].1 = vec![b' '; 65537]), "a root document above 64 KiB");
    let id = makers.stranger.key.public().id();
    let renamed = format!("signatures/{id}.sigstore.json");
    add("signature-name", change(&|files| files[1].0.clone_from(&renamed)), "a signature under another key's name");
    add("unsigned", forgery.clone().without("signatures/").head(), "no signature");
    add("stranger", forgery.clone().sign(&makers.stranger.key).unwrap().head(), "signed by a key without the role");
    let other = Forgery::of(&Sample::with_blobs(&makers.vendor, vec![]).unwrap()).sign(&makers.vendor.key).unwrap();
    let mut moved: Value = serde_json::from_slice(forgery.contents(&forgery.files[1].0)).unwrap();
    let signature: Value = serde_json::from_slice(other.contents(&other.files[1].0)).unwrap();
    moved["messageSignature"]["signature"] = signature["messageSignature"]["signature"].clone();
    let moved = crate::json::to_canonical("a signature", &moved).unwrap();
    add("bad-signature", change(&|files| files[1].1.clone_from(&moved)), "a valid signature of another bundle");
}

fn bad_trust(makers: &VectorSigners, files: &mut Files) {
    let tiny = Sample::tiny(&makers.vendor).unwrap();
    let (forgery, head) = (Forgery::of(&tiny), tiny.head.bytes().to_vec());
    let fingerprint = makers.vendor.root.fingerprint().to_string();
    let mut malformed =
        |name: &str, trust: &str, what| add(files, &format!("bad/{name}.head"), head.clone(), trust, what);
    malformed("fingerprint-upper-case", &fingerprint.to_uppercase(), "a fingerprint in upper case");
    malformed("fingerprint-short", &fingerprint[..70], "a fingerprint with a digit missing");
    malformed("fingerprint-other", &makers.stranger.root.fingerprint().to_string(), "the fingerprint of another root");
    malformed("root-differs", "vendor/stranger.1.root.json", "another root of the same number");

    let change_root =
        |change: &dyn Fn(&mut Value)| forgery.clone().edit("trust/1.root.json", |value| change(value)).unwrap().head();
    let id = makers.vendor.key.public().id().to_string();
    add(
        files,
        "bad/root-threshold.head",
        change_root(&|value| value["signed"]["roles"]["release"]["threshold"] = json!(0)),
        ROOT,
        "a threshold of 0",
    );
    let der = makers.vendor.key.public().der();
    let compressed = [&der[..26], &[2 + (der[90] & 1)], &der[27..59]].concat();
    let compress = |value: &mut Value| {
        // The id matches the bytes, so that only the encoding is wrong.
        let other = crate::head::FileDigest::of(&compressed).sha256.to_hex();
        let text = value.to_string().replace(&id, &other).replace(&STANDARD.encode(der), &STANDARD.encode(&compressed));
        *value = serde_json::from_str(&text).unwrap();
    };
    add(files, "bad/root-key.head", change_root(&compress), ROOT, "a key in another encoding");
    add(
        files,
        "bad/root-changed.head",
        change_root(&|value| value["signed"]["development"] = json!(false)),
        ROOT,
        "a root changed after it was signed",
    );

    let pair = Sample::signed_by(&[&makers.vendor.key, &makers.second], &makers.pair, vec![]).unwrap();
    let pair = Forgery::of(&pair);
    let threshold = pair.clone().sign(&makers.vendor.key).unwrap();
    add(
        files,
        "bad/threshold.head",
        threshold.head(),
        "vendor/pair.1.root.json",
        "one signature where two are required",
    );
    let second = makers.second.public().id().to_string();
    let unsign = |value: &mut Value| drop(value["signatures"].as_object_mut().unwrap().remove(&second));
    let late = pair.clone().without("trust/1.root.json");
    add(
        files,
        "bad/chain-too-young.head",
        late.head(),
        "vendor/pair.1.root.json",
        "a chain that begins after the trust",
    );
    let rotation = pair.edit("trust/2.root.json", unsign).unwrap();
    add(files, "bad/rotation.head", rotation.head(), "vendor/pair.1.root.json", "a root signed by one of two keys");
}

fn bad_payload(makers: &VectorSigners, files: &mut Files) {
    let tiny = Sample::tiny(&makers.vendor).unwrap();
    let stream = tiny.stream();
    let entries = tiny.head.verified_head().layout().entries();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let mut add = |name: &str, bytes, what| add(files, &format!("bad/{name}.landfall"), bytes, ROOT, what);
    let poke = |offset: usize, bytes: &[u8]| {
        let mut changed = stream.clone();
        changed[offset..offset + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let mut link = entries[4].header();
    link[156] = b'2';
    let link = with_checksum(link);
    let mode = with_checksum(archive::header(&entries[4].name, entries[4].size, 0o4755));
    let name = with_checksum(archive::header("../../etc/passwd", entries[4].size, 0o644));
    let offset = at(entries[4].header_offset);
    add("symbolic-link", poke(offset, &link), "a blob as a symbolic link, checksum right");
    add("set-user-id", poke(offset, &mode), "a blob that is set-user-id, checksum right");
    add("path", poke(offset, &name), "a name that leaves the folder, checksum right");
    add("blob", poke(at(entries[4].offset()) + 5, b"?"), "a changed byte in a blob");
    add("blob-padding", poke(at(entries[4].end()) + 1, b"?"), "a changed byte in the padding of a blob");
    add("end", poke(stream.len() - 1, b"?"), "a changed byte in the end blocks");
    add("payload-truncated", stream[..at(entries[4].offset()) + 100].to_vec(), "ends inside a blob");
    add("end-missing", stream[..stream.len() - 512].to_vec(), "one end block instead of two");
    add("payload-trailing", [stream.clone(), b"x".to_vec()].concat(), "a byte after the end blocks");
    add(
        "swapped",
        {
            let (one, two) = (at(entries[3].header_offset), at(entries[4].header_offset));
            let end = stream.len() - 1024;
            [&stream[..one], &stream[two..end], &stream[one..two], &stream[end..]].concat()
        },
        "two blobs in another order",
    );
}

fn with_checksum(mut header: archive::Header) -> archive::Header {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

fn headers() -> Vec<HeaderVector> {
    let sizes = [0, 1, (1 << 33) - 1, 1 << 33, (9 << 30) + 1];
    let vector = |size| {
        let (name, mode) = (format!("blobs/sha256/{}", "ab".repeat(32)), 0o644);
        HeaderVector { header: STANDARD.encode(archive::header(&name, size, mode)), name, size, mode }
    };
    sizes.map(vector).into_iter().collect()
}

#[test]
#[ignore = "writes the vectors that are missing; see bundle-spec/vectors/README.md"]
fn write_missing_vectors() {
    let makers = makers();
    let mut files = Files::new();
    good(&makers, &mut files);
    bad_documents(&makers, &mut files);
    bad_head(&makers, &mut files);
    bad_trust(&makers, &mut files);
    bad_payload(&makers, &mut files);
    bad_future(&makers, &mut files);
    let mut vectors = Vec::new();
    for (file, (bytes, what, trust)) in files {
        if !folder().join(&file).exists() {
            write(&file, &bytes);
        }
        let (id, code) = match read(&file, &trust) {
            Ok(id) => (Some(id), None),
            Err(error) => (None, Some(landfall_error_codes::CodedError::code(&error).id.to_owned())),
        };
        assert_eq!(id.is_some(), Path::new(&file).starts_with("good"), "{file}");
        // The stream after the head is read from files, and the command's error names the file.
        let is_whole = Path::new(&file).extension().is_some_and(|extension| extension == "landfall");
        let command = code.as_ref().filter(|_| is_whole).map(|code| match code.as_str() {
            "LF1001" => "LF1215".to_owned(),
            "LF1005" => "LF1209".to_owned(),
            _ => "LF1208".to_owned(),
        });
        vectors.push(Vector { file, what: what.to_owned(), trust, id, code, command });
    }
    let mut index = serde_json::to_vec_pretty(&Index { vectors, headers: headers() }).unwrap();
    index.push(b'\n');
    write("index.json", &index);
}
