//! Tests of the accepted forms of provenance, and of the error for each way to alter it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_error_codes::CodedError as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::digest::Sha256;
use crate::dsse::pre_authentication_encoding;
use crate::error::Result;
use crate::head::{NewDocument, UnsignedHead, Verified};
use crate::sample::{self, Sample, Vendor};
use crate::trust::{KeyKind, PublicKey, RootContents, SigningKey, UnsignedRoot};

const NAME: &str = "sample-1.0.0-abababababab.provenance.json";

fn vendor() -> Vendor {
    Vendor::new(KeyKind::Ed25519).unwrap()
}

fn bundle(vendor: &Vendor) -> Verified {
    Sample::tiny(vendor).unwrap().head.into_verified()
}

fn statement(bundle: &Verified) -> Statement {
    let image = Material::new("docker.io/a/b:1", Sha256([3; 32])).from_uri("pkg:oci/b@sha256:03").of_kind("image");
    let source = Material::new("manifests/a.yaml", Sha256([4; 32])).of_kind("source");
    sample::statement(bundle, vec![image, source])
}

fn sign_statement(keys: &[&SigningKey], statement: &Statement, bundle: &Verified) -> Result<Vec<u8>> {
    let mut unsigned = UnsignedProvenance::new(statement)?;
    keys.iter().try_for_each(|key| unsigned.sign(key))?;
    unsigned.finish(NAME, bundle)
}

fn verify_provenance(bytes: &[u8], bundle: &Verified) -> Result<VerifiedProvenance> {
    Provenance::read(NAME, bytes)?.verify(bundle)
}

fn refusal(value: &Value, bundle: &Verified) -> &'static str {
    verify_provenance(value.to_string().as_bytes(), bundle).map_or_else(|error| error.code().id, |_| "accepted")
}

/// Returns an envelope with any text as its payload, signed by this key.
fn envelope(key: &SigningKey, payload: &str) -> Value {
    let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, payload.as_bytes())).unwrap();
    json!({
        "payload": STANDARD.encode(payload), "payloadType": PAYLOAD_TYPE,
        "signatures": [{ "keyid": key.public().envelope_key_id(), "sig": STANDARD.encode(signature) }],
    })
}

#[test]
fn signed_encoding_matches_specification() {
    let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

/// The expected values are the output of `ssh-keygen -lf` for these keys.
#[test]
fn key_ids_match_openssh() {
    for (body, expected) in [
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMlFJuVrjlK5JhLqIoX38o7Us\
            WgiguhPaj/hbXQitXF/O4Viohzz5a83iLMYbY9OxVVerAdcksq4yhxSlT6bapw==",
            "SHA256:D8HvO39X8HnL657uS7LWybY+PbLjuJ8QiwdWcu/+/Jk",
        ),
        (
            "MCowBQYDK2VwAyEALoXGB+wJ5r8zOxzdHXAddXZWmWn4TlVz+AA4wPoExmI=",
            "SHA256:0ZGqtT9nkiW4nCHXxsGFBGUTt0C53UITvmWspFidpKI",
        ),
    ] {
        let key = PublicKey::from_der("a key", &STANDARD.decode(body).unwrap()).unwrap();
        assert_eq!(key.envelope_key_id(), expected);
    }
}

#[test]
fn provenance_verifies_and_is_reproducible() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Ed25519] {
        let vendor = Vendor::new(kind).unwrap();
        let bundle = bundle(&vendor);
        let statement = statement(&bundle);
        let bytes = sign_statement(&[&vendor.key], &statement, &bundle).unwrap();
        let verified = verify_provenance(&bytes, &bundle).unwrap();
        assert_eq!(verified.statement(), &statement);
        assert_eq!(verified.signers(), [vendor.key.public().id()]);
        assert_eq!(verified.value()["subject"][0]["digest"]["sha256"], bundle.id().to_hex());
        if kind == KeyKind::Ed25519 {
            assert_eq!(sign_statement(&[&vendor.key], &statement, &bundle).unwrap(), bytes);
        }
    }
}

