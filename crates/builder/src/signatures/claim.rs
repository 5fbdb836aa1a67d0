//! Claims about an image in a manifest's layers, accepted only if one of a rule's keys signed them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::dsse::DsseEnvelope;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use landfall_release_document::{SignatureEntry, SignatureKind};
use serde::Deserialize;

use super::distinct;
use super::examine::LAYER_BYTES;
use crate::lock::signature_rule::OpenRule;
use crate::manifest::OciDescriptor;
use crate::reference::Reference;

/// Media type of cosign's signed document about an image, with the signature in an annotation.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Media type of an attestation.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// Prefix of the media types of Sigstore bundles: attestations, or signatures in their form.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Annotation with the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// Values of `type` in the signed document, from cosign and from its predecessors.
const SIGNATURE_TYPES: [&str; 2] = ["cosign container image signature", "atomic container signature"];

/// Predicate type with which cosign signs in the form of an attestation. It names no repository.
const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Prefix of the statement types that are read.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v";

/// The image that a claim must be about.
#[derive(Debug, Clone, Copy)]
pub struct ClaimSubject<'a> {
    /// Reference of the image.
    pub image: &'a Reference,
    /// Digest of its manifest, or of an index with it.
    pub subject: Sha256,
}

/// A claim of a layer, signed with at least one of the keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// Kind: signature or attestation.
    pub kind: SignatureKind,
    /// Keys of the rule that signed.
    pub keys: Vec<KeyId>,
    /// Predicate type of an attestation.
    pub predicate: Option<String>,
}

/// Unique keys that signed any of these claims.
pub fn keys(claims: &[Claim]) -> Vec<KeyId> {
    distinct(claims.iter().flat_map(|claim| claim.keys.iter().copied()))
}

/// Reason why a layer is rejected; later variants are more informative about an image.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The layer cannot be read, or is of another kind.
    Unreadable(String),
    /// None of the rule's keys signed it.
    OtherKeys,
    /// It names this other repository.
    OtherName(String),
    /// It is about this other digest.
    OtherDigest(String),
}

/// Reads a layer. The signature is verified first; unsigned content is not interpreted.
pub fn claim(
    layer: &OciDescriptor,
    bytes: &[u8],
    rule: &OpenRule<'_>,
    about: ClaimSubject<'_>,
) -> Result<Claim, Fault> {
    let name = "an attestation of an image";
    let envelope = match layer.media_type.as_str() {
        SIMPLE_SIGNING => return simple(layer.annotations.get(SIGNATURE), bytes, rule, about),
        ENVELOPE => DsseEnvelope::read(name, bytes, LAYER_BYTES),
        bundle if bundle.starts_with(BUNDLE) => DsseEnvelope::read_bundle(name, bytes, LAYER_BYTES),
        other => return Err(Fault::Unreadable(format!("a layer is of the type {}", escape_text(other)))),
    };
    let envelope = envelope.map_err(|error| Fault::Unreadable(format!("{error}")))?;
    let keys = signers(rule, |key| envelope.is_signed_by(key))?;
    statement(envelope.payload(), keys, about)
}

/// Keys for which `signed` holds; an error if there are none.
fn signers(rule: &OpenRule<'_>, signed: impl Fn(&PublicKey) -> bool) -> Result<Vec<KeyId>, Fault> {
    let keys = distinct(rule.keys.iter().filter(|key| signed(key)).map(PublicKey::id));
    if keys.is_empty() { Err(Fault::OtherKeys) } else { Ok(keys) }
}

#[derive(Deserialize)]
struct SimpleSigning {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    identity: Identity,
    image: SignedImage,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SignedImage {
    docker_manifest_digest: String,
}

fn simple(
    signature: Option<&String>,
    payload: &[u8],
    rule: &OpenRule<'_>,
    about: ClaimSubject<'_>,
) -> Result<Claim, Fault> {
    let signature = signature.and_then(|text| STANDARD.decode(text.trim()).ok());
    let signature = signature.ok_or_else(|| Fault::Unreadable("a layer has no signature in base64".to_owned()))?;
    let keys = signers(rule, |key| key.verifies(payload, &signature))?;
    let SimpleSigning { critical } = serde_json::from_slice(payload)
        .map_err(|error| Fault::Unreadable(format!("what is signed is malformed: {error}")))?;
    if !SIGNATURE_TYPES.contains(&critical.kind.as_str()) {
        return Err(Fault::Unreadable(format!("what is signed is a `{}`", escape_text(&critical.kind))));
    }
    let digest = critical.image.docker_manifest_digest;
    if digest != about.subject.to_string() {
        return Err(Fault::OtherDigest(escape_text(&digest)));
    }
    let named = critical.identity.docker_reference;
    if !rule.allows(about.image, &named) {
        return Err(Fault::OtherName(escape_text(&named)));
    }
    Ok(Claim { kind: SignatureKind::Signature, keys, predicate: None })
}

/// An in-toto statement without its predicate, which may be large and is not interpreted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    #[serde(default)]
    sha256: String,
}

fn statement(payload: &[u8], keys: Vec<KeyId>, about: ClaimSubject<'_>) -> Result<Claim, Fault> {
    let Statement { kind, subject, predicate_type } = serde_json::from_slice(payload)
        .map_err(|error| Fault::Unreadable(format!("a statement is malformed: {error}")))?;
    if !kind.starts_with(STATEMENT_TYPE) {
        return Err(Fault::Unreadable(format!("a statement is of the type {}", escape_text(&kind))));
    }
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    if predicate_type.len() > SignatureEntry::PREDICATE_BYTES || !predicate_type.chars().all(is_plain) {
        return Err(Fault::Unreadable(format!("a predicate is of the type {}", escape_text(&predicate_type))));
    }
    let wanted = about.subject.to_hex();
    if !subject.iter().any(|subject| subject.digest.sha256 == wanted) {
        let first = subject.first().map(|subject| format!("sha256:{}", escape_text(&subject.digest.sha256)));
        return Err(Fault::OtherDigest(first.unwrap_or_else(|| "nothing".to_owned())));
    }
    Ok(if predicate_type == SIGN_PREDICATE {
        Claim { kind: SignatureKind::Signature, keys, predicate: None }
    } else {
        Claim { kind: SignatureKind::Attestation, keys, predicate: Some(predicate_type) }
    })
}

/// Escapes and truncates a text of other software for a message.
fn escape_text(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_default).collect()
}
