use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::error::{Error, Result};
use crate::limits;
use crate::sample::{Forgery, Sample, Vendor};
use crate::trust::{KeyKind, Revocation, RevokedRelease, Root, RootContents, SigningKey, TrustAnchor, UnsignedRoot};
use landfall_error_codes::CodedError;

const MIB: usize = 1024 * 1024;

type Files = Vec<(String, Vec<u8>)>;

fn vendor() -> Vendor {
    Vendor::new(KeyKind::EcdsaP256).unwrap()
}

fn check(head: &[u8], anchor: &TrustAnchor) -> Result<Verified> {
    Verified::read_file(head, anchor)
}

fn code<T>(result: Result<T>) -> &'static str {
    result.err().map_or("accepted", |error| error.code().id)
}

/// A head with all optional parts: two roots, two signers, a blob with chunks.
struct Rich {
    sample: Sample,
    first: Root,
    keys: [SigningKey; 2],
}

fn rich() -> Rich {
    let keys = [KeyKind::EcdsaP256, KeyKind::Ed25519].map(|kind| SigningKey::generate(kind).unwrap());
    let public: Vec<_> = keys.iter().map(|key| key.public().clone()).collect();
    let sign = |contents: &RootContents, previous: Option<&Root>| {
        let mut root = UnsignedRoot::new(contents).unwrap();
        for key in &keys {
            root.sign(key).unwrap();
        }
        root.finish(previous).unwrap()
    };
    let both = RootContents {
        root: (public.clone(), 2),
        release: (public, 2),
        ..RootContents::single(keys[0].public(), true)
    };
    let first = sign(&both, None);
    let second = sign(&RootContents { number: 2, ..both }, Some(&first));
    let blobs = vec![vec![3; 2 * MIB + 100], b"small".to_vec()];
    let sample = Sample::signed_by(&[&keys[0], &keys[1]], &[first.clone(), second], blobs).unwrap();
    Rich { sample, first, keys }
}

#[test]
fn head_round_trips() {
    let rich = rich();
    let head = rich.sample.head.bytes();
    let verified = check(head, &TrustAnchor::Fingerprint(rich.first.fingerprint())).unwrap();
    assert_eq!(verified.trusted_root().root().number(), 2);
    assert_eq!(verified.signers().len(), 2);
    let release = Forgery::of(&rich.sample);
    assert_eq!(verified.small_document("documents/release.json"), Some(release.contents("documents/release.json")));
    assert_eq!(verified.small_document("documents/none.json"), None);
    let names: Vec<_> = verified.small_documents().map(|(name, _)| name).collect();
    assert_eq!(names, ["documents/release.json", "documents/site.schema.json"]);
    assert_eq!(verified.head_bytes(), head);
    assert_eq!(verified.chunk_values(3).len(), 3);
    assert!(verified.chunk_values(4).is_empty() && verified.chunk_values(99).is_empty());
    assert_eq!(verified.bundle_name().stem(), format!("sample-1.0.0-{}", &verified.id().to_hex()[..12]));

    let stream = rich.sample.stream();
    let mut source = stream.as_slice();
    Opened::read(&mut source).unwrap();
    assert_eq!(source, &stream[head.len()..], "the reader stops right after the head");
}

#[test]
fn flipped_head_bytes_are_refused() {
    let rich = rich();
    let head = rich.sample.head.bytes();
    let anchor = TrustAnchor::Fingerprint(rich.first.fingerprint());
    assert!(check(head, &anchor).is_ok());
    let mut codes = BTreeMap::<_, u32>::new();
    let mut bad = head.to_vec();
    for index in 0..head.len() {
        for bits in [1 << (index % 8), 0x20, 0xff] {
            bad[index] ^= bits;
            let refused = code(check(&bad, &anchor));
            assert_ne!(refused, "accepted", "byte {index} is free: {bits:#x}");
            *codes.entry(refused).or_default() += 1;
            bad[index] = head[index];
        }
    }
    for region in ["LF1002", "LF1006", "LF1007", "LF1012", "LF1015", "LF1103", "LF1106", "LF1111"] {
        assert!(codes.contains_key(region), "{region} never occurred: {codes:?}");
    }
}

