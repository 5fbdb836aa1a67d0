//! Signatures made by these tests, in a registry that serves arbitrary content. The tests crate verifies those of the
//! real cosign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::{KeyKind, SigningKey, TrustAnchor};
use landfall_error_codes::CodedError as _;
use landfall_media::progress::SilentProgress;
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument, SignatureKind, referrers_tag};
use serde_json::{Value, json};

use crate::lock::{List, Lock};
use crate::pack::tests::{Bench, head};
use crate::resolution::RequestKind;
use landfall_test_registry::{Fault, digest};

const REPOSITORY: &str = "ghcr.io/small/database";
const IMAGE: &str = "ghcr.io/small/database:1";
const LOCK: &str = "release/images.lock";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A vendor with locked images, and a publisher's key.
struct Case {
    bench: Bench,
    key: SigningKey,
    subject: Sha256,
}

/// A layer of a manifest: media type, content, and signature in an annotation.
struct Layer {
    media_type: &'static str,
    bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
}

impl Case {
    async fn new() -> Self {
        let bench = Bench::new(false, false).await;
        bench.lock().await.expect("locked");
        let key = SigningKey::generate(KeyKind::EcdsaP256).expect("key");
        bench.write("release/signer.pub", key.public().to_pem().as_bytes(), 0o644);
        let lock = Lock::read(&bench.path(LOCK)).expect("lock");
        let entry = lock.list(List::Images).iter().find(|entry| entry.reference.value == IMAGE).expect("entry");
        Self { subject: entry.digest().expect("digest"), bench, key }
    }

    /// Creates a case with a rule that has these further fields.
    async fn with_rule(more: &str) -> Self {
        let case = Self::new().await;
        case.rule(more);
        case
    }

    fn text(&self) -> String {
        fs_err::read_to_string(self.bench.path(LOCK)).expect("lock")
    }

    fn rule(&self, more: &str) {
        let rule = "signatures:\n  - images: 'ghcr.io/small/*'\n    keys: [signer.pub]\n    pinned: unresolved\n";
        self.bench.write(LOCK, format!("{}{rule}{more}", self.text()).as_bytes(), 0o644);
    }

    /// Pushes a manifest with these layers under a tag; returns its bytes.
    fn push(&self, tag: &str, layers: &[Layer], subject: Option<Sha256>) -> Vec<u8> {
        let described: Vec<_> = layers
            .iter()
            .map(|layer| {
                self.bench.registry.add_blob(&layer.bytes);
                let signature = layer.signature.as_ref().map(|bytes| STANDARD.encode(bytes)).unwrap_or_default();
                json!({ "mediaType": layer.media_type, "digest": digest(&layer.bytes), "size": layer.bytes.len(),
                    "annotations": { "dev.cosignproject.cosign/signature": signature } })
            })
            .collect();
        self.bench.registry.add_blob(b"{}");
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "layers": described,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
        }
        let bytes = manifest.to_string().into_bytes();
        self.bench.registry.add_manifest(REPOSITORY, tag, MANIFEST, &bytes);
        bytes
    }

    fn tag(&self, suffix: &str) -> String {
        format!("{}{suffix}", referrers_tag(self.subject))
    }

    /// Pushes the same content as `cosign sign`.
    fn sign(&self, key: &SigningKey, subject: Sha256, name: &str) {
        self.push(&self.tag(".sig"), &[simple(key, subject, name)], None);
    }

    async fn lock(&self) -> &'static str {
        self.bench.lock().await.map_or_else(|error| error.code().id, |_| "locked")
    }

    async fn check(&self) -> &'static str {
        let checked = crate::resolution::check(&self.bench.lock_options(), &SilentProgress).await;
        checked.map_or_else(|error| error.code().id, |_| "as upstream has it")
    }

    async fn build(&self) -> ReleaseDocument {
        let report = self.bench.build().await.expect("built");
        let anchor = TrustAnchor::Root(fs_err::read(self.bench.path("roots/1.root.json")).expect("root"));
        let verified = head(&self.bench.path("out"), &report, &anchor);
        let release = ReleaseDocument::read(verified.small_document(RELEASE_DOCUMENT_NAME).expect("release"));
        let release = release.expect("read");
        let travels = |digest| verified.blobs().entries().iter().any(|blob| blob.sha256 == digest);
        for blob in release.signatures.iter().flat_map(landfall_release_document::SignatureEntry::descriptors) {
            assert!(travels(blob.digest), "{} does not travel", blob.digest);
        }
        release
    }
}