/// Fails unless a resource has the form of in-toto's `ResourceDescriptor`.
fn check_resource(resource: &Value) {
    let known = ["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"];
    let fields = resource.as_object().unwrap();
    assert!(fields.keys().all(|field| known.contains(&field.as_str())), "{resource}");
    assert!(["uri", "digest", "content"].iter().any(|field| fields.contains_key(*field)), "{resource}");
    for (algorithm, digest) in fields["digest"].as_object().unwrap() {
        let digits = digest.as_str().unwrap();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        assert!(algorithm == "sha256" && digits.len() == 64 && is_hex, "{resource}");
    }
    if let Some(uri) = fields.get("uri") {
        check_uri(uri);
    }
}

fn check_uri(uri: &Value) {
    let (scheme, rest) = uri.as_str().unwrap().split_once(':').expect("a URI has a scheme");
    assert!(!rest.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{uri}");
}

/// Checks the published rules of in-toto's Statement v1 and SLSA's Provenance v1 for each field.
#[test]
fn provenance_fields_match_specifications() {
    let vendor = vendor();
    let bundle = bundle(&vendor);
    let bytes = sign_statement(&[&vendor.key], &statement(&bundle), &bundle).unwrap();
    let envelope: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let value: Value = serde_json::from_slice(&payload).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut fields = names(&value);
    fields.sort();
    assert_eq!(fields, ["_type", "predicate", "predicateType", "subject"]);
    assert_eq!((&value["_type"], &value["predicateType"]), (&STATEMENT_TYPE.into(), &PREDICATE_TYPE.into()));
    let subjects = value["subject"].as_array().unwrap();
    assert!(!subjects.is_empty() && subjects.iter().all(|subject| !subject["digest"].as_object().unwrap().is_empty()));
    subjects.iter().for_each(check_resource);
    let (definition, run) = (&value["predicate"]["buildDefinition"], &value["predicate"]["runDetails"]);
    check_uri(&definition["buildType"]);
    assert!(!definition["externalParameters"].as_object().unwrap().is_empty());
    definition["resolvedDependencies"].as_array().unwrap().iter().for_each(check_resource);
    check_uri(&run["builder"]["id"]);
    assert!(run["builder"]["version"].as_object().unwrap().values().all(Value::is_string));
    let started = run["metadata"]["startedOn"].as_str().unwrap();
    assert!(started.len() == 20 && started.ends_with('Z') && started.as_bytes()[10] == b'T', "{started}");
}

#[test]
fn altered_provenance_has_specific_codes() {
    let vendor = vendor();
    let bundle = bundle(&vendor);
    let good: Value =
        serde_json::from_slice(&sign_statement(&[&vendor.key], &statement(&bundle), &bundle).unwrap()).unwrap();
    let changed = |pointer: &str, to: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = to;
        refusal(&changed, &bundle)
    };
    assert_eq!(refusal(&good, &bundle), "accepted");
    // Case: the statement was altered.
    let payload = STANDARD.decode(good["payload"].as_str().unwrap()).unwrap();
    let altered = String::from_utf8(payload).unwrap().replace("linux/amd64", "linux/arm64");
    assert_eq!(changed("/payload", STANDARD.encode(altered).into()), "LF1106");
    // Cases: another signature by the same key, no signature, a signature by an unknown key.
    assert_eq!(changed("/signatures/0/sig", STANDARD.encode(vendor.key.sign(b"other").unwrap()).into()), "LF1106");
    assert_eq!(changed("/signatures", json!([])), "LF1104");
    let stranger = SigningKey::generate(KeyKind::Ed25519).unwrap();
    let text = serde_json::to_string(&statement(&bundle)).unwrap();
    assert_eq!(refusal(&envelope(&stranger, &text), &bundle), "LF1142");
    // Case: another type of payload or statement, even if signed by the right key.
    assert_eq!(changed("/payloadType", "text/plain".into()), "LF1013");
    for kind in [STATEMENT_TYPE, PREDICATE_TYPE, BUILD_TYPE] {
        let other = text.replace(kind, "https://example.com/other");
        assert_eq!(refusal(&envelope(&vendor.key, &other), &bundle), "LF1013", "{kind}");
    }
    assert_eq!(refusal(&envelope(&vendor.key, "{}"), &bundle), "LF1013");
    assert_eq!(refusal(&envelope(&vendor.key, &text.replace("\"version\"", "\"other\"")), &bundle), "LF1012");
    // Case: no envelope, or one that is too large.
    assert_eq!(verify_provenance(b"not JSON", &bundle).unwrap_err().code().id, "LF1012");
    assert_eq!(verify_provenance(b"{\"payload\":\"\",\"payload\":\"\"}", &bundle).unwrap_err().code().id, "LF1010");
    assert_eq!(changed("/payload", "no base64".into()), "LF1012");
    let many = vec![good["signatures"][0].clone(); 17];
    assert_eq!(changed("/signatures", many.into()), "LF1014");
}