#[test]
fn truncated_heads_are_refused() {
    let rich = rich();
    let head = rich.sample.head.bytes();
    for length in 0..head.len() {
        let expected = if length == 0 { "LF1002" } else { "LF1001" };
        assert_eq!(code(Opened::read_file(&head[..length])), expected, "{length}");
    }
    assert_eq!(code(Opened::read_file(&[head, b"\0"].concat())), "LF1005");
}

#[test]
fn foreign_files_are_not_bundles() {
    for bytes in [&b""[..], b"x", b"PK\x03\x04", &[0; 4096], b"landfall.jso\0"] {
        assert_eq!(code(Opened::read_file(bytes)), "LF1002");
    }
    assert_eq!(code(Opened::read_file(b"landfall.json\0")), "LF1001");
}

#[test]
fn untrusted_heads_are_refused() {
    let (vendor, stranger) = (vendor(), vendor());
    let sample = Sample::tiny(&vendor).unwrap();
    let head = sample.head.bytes();
    assert_eq!(code(check(head, &stranger.anchor())), "LF1109");
    assert_eq!(code(check(head, &TrustAnchor::Fingerprint(stranger.root.fingerprint()))), "LF1103");
    assert_eq!(code(check(head, &TrustAnchor::Root(b"junk".to_vec()))), "LF1012");
    let forgery = Forgery::of(&sample);
    assert_eq!(forgery.head(), head, "disassembled and reassembled");
    assert_eq!(code(check(&forgery.clone().without("signatures/").head(), &vendor.anchor())), "LF1104");
    let resigned = forgery.clone().sign(&stranger.key).unwrap();
    assert_eq!(code(check(&resigned.head(), &vendor.anchor())), "LF1105");
    let fingerprint = TrustAnchor::Fingerprint(vendor.root.fingerprint());
    assert_eq!(code(check(&forgery.clone().without("trust/").head(), &fingerprint)), "LF1103");
    assert_eq!(code(check(&forgery.without("trust/").head(), &vendor.anchor())), "accepted", "the anchor is the root");
}

#[test]
fn thresholds_count_distinct_keys() {
    let rich = rich();
    let one = Forgery::of(&rich.sample).sign(&rich.keys[0]).unwrap();
    assert_eq!(code(check(&one.head(), &TrustAnchor::Fingerprint(rich.first.fingerprint()))), "LF1107");
    let mut twice = one.clone();
    twice.files.insert(1, one.files[1].clone());
    assert_eq!(code(Opened::read_file(&twice.head())), "LF1016");
    assert_eq!(code(check(&twice.head(), &TrustAnchor::Fingerprint(rich.first.fingerprint()))), "LF1016");
}