/// The document that cosign signs for an image.
fn simple(key: &SigningKey, subject: Sha256, name: &str) -> Layer {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": name }, "image": { "docker-manifest-digest": subject },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let bytes = payload.to_string().into_bytes();
    Layer { media_type: SIMPLE, signature: Some(key.sign(&bytes).expect("signature")), bytes }
}

/// A signed attestation about an image.
fn envelope(key: &SigningKey, subject: Sha256, predicate: &str) -> Value {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate,
        "subject": [{ "name": REPOSITORY, "digest": { "sha256": subject.to_hex() } }], "predicate": { "large": [0.5] },
    });
    let (kind, payload) = ("application/vnd.in-toto+json", statement.to_string());
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    let signature = STANDARD.encode(key.sign(message.as_bytes()).expect("signature"));
    json!({ "payloadType": kind, "payload": STANDARD.encode(payload),
        "signatures": [{ "keyid": "", "sig": signature }] })
}

fn attestation(key: &SigningKey, subject: Sha256, predicate: &str) -> Layer {
    Layer { media_type: ENVELOPE, bytes: envelope(key, subject, predicate).to_string().into_bytes(), signature: None }
}

/// A Sigstore bundle, as cosign attaches it to an image.
fn bundle(key: &SigningKey, subject: Sha256) -> Layer {
    let bundle =
        json!({ "mediaType": BUNDLE, "verificationMaterial": {}, "dsseEnvelope": envelope(key, subject, SIGN) });
    Layer { media_type: BUNDLE, bytes: bundle.to_string().into_bytes(), signature: None }
}

fn list_of(manifests: &[&[u8]]) -> Vec<u8> {
    let listed = manifests.iter().map(
        |bytes| json!({ "mediaType": MANIFEST, "digest": digest(bytes), "size": bytes.len(), "artifactType": BUNDLE }),
    );
    let listed: Vec<_> = listed.collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed }).to_string().into_bytes()
}

#[tokio::test]
async fn signatures_are_recorded_and_packed() {
    let case = Case::with_rule("    attestations: ['https://slsa.dev/provenance/v1']\n").await;
    case.sign(&case.key, case.subject, REPOSITORY);
    case.push(&case.tag(".att"), &[attestation(&case.key, case.subject, PROVENANCE)], None);
    assert_eq!(case.bench.lock().await.expect("locked").signed, 1);
    let text = case.text();
    assert!(text.contains(&format!("tag: {}, digest: ", case.tag(".sig"))), "{text}");
    assert!(text.contains("    attestations: ["), "what a person wrote stays: {text}");

    let release = case.build().await;
    let found: Vec<_> = release.signatures.iter().map(|entry| (entry.kind, entry.tag.clone())).collect();
    let tags = [".sig", ".att"].map(|suffix| Some(case.tag(suffix)));
    let [signature, of_attestation] = tags;
    assert_eq!(found, [(SignatureKind::Signature, signature), (SignatureKind::Attestation, of_attestation)]);
    let [signature, attestation] = &release.signatures[..] else { panic!("{:?}", release.signatures) };
    assert_eq!((&signature.keys[..], signature.blobs.len()), (&[case.key.public().id()][..], 2));
    assert_eq!(attestation.predicates, [PROVENANCE]);
    assert_eq!((signature.image.as_str(), signature.subject.digest), (IMAGE, case.subject));

    let requests = case.bench.registry.requests();
    let again = case.bench.build_of("2026-11-21T08:16:00Z", &case.bench.path("out")).await.expect("built again");
    assert!(again.kept.is_some(), "the same");
    assert_eq!(case.bench.registry.requests(), requests, "a rebuild asks for nothing");
    // Results for this digest are in the store, and the search is repeated only when everything is updated.
    case.sign(&SigningKey::generate(KeyKind::EcdsaP256).expect("key"), case.subject, REPOSITORY);
    assert_eq!((case.lock().await, case.text()), ("locked", text));
    let renewed = crate::resolution::update(&case.bench.lock_options(), &[], &SilentProgress).await;
    assert_eq!(renewed.expect_err("by another key now").code().id, "LF2119");
}

