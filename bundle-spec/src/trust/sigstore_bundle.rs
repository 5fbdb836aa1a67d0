//! `signatures/<keyid>.sigstore.json`: a Sigstore bundle v0.3 with only a key hint and a message signature.
//!
//! The file is a function of key id, message and signature, so it has one encoding, and no byte of it can vary.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::{PublicKey, SigningKey};
use crate::base64_text::decode_either_alphabet;
use crate::error::{Error, Result};
use crate::json as strict;
use crate::key_id::KeyId;

/// `mediaType` of the written bundles; the only one accepted in a head.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Prefix of `mediaType` in bundles of other signers.
const MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";

/// Returns the name of a signer's file in the head.
pub fn signature_file_name(key: KeyId) -> String {
    format!("signatures/{key}.sigstore.json")
}

/// One signer's signature of `landfall.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFile {
    key: KeyId,
    digest: [u8; 32],
    signature: Vec<u8>,
}

impl SignatureFile {
    /// Signs a message.
    pub fn sign(key: &SigningKey, message: &[u8]) -> Result<Self> {
        Ok(Self::new(key.public().id(), message, key.sign(message)?))
    }

    /// Creates the file for an external signature.
    pub fn new(key: KeyId, message: &[u8], signature: Vec<u8>) -> Self {
        Self { key, digest: Sha256::digest(message).into(), signature }
    }

    /// Reads a file of a head: canonical bytes, exactly as [`SignatureFile::to_bytes`] writes them. The signature is
    /// checked against a root later.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let value = strict::parse(name, bytes, strict::Numbers::Integers)?;
        let decode = |pointer: &str| {
            let decoded = text(&value, pointer).and_then(|text| STANDARD.decode(text).ok());
            decoded.ok_or_else(|| invalid(name, &format!("{pointer} is not base64")))
        };
        let digest_of = |pointer: &str| {
            let bytes: Result<[u8; 32], _> = decode(pointer)?.try_into();
            bytes.map_err(|_| invalid(name, &format!("{pointer} is not a SHA-256")))
        };
        let file = Self {
            key: KeyId(digest_of("/verificationMaterial/publicKey/hint")?),
            digest: digest_of("/messageSignature/messageDigest/digest")?,
            signature: decode("/messageSignature/signature")?,
        };
        if signature_file_name(file.key) != name {
            return Err(invalid(name, "its key hint is not the key id in its name"));
        }
        if file.to_bytes()? != bytes {
            return Err(invalid(name, "it is not encoded as the format requires"));
        }
        Ok(file)
    }

    /// Returns the canonical bytes. `cosign verify-blob --key K --bundle FILE --insecure-ignore-tlog=true
    /// landfall.json` accepts them.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let document = json!({
            "mediaType": MEDIA_TYPE,
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(self.digest) },
                "signature": STANDARD.encode(&self.signature),
            },
            "verificationMaterial": { "publicKey": { "hint": STANDARD.encode(self.key.0) } },
        });
        strict::to_canonical(&signature_file_name(self.key), &document)
    }

    /// Id of the signing key.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The signature: ASN.1 DER for ECDSA, 64 bytes for Ed25519.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Returns true if the file claims to sign this message.
    pub fn is_of(&self, message: &[u8]) -> bool {
        self.digest == <[u8; 32]>::from(Sha256::digest(message))
    }
}

/// Finds the signature of this message by one of these keys in bytes that a person or program provided. Accepted forms
/// are a Sigstore bundle from `cosign sign-blob --bundle`, a bare signature, or a bare signature in base64 with either
/// alphabet. Each key is tried, because hints and file names prove nothing. Returns `None` if no key matches.
pub fn find_detached_signature(
    bytes: &[u8],
    message: &[u8],
    keys: impl IntoIterator<Item = PublicKey>,
) -> Option<(KeyId, Vec<u8>)> {
    let mut candidates = vec![bytes.to_vec()];
    if let Ok(text) = std::str::from_utf8(bytes) {
        candidates.extend(decode_either_alphabet(&text.split_ascii_whitespace().collect::<String>()));
    }
    if let Ok(value) = strict::parse("a Sigstore bundle", bytes, strict::Numbers::Any)
        && text(&value, "/mediaType").is_some_and(|media_type| media_type.starts_with(MEDIA_TYPE_PREFIX))
    {
        let signature = text(&value, "/messageSignature/signature");
        candidates.extend(signature.and_then(|signature| decode_either_alphabet(signature).ok()));
    }
    let fits = |key: &PublicKey| candidates.iter().find(|signature| key.verifies(message, signature)).cloned();
    keys.into_iter().find_map(|key| Some((key.id(), fits(&key)?)))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::InvalidSignature { name: name.to_owned(), reason: reason.to_owned() }
}