#[test]
fn signed_rule_violations_are_refused() {
    let vendor = vendor();
    let forgery = Forgery::of(&Sample::with_blobs(&vendor, vec![vec![1; MIB + 1], vec![2]]).unwrap());
    let resign = |forgery: Forgery| check(&forgery.sign(&vendor.key).unwrap().head(), &vendor.anchor());
    let landfall =
        |change: &dyn Fn(&mut Value)| resign(forgery.clone().edit("landfall.json", |value| change(value)).unwrap());
    let blobs = |change: &dyn Fn(&mut Value)| {
        resign(forgery.clone().edit("blobs.json", |value| change(value)).unwrap().bind().unwrap())
    };
    assert_eq!(code(landfall(&|_| ())), "accepted");
    assert_eq!(code(landfall(&|value| value["format"] = json!(2))), "LF1003");
    assert_eq!(
        code(landfall(&|value| value["requires"] = json!([{ "feature": "deltas", "landfall": "2.0.0" }]))),
        "LF1004"
    );
    assert_eq!(code(landfall(&|value| value["type"] = json!("landfall.dev/license/1"))), "LF1013");
    assert_eq!(code(landfall(&|value| value["unknown"] = json!(1))), "LF1012");
    assert_eq!(code(landfall(&|value| value["name"] = json!("../x"))), "LF1012");
    assert_eq!(code(landfall(&|value| value["documents"][0]["name"] = json!("documents/../x"))), "LF1012");
    assert_eq!(code(landfall(&|value| value["payload_bytes"] = json!(5120))), "LF1017");
    assert_eq!(code(landfall(&|value| value["blobs"]["size"] = json!(1_u64 << 40))), "LF1012");
    assert_eq!(code(landfall(&|value| value["chunks"]["size"] = json!(0))), "LF1006");
    assert_eq!(code(blobs(&|value| value["entries"][3]["size"] = json!(4 * MIB))), "LF1009");
    assert_eq!(code(blobs(&|value| value["entries"][3]["blake3"] = value["entries"][0]["blake3"].clone())), "LF1009");
    assert_eq!(code(blobs(&|value| value["entries"][4] = value["entries"][3].clone())), "LF1012");
    let mut chunks = forgery.contents("chunks.b3").to_vec();
    chunks[0] ^= 1;
    assert_eq!(code(resign(forgery.clone().with("chunks.b3", &chunks).bind().unwrap())), "LF1009");
    chunks.pop();
    assert_eq!(code(resign(forgery.clone().with("chunks.b3", &chunks).bind().unwrap())), "LF1009");
    let spaced = forgery
        .contents("landfall.json")
        .iter()
        .flat_map(|byte| if *byte == b':' { vec![b':', b' '] } else { vec![*byte] });
    assert_eq!(code(resign(forgery.clone().with("landfall.json", &spaced.collect::<Vec<u8>>()))), "LF1011");
    let text = String::from_utf8(forgery.contents("landfall.json").to_vec()).unwrap();
    let twice = text.replacen("\"format\":1", "\"format\":1,\"format\":1", 1);
    assert_eq!(code(resign(forgery.clone().with("landfall.json", twice.as_bytes()))), "LF1010");
}

#[test]
fn unknown_requirement_needs_trusted_bundle() {
    let (vendor, stranger) = (vendor(), vendor());
    let require = |value: &mut Value| value["requires"] = json!([{ "feature": "deltas", "landfall": "2.0.0" }]);
    let forgery = Forgery::of(&Sample::tiny(&vendor).unwrap()).edit("landfall.json", require).unwrap();
    let signed = forgery.clone().sign(&stranger.key).unwrap();
    assert_eq!(code(check(&signed.head(), &vendor.anchor())), "LF1105");
    let error = check(&forgery.sign(&vendor.key).unwrap().head(), &vendor.anchor()).unwrap_err();
    assert!(matches!(error, Error::UnknownRequirement { .. }));
}

#[test]
fn area_files_have_order_and_limits() {
    let vendor = vendor();
    let forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
    let refused = |change: &dyn Fn(&mut Files)| {
        let mut forgery = forgery.clone();
        change(&mut forgery.files);
        code(Opened::read_file(&forgery.head()))
    };
    assert_eq!(refused(&|files| files.swap(1, 2)), "LF1016", "a root before the signatures");
    assert_eq!(refused(&|files| files[2].0 = "trust/2.root.json".to_owned()), "LF1016");
    assert_eq!(refused(&|files| files[2].0 = "trust/../1.root.json".to_owned()), "LF1016");
    assert_eq!(refused(&|files| files.insert(3, ("trust/2.root.json".to_owned(), files[2].1.clone()))), "LF1016");
    assert_eq!(refused(&|files| files.insert(3, ("foreign.json".to_owned(), b"{}".to_vec()))), "LF1016");
    assert_eq!(refused(&|files| files[1].0 = format!("signatures/{}.sigstore.json", "0".repeat(64))), "LF1111");
    assert_eq!(refused(&|files| files.swap(3, 4)), "LF1016", "chunks.b3 before blobs.json");
    assert_eq!(refused(&|files| files.swap(4, 5)), "LF1006", "a document before chunks.b3");
    assert_eq!(refused(&|files| files[2].1 = vec![b' '; 65537]), "LF1014");
    assert_eq!(refused(&|files| files[0].1 = vec![b' '; 65537]), "LF1014");
    assert_eq!(refused(&|files| files[0].1 = vec![b'['; 65536]), "LF1012");
    assert_eq!(refused(&|files| files.insert(3, ("trust/revocation.json".to_owned(), b"{}".to_vec()))), "LF1013");
}