#[test]
fn provenance_of_other_bundle_is_refused() {
    let vendor = vendor();
    let (one, other) = (bundle(&vendor), Sample::with_blobs(&vendor, vec![b"other".to_vec()]).unwrap());
    let other = other.head.into_verified();
    let bytes = sign_statement(&[&vendor.key], &statement(&one), &one).unwrap();
    let refused = verify_provenance(&bytes, &other).unwrap_err();
    assert_eq!(refused.code().id, "LF1140");
    assert!(
        refused.to_string().contains(&one.id().to_string()) && refused.to_string().contains(&other.id().to_string())
    );
    // A statement that names this bundle and another release contradicts itself.
    let mut renamed = statement(&one);
    renamed.predicate.build_definition.external_parameters.version = "9.9.9".to_owned();
    assert_eq!(sign_statement(&[&vendor.key], &renamed, &one).unwrap_err().code().id, "LF1140");
}

#[test]
fn provenance_meets_signature_threshold() {
    let keys = [(); 3].map(|()| SigningKey::generate(KeyKind::EcdsaP256).unwrap());
    let [one, two, stranger] = &keys;
    let public = vec![one.public().clone(), two.public().clone()];
    let contents = RootContents { release: (public, 2), ..RootContents::single(one.public(), true) };
    let mut root = UnsignedRoot::new(&contents).unwrap();
    root.sign(one).unwrap();
    let root = root.finish(None).unwrap();
    let blobs = vec![b"{}".to_vec(), vec![7; 600]];
    let bundle = Sample::signed_by(&[one, two], std::slice::from_ref(&root), blobs).unwrap().head.into_verified();
    let statement = statement(&bundle);
    assert_eq!(sign_statement(&[one], &statement, &bundle).unwrap_err().code().id, "LF1107");
    assert_eq!(sign_statement(&[one, stranger], &statement, &bundle).unwrap_err().code().id, "LF1107");
    let bytes = sign_statement(&[two, stranger, one], &statement, &bundle).unwrap();
    assert_eq!(verify_provenance(&bytes, &bundle).unwrap().signers().len(), 2);
    // A key that signed twice is one signer.
    let mut twice: Value = serde_json::from_slice(&sign_statement(&[one, two], &statement, &bundle).unwrap()).unwrap();
    twice["signatures"][1] = twice["signatures"][0].clone();
    assert_eq!(refusal(&twice, &bundle), "LF1107");
}

/// `cosign attest-blob` writes such an envelope: without key names, and in another encoding.
#[test]
fn envelope_may_omit_key_ids() {
    let vendor = vendor();
    let bundle = bundle(&vendor);
    let text = serde_json::to_string_pretty(&statement(&bundle)).unwrap();
    let mut unnamed = envelope(&vendor.key, &text);
    unnamed["signatures"][0].as_object_mut().unwrap().remove("keyid");
    unnamed["later"] = "a field of a later version".into();
    let bytes = serde_json::to_vec_pretty(&unnamed).unwrap();
    assert_eq!(verify_provenance(&bytes, &bundle).unwrap().statement(), &statement(&bundle));
    unnamed["signatures"][0]["sig"] = STANDARD.encode([0; 64]).into();
    assert_eq!(refusal(&unnamed, &bundle), "LF1142");
}