#[tokio::test]
async fn signature_faults_have_codes() {
    let case = Case::with_rule("").await;
    let other = SigningKey::generate(KeyKind::Ed25519).expect("key");
    let (key, subject) = (&case.key, case.subject);
    assert_eq!(case.lock().await, "LF2118", "none");
    // An attestation is not a signature, and one by another key does not change the reason.
    case.push(&case.tag(".att"), &[attestation(&other, subject, PROVENANCE)], None);
    assert_eq!(case.lock().await, "LF2118", "an attestation");
    case.sign(&other, subject, REPOSITORY);
    assert_eq!(case.lock().await, "LF2119", "by another key");
    case.sign(key, Sha256([7; 32]), REPOSITORY);
    assert_eq!(case.lock().await, "LF2143", "about another digest");
    case.sign(key, subject, "ghcr.io/other/database");
    assert_eq!(case.lock().await, "LF2144", "of another repository");
    let mut altered = simple(key, subject, REPOSITORY);
    altered.bytes.push(b' ');
    case.push(&case.tag(".sig"), &[altered], None);
    assert_eq!(case.lock().await, "LF2119", "altered");
    let text = b"no JSON".to_vec();
    let junk = Layer { media_type: SIMPLE, signature: Some(key.sign(&text).expect("signature")), bytes: text };
    case.push(&case.tag(".sig"), &[junk], None);
    assert_eq!(case.lock().await, "LF2146", "malformed");
    case.push(&case.tag(".sig"), &[], None);
    assert_eq!(case.lock().await, "LF2146", "no layer");
    let many: Vec<_> = (0..65).map(|_| simple(key, subject, REPOSITORY)).collect();
    case.push(&case.tag(".sig"), &many, None);
    assert_eq!(case.lock().await, "LF2146", "too many layers");
    // One valid signature of several suffices, for example if there is a second signer.
    case.push(&case.tag(".sig"), &[simple(&other, subject, REPOSITORY), simple(key, subject, REPOSITORY)], None);
    assert_eq!(case.lock().await, "locked");
}

#[tokio::test]
async fn signature_sizes_are_limited() {
    let case = Case::with_rule("").await;
    let manifest = |size: u64| {
        let layer = json!({ "mediaType": SIMPLE, "digest": Sha256([9; 32]), "size": size });
        let config = json!({ "mediaType": "application/x", "digest": Sha256([8; 32]), "size": 2 });
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] }).to_string()
    };
    let registry = &case.bench.registry;
    registry.add_manifest(REPOSITORY, &case.tag(".sig"), MANIFEST, manifest(1 << 40).as_bytes());
    assert_eq!((case.lock().await, registry.ranges().len()), ("LF2146", 0), "no blob is asked for");
    case.sign(&case.key, case.subject, REPOSITORY);
    registry.fail_blobs([Fault::Endless]);
    assert_eq!(case.lock().await, "LF2114", "endless");
    assert_eq!(case.lock().await, "locked");
}

#[tokio::test]
async fn required_attestation_must_match_image() {
    let case = Case::with_rule("    attestations: ['https://slsa.dev/provenance/v1']\n").await;
    case.sign(&case.key, case.subject, REPOSITORY);
    assert_eq!(case.lock().await, "LF2145");
    for wrong in [
        attestation(&case.key, Sha256([7; 32]), PROVENANCE),
        attestation(&case.key, case.subject, "https://spdx.dev/Document"),
        attestation(&SigningKey::generate(KeyKind::EcdsaP256).expect("key"), case.subject, PROVENANCE),
    ] {
        case.push(&case.tag(".att"), &[wrong], None);
        assert_eq!(case.lock().await, "LF2145");
    }
    case.push(&case.tag(".att"), &[attestation(&case.key, case.subject, PROVENANCE)], None);
    assert_eq!(case.lock().await, "locked");
}