#[test]
fn head_accepts_sixteen_signatures() {
    let keys: Vec<SigningKey> = (0..17).map(|_| SigningKey::generate(KeyKind::Ed25519).unwrap()).collect();
    let public: Vec<_> = keys.iter().map(|key| key.public().clone()).collect();
    let contents = RootContents { release: (public, 1), ..RootContents::single(keys[0].public(), true) };
    let mut root = UnsignedRoot::new(&contents).unwrap();
    root.sign(&keys[0]).unwrap();
    let root = root.finish(None).unwrap();
    let write = |count: usize| {
        Sample::signed_by(&keys.iter().take(count).collect::<Vec<_>>(), std::slice::from_ref(&root), vec![])
    };
    assert_eq!(write(limits::SIGNATURES).unwrap().head.verified_head().signers().len(), 16);
    assert_eq!(code(write(limits::SIGNATURES + 1)), "LF1014");
}

#[test]
fn trust_area_size_is_limited() {
    let vendor = vendor();
    let forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
    let padded = |count: usize, size: usize| {
        let mut forgery = forgery.clone();
        let files = (0..count).map(|index| (format!("trust/x{index}"), vec![b' '; size]));
        forgery.files.splice(3..3, files);
        code(check(&forgery.head(), &vendor.anchor()))
    };
    assert_eq!(padded(limits::ROOTS, 0), "LF1016", "as many as allowed, and unknown");
    assert_eq!(padded(limits::ROOTS + 1, 0), "LF1014");
    assert_eq!(padded(127, 65536), "LF1016");
    assert_eq!(padded(128, 65536), "LF1014");
}

#[test]
fn unknown_signatures_are_ignored() {
    let rich = rich();
    let anchor = TrustAnchor::Fingerprint(rich.first.fingerprint());
    let strangers: Vec<_> = (0..3).map(|_| SigningKey::generate(KeyKind::Ed25519).unwrap()).collect();
    let beside =
        |forgery: Forgery| strangers.iter().fold(forgery, |forgery, stranger| forgery.sign_beside(stranger).unwrap());
    let head = beside(Forgery::of(&rich.sample)).head();
    let verified = check(&head, &anchor).unwrap();
    assert_eq!(verified.signers().len(), 2, "they are not named as signers");
    assert_eq!(Opened::read_file(&head).unwrap().signatures().len(), 5);
    let short = beside(Forgery::of(&rich.sample).sign(&rich.keys[0]).unwrap());
    assert_eq!(code(check(&short.head(), &anchor)), "LF1107", "they do not count");
    let none = beside(Forgery::of(&rich.sample).without("signatures/"));
    assert_eq!(code(check(&none.head(), &anchor)), "LF1105");
}