/// DSSE leaves the choice of the base64 alphabet to the signer.
#[test]
fn envelope_accepts_both_base64_alphabets() {
    let vendor = vendor();
    let bundle = bundle(&vendor);
    // The base64 of this name has characters in which the two alphabets differ.
    let mut stated = statement(&bundle);
    stated.predicate.build_definition.resolved_dependencies[1].name = Some("????>>>>~~~~".to_owned());
    let text = serde_json::to_string(&stated).unwrap();
    let standard = envelope(&vendor.key, &text);
    let payload = standard["payload"].as_str().unwrap();
    assert!(payload.contains(['+', '/']), "{payload}");
    let url_safe = |pointer: &str| {
        let text = standard.pointer(pointer).and_then(Value::as_str).unwrap();
        text.replace('+', "-").replace('/', "_")
    };
    for end in ["=", ""] {
        let mut other = standard.clone();
        for pointer in ["/payload", "/signatures/0/sig"] {
            let text = url_safe(pointer);
            *other.pointer_mut(pointer).unwrap() =
                if end.is_empty() { text.trim_end_matches('=').into() } else { text.into() };
        }
        assert_eq!(verify_provenance(other.to_string().as_bytes(), &bundle).unwrap().statement(), &stated);
    }
    let mut mixed = standard.clone();
    mixed["payload"] = format!("{}-", payload.trim_end_matches('=')).into();
    assert_eq!(refusal(&mixed, &bundle), "LF1012");
}

/// The message of provenance is not valid as a document of a bundle, and vice versa.
#[test]
fn bundle_signature_does_not_cover_provenance() {
    let vendor = vendor();
    let bundle = bundle(&vendor);
    let message = UnsignedProvenance::new(&statement(&bundle)).unwrap();
    assert!(message.message().starts_with(b"DSSEv1 28 application/vnd.in-toto+json "));
    let document = NewDocument { name: "documents/a".to_owned(), bytes: Vec::new() };
    let head = UnsignedHead::new(&bundle.identity(), vec![document], bundle.blobs(), &[&[][..]; 5]).unwrap();
    let of_head = vendor.key.sign(head.landfall_bytes()).unwrap();
    let mut unsigned = message;
    unsigned.add_signature(vendor.key.public().clone(), of_head);
    assert_eq!(unsigned.finish(NAME, &bundle).unwrap_err().code().id, "LF1106");
}

proptest! {
    #[test]
    fn changed_byte_never_alters_statement(place in any::<prop::sample::Index>(), bits in 1..=255_u8) {
        let vendor = vendor();
        let bundle = bundle(&vendor);
        let mut bytes = sign_statement(&[&vendor.key], &statement(&bundle), &bundle).unwrap();
        let index = place.index(bytes.len());
        bytes[index] ^= bits;
        if let Ok(found) = verify_provenance(&bytes, &bundle) {
            prop_assert_eq!(found.statement(), &statement(&bundle));
        }
    }

    #[test]
    fn statements_are_reproducible(digest in any::<[u8; 32]>(), name in "[a-z]{1,20}", count in 0..20_usize) {
        let vendor = vendor();
        let bundle = bundle(&vendor);
        let message = || {
            let mut statement = statement(&bundle);
            let material = Material::new(name.clone(), Sha256(digest)).with("b", "1").with("a", "2");
            statement.predicate.build_definition.resolved_dependencies = vec![material; count];
            UnsignedProvenance::new(&statement).unwrap().message().to_vec()
        };
        prop_assert_eq!(message(), message());
    }
}