#[tokio::test]
async fn referrers_come_from_api_or_tag() {
    for has_interface in [true, false] {
        let case = Case::with_rule("").await;
        let manifest = case.push("unused", &[bundle(&case.key, case.subject)], Some(case.subject));
        let list = list_of(&[&manifest]);
        if has_interface {
            case.bench.registry.add_referrers(REPOSITORY, case.subject, &list);
        } else {
            case.bench.registry.add_manifest(REPOSITORY, &referrers_tag(case.subject), INDEX, &list);
        }
        assert_eq!(case.lock().await, "locked");
        let release = case.build().await;
        let [signature, list] = &release.signatures[..] else { panic!("{:?}", release.signatures) };
        assert_eq!((signature.kind, &signature.tag), (SignatureKind::Signature, &None));
        assert_eq!((list.kind, list.tag.clone()), (SignatureKind::Referrers, Some(referrers_tag(case.subject))));
    }
}

#[tokio::test]
async fn referrers_list_is_verified() {
    let case = Case::with_rule("").await;
    let registry = &case.bench.registry;
    // The bundle is signed by the right key for the right image, but attached to another image.
    let elsewhere = case.push("unused", &[bundle(&case.key, case.subject)], Some(Sha256([7; 32])));
    registry.add_referrers(REPOSITORY, case.subject, &list_of(&[&elsewhere]));
    assert_eq!(case.lock().await, "LF2146", "attached to another image");
    registry.add_referrers(REPOSITORY, case.subject, &list_of(&[&b"nothing"[..]]));
    assert_eq!(case.lock().await, "LF2146", "not there");
    registry.add_referrers(REPOSITORY, case.subject, b"[");
    assert_eq!(case.lock().await, "LF2146", "malformed");
    let other = case.push("unused", &[bundle(&case.key, Sha256([7; 32]))], Some(case.subject));
    registry.add_referrers(REPOSITORY, case.subject, &list_of(&[&other]));
    assert_eq!(case.lock().await, "LF2143", "the list names it, but the statement does not");
    let right = case.push("unused", &[bundle(&case.key, case.subject)], Some(case.subject));
    registry.add_referrers(REPOSITORY, case.subject, &list_of(&[&other, &right]));
    assert_eq!(case.lock().await, "locked");
}

#[tokio::test]
async fn index_signature_covers_manifest() {
    let case = Case::new().await;
    let platform = json!({ "architecture": "amd64", "os": "linux" });
    let listed = json!({ "mediaType": MANIFEST, "digest": case.subject, "size": 1, "platform": platform });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [listed] }).to_string();
    case.bench.registry.add_manifest(REPOSITORY, "1", INDEX, index.as_bytes());
    let index = digest(index.as_bytes());
    crate::resolution::update(&case.bench.lock_options(), &[IMAGE.to_owned()], &SilentProgress)
        .await
        .expect("the index is known");
    case.rule("");
    case.push(&format!("{}.sig", referrers_tag(index)), &[simple(&case.key, index, REPOSITORY)], None);
    assert_eq!(case.lock().await, "locked");
    let release = case.build().await;
    let [signature] = &release.signatures[..] else { panic!("{:?}", release.signatures) };
    assert_eq!((signature.subject.digest, signature.subject.media_type.as_str()), (index, INDEX));
}