#[test]
fn future_bundle_hands_over() {
    let (vendor, stranger) = (vendor(), vendor());
    let sample = Sample::carrying(&vendor, b"the program of a later version".to_vec()).unwrap();
    let future = Forgery::of(&sample).of_the_future().unwrap();
    let signed = future.clone().sign(&vendor.key).unwrap();
    let stream = signed.stream();
    let sealed = Sealed::read(stream.as_slice()).unwrap();
    let trusted = sealed.trust(&vendor.anchor()).unwrap();
    let refusal = trusted.check_requirements().unwrap_err();
    assert_eq!(refusal.to_string(), "landfall.json requires `parity`, which Landfall understands from version 2.0.0");
    let program = trusted.program().unwrap();
    let start = usize::try_from(program.offset).unwrap();
    let bytes = &stream[start..start + usize::try_from(program.size).unwrap()];
    assert_eq!(bytes, b"the program of a later version");
    assert_eq!(FileDigest::of(bytes).sha256, program.sha256);
    assert_eq!(code(trusted.into_verified()), "LF1004");
    // Unknown files of the area do not change that.
    let area = signed.clone().insert_before("trust/", "signatures/new.sig", b"\x1b[31m").insert_before(
        "blobs.json",
        "trust/new.json",
        b"",
    );
    let area = area.head();
    let trusted = Sealed::read(area.as_slice()).unwrap().trust(&vendor.anchor()).unwrap();
    assert_eq!(trusted.check_requirements().unwrap_err().code().id, "LF1004");
    // Another format, announced and unannounced.
    for (format, expected) in [("2", "format 2"), ("\"x\"", "format none")] {
        let text = format!(r#"{{"type":"landfall.dev/bundle/1","format":{format}}}"#);
        let other = future.clone().with("landfall.json", text.as_bytes()).sign(&vendor.key).unwrap();
        let refusal = check(&other.head(), &vendor.anchor()).unwrap_err();
        assert!(refusal.code().id == "LF1003" && refusal.to_string().contains(expected), "{refusal}");
    }
    // An unsigned head is not interpreted.
    assert_eq!(code(check(&future.clone().without("signatures/").head(), &vendor.anchor())), "LF1104");
    assert_eq!(code(check(&future.sign(&stranger.key).unwrap().head(), &vendor.anchor())), "LF1105");
}

#[test]
fn flipped_future_document_is_refused() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let signed = Forgery::of(&Sample::tiny(&vendor).unwrap()).of_the_future().unwrap().sign(&vendor.key).unwrap();
    let head = signed.head();
    let length = signed.contents("landfall.json").len();
    for index in 512..512 + length {
        let mut bad = head.clone();
        bad[index] ^= 1;
        assert_eq!(code(check(&bad, &vendor.anchor())), "LF1106", "byte {index}");
    }
}

#[test]
fn bundle_requirements_are_written() {
    let vendor = vendor();
    let sample = Sample::tiny(&vendor).unwrap();
    let verified = sample.head.verified_head();
    let lists = vec![&[][..]; verified.blobs().entries().len()];
    let requires = |feature: &str| {
        let head = UnsignedHead::new(&verified.identity(), vec![], verified.blobs(), &lists).unwrap();
        let mut head = head.requiring(vec![Requirement { feature: feature.into(), landfall: "2.0.0".into() }])?;
        head.sign(&vendor.key)?;
        head.finish(std::slice::from_ref(&vendor.root))
    };
    let head = requires("deltas").unwrap();
    assert_eq!(head.verified_head().document().requires.len(), 1);
    assert_eq!(code(check(head.bytes(), &vendor.anchor())), "LF1004");
    assert_eq!(code(requires("Not a label")), "LF1020");
}

#[test]
fn revocation_is_carried_and_obeyed() {
    let vendor = vendor();
    let forgery = Forgery::of(&Sample::tiny(&vendor).unwrap());
    let sign = |number: u64, name: &str, key: &SigningKey| {
        let release = RevokedRelease {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            bundle: None,
            reason: "loses data".to_owned(),
        };
        let revocation = Revocation::new(number, vec![release]).unwrap();
        let signature = key.sign(revocation.message()).unwrap();
        revocation.with_signature(key.public().id(), &signature).unwrap()
    };
    let carrying = |revocation: &Revocation| {
        let bytes = revocation.bytes();
        check(&forgery.clone().insert_before("blobs.json", "trust/revocation.json", bytes).head(), &vendor.anchor())
    };
    let other = sign(3, "another", &vendor.key);
    let verified = carrying(&other).unwrap();
    assert_eq!(verified.revocation().unwrap().number(), 3);
    let refusal = carrying(&sign(3, "sample", &vendor.key)).unwrap_err();
    assert_eq!(refusal.to_string(), "sample 1.0.0 is revoked by revocation 3: loses data");
    assert_eq!(code(carrying(&sign(3, "sample", &self::vendor().key))), "LF1105", "an unknown key revokes nothing");
    assert_eq!(code(carrying(&Revocation::new(1, vec![]).unwrap())), "LF1104");
    // A revocation that the site knows also applies, before the bundle is interpreted.
    let future = forgery.clone().of_the_future().unwrap().sign(&vendor.key).unwrap();
    let head = future.head();
    let signed = Sealed::read(head.as_slice()).unwrap().trust(&vendor.anchor()).unwrap();
    assert!(signed.check_revoked(&other).is_ok());
    assert_eq!(code(signed.check_revoked(&sign(4, "sample", &vendor.key))), "LF1131");
    assert_eq!(code(other.clone().newest(sign(3, "sample", &vendor.key))), "LF1132");
    assert_eq!(other.newest(sign(4, "sample", &vendor.key)).unwrap().number(), 4);
}