#[tokio::test]
async fn build_refuses_edited_signatures() {
    let case = Case::with_rule("").await;
    assert!(case.bench.refusal().await.starts_with("LF2147 "), "not checked");
    assert_eq!(case.check().await, "LF2019");
    case.sign(&case.key, case.subject, REPOSITORY);
    assert_eq!((case.lock().await, case.check().await), ("locked", "as upstream has it"));
    let text = case.text();
    // Another key with the old key's name.
    let other = SigningKey::generate(KeyKind::EcdsaP256).expect("key");
    case.bench.write("release/signer.pub", other.public().to_pem().as_bytes(), 0o644);
    assert!(case.bench.refusal().await.starts_with("LF2147 "), "another key");
    // A tag that would shadow another one.
    case.bench.write("release/signer.pub", case.key.public().to_pem().as_bytes(), 0o644);
    case.bench.write(LOCK, text.replace(&format!("tag: {}", case.tag(".sig")), "tag: latest").as_bytes(), 0o644);
    assert!(case.bench.refusal().await.starts_with("LF2147 "), "another tag");
    case.bench.write("release/signer.pub", other.public().to_pem().as_bytes(), 0o644);
    // A lock that claims that this key signed.
    let ids = [&case.key, &other].map(|key| key.public().id().to_string());
    case.bench.write(LOCK, text.replace(&ids[0], &ids[1]).as_bytes(), 0o644);
    assert!(case.bench.refusal().await.starts_with("LF2147 "), "edited");
    assert_eq!(case.lock().await, "LF2119", "it is looked for again");
}

#[tokio::test]
async fn rules_allow_identities_and_optional_signatures() {
    let case = Case::with_rule("    identities: [docker.io/publisher/database]\n").await;
    case.sign(&case.key, case.subject, "index.docker.io/publisher/database:1");
    assert_eq!(case.lock().await, "locked");

    let case = Case::with_rule("    required: false\n").await;
    assert_eq!(case.lock().await, "locked");
    assert!(case.text().contains("found: []"), "{}", case.text());
    assert_eq!(case.build().await.signatures, []);
    case.sign(&case.key, case.subject, REPOSITORY);
    assert_eq!(case.bench.lock().await.expect("locked").signed, 1, "it is looked for again");
    assert_eq!(case.build().await.signatures.len(), 1);
}

#[tokio::test]
async fn dry_run_lists_signature_requests() {
    let case = Case::with_rule("").await;
    let asked = |case: &Case| {
        let found = crate::resolution::requests_of_lock(&case.bench.source()).expect("read");
        let of_signatures = found.into_iter().filter(|request| request.what == RequestKind::Signatures);
        of_signatures.map(|request| request.upstream).collect::<Vec<_>>()
    };
    let address = |tag: &str| format!("https://ghcr.io/v2/small/database/manifests/{tag}");
    assert_eq!(asked(&case), [address(&case.tag(".sig"))]);
    case.bench.edit(LOCK, &case.subject.to_string(), "unresolved");
    assert_eq!(asked(&case), [address("sha256-HEX.sig")]);
}

#[tokio::test]
async fn invalid_signature_rules_are_refused() {
    let case = Case::new().await;
    let before = case.text();
    for (rule, expected) in [
        ("images: 'ghcr.io/*'\n    keys: []", "signatures[0].keys: it names 0 files"),
        ("images: 'a b'\n    keys: [signer.pub]", "signatures[0].images: `a b` is not a pattern"),
        (
            "images: 'ghcr.io/*'\n    keys: [signer.pub]\n    identities: ['ghcr.io/a/b:1']",
            "signatures[0].identities: write `ghcr.io/a/b:1` in full and without a tag",
        ),
        (
            "images: 'ghcr.io/*'\n    keys: [signer.pub]\n    attestations: ['a b']",
            "signatures[0].attestations: `a b` is not the type",
        ),
        ("images: 'ghcr.io/*'\n    keys: [signer.pub]\n    key: x", "unknown field"),
    ] {
        let text = format!("{before}signatures:\n  - {rule}\n    pinned: unresolved\n");
        case.bench.write(LOCK, text.as_bytes(), 0o644);
        let refused = case.bench.lock().await.expect_err("refused");
        let reason = std::error::Error::source(&refused).map(|source| format!(": {source}")).unwrap_or_default();
        let said = format!("{refused}{reason}");
        assert!(refused.code().id == "LF2005" && said.contains(expected), "{} {said}", refused.code().id);
    }
    case.bench.write("release/signer.pub", b"no key", 0o644);
    case.bench.write(LOCK, before.as_bytes(), 0o644);
    case.rule("");
    assert_eq!(case.lock().await, "LF1112", "a file that is no key");
}