#[test]
fn invalid_heads_cannot_be_written() {
    let vendor = vendor();
    let sample = Sample::tiny(&vendor).unwrap();
    let verified = sample.head.verified_head();
    let identity = verified.identity();
    let lists = vec![&[][..]; verified.blobs().entries().len()];
    let document = |name: &str| vec![NewDocument { name: name.to_owned(), bytes: vec![] }];
    let new = |identity: &Identity, documents| UnsignedHead::new(identity, documents, verified.blobs(), &lists);
    for name in ["release.json", "documents/A", "documents/../a", "documents/"] {
        assert_eq!(code(new(&identity, document(name))), "LF1020", "{name}");
    }
    assert_eq!(code(new(&identity, [document("documents/a"), document("documents/a")].concat())), "LF1020");
    assert_eq!(code(new(&Identity { name: "A".to_owned(), ..identity.clone() }, vec![])), "LF1020");
    assert_eq!(code(new(&Identity { built_at: "now".to_owned(), ..identity.clone() }, vec![])), "LF1020");
    assert_eq!(code(UnsignedHead::new(&identity, vec![], verified.blobs(), &lists[1..])), "LF1020");
    let wrong = [[0; 32]];
    let mut bad_lists = lists.clone();
    bad_lists[0] = &wrong;
    assert_eq!(code(UnsignedHead::new(&identity, vec![], verified.blobs(), &bad_lists)), "LF1020");

    let roots = std::slice::from_ref(&vendor.root);
    assert_eq!(code(new(&identity, vec![]).unwrap().finish(roots)), "LF1104");
    let mut head = new(&identity, vec![]).unwrap();
    head.sign(&self::vendor().key).unwrap();
    assert_eq!(code(head.finish(roots)), "LF1105");
    let mut head = new(&identity, vec![]).unwrap();
    head.sign(&vendor.key).unwrap();
    assert_eq!(code(head.finish(&[])), "LF1114");
}

#[test]
fn failing_sources_are_named() {
    struct FailingReader;
    impl std::io::Read for FailingReader {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the stick is gone"))
        }
    }
    let sample = Sample::tiny(&vendor()).unwrap();
    let source = std::io::Read::chain(&sample.head.bytes()[..600], FailingReader);
    let error = Opened::read(source).unwrap_err();
    assert_eq!(error.to_string(), "landfall.json cannot be read");
    assert_eq!(error.code().id, "LF1018");
}

#[test]
fn patched_heads_never_panic() {
    use proptest::prelude::*;
    let rich = rich();
    let head = rich.sample.head.bytes().to_vec();
    let anchor = TrustAnchor::Fingerprint(rich.first.fingerprint());
    proptest!(ProptestConfig::with_cases(400), |(
        start in 0..head.len(),
        patch in prop::collection::vec(any::<u8>(), 1..600)
    )| {
        let mut bad = head.clone();
        let end = (start + patch.len()).min(bad.len());
        bad[start..end].copy_from_slice(&patch[..end - start]);
        prop_assert!(bad == head || check(&bad, &anchor).is_err());
    });
}
