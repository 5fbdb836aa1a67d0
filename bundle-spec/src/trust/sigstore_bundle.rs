//! `signatures/<keyid>.sigstore.json`: a Sigstore bundle v0.3 with a key hint and a message signature, nothing else.
//!
//! The file is a function of key id, message and signature, so it has one encoding and no byte of it is free.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::{KeyId, SigningKey};
use crate::error::{Error, Result};
use crate::json as strict;

/// `mediaType` of the bundles that are written, and the only one that is read from a head.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What `mediaType` begins with in bundles of other signers.
const MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";

/// Name in the head for a signer.
pub fn signature_file_name(key: KeyId) -> String {
    format!("signatures/{key}.sigstore.json")
}

/// One signer's signature of `landfall.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFile {
    key: KeyId,
    signature: Vec<u8>,
}

impl SignatureFile {
    /// Signs a message.
    pub fn sign(key: &SigningKey, message: &[u8]) -> Result<Self> {
        Ok(Self { key: key.public().id(), signature: key.sign(message)? })
    }

    /// Takes key and signature from the bundle that another signer made, such as
    /// `cosign sign-blob --key … --bundle …`. What else it holds (log entries, timestamps) is dropped: it says nothing
    /// about a key that a root document names.
    pub fn import(name: &str, bytes: &[u8], message: &[u8]) -> Result<Self> {
        let value = strict::parse(name, bytes, strict::Numbers::Any)?;
        let media_type = text(&value, "/mediaType");
        if !media_type.is_some_and(|media_type| media_type.starts_with(MEDIA_TYPE_PREFIX)) {
            return Err(invalid(name, "its mediaType is not that of a Sigstore bundle"));
        }
        Self::from_value(name, &value, message)
    }

    /// Reads the file of a head: canonical bytes, exactly as [`SignatureFile::to_bytes`] writes them. The signature
    /// itself is checked against a root later.
    pub fn read(name: &str, bytes: &[u8], message: &[u8]) -> Result<Self> {
        let value = strict::parse(name, bytes, strict::Numbers::Integers)?;
        let file = Self::from_value(name, &value, message)?;
        if signature_file_name(file.key) != name {
            return Err(invalid(name, "its key hint is not the key id in its name"));
        }
        if file.to_bytes(message)? != bytes {
            return Err(invalid(name, "it is not encoded as the format has it"));
        }
        Ok(file)
    }

    /// The canonical bytes; `cosign verify-blob --key K --bundle FILE --insecure-ignore-tlog=true landfall.json`
    /// accepts them.
    pub fn to_bytes(&self, message: &[u8]) -> Result<Vec<u8>> {
        let document = json!({
            "mediaType": MEDIA_TYPE,
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(message)) },
                "signature": STANDARD.encode(&self.signature),
            },
            "verificationMaterial": { "publicKey": { "hint": STANDARD.encode(self.key.0) } },
        });
        strict::to_canonical(&signature_file_name(self.key), &document)
    }

    /// The signer.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The signature: ASN.1 DER for ECDSA, 64 bytes for Ed25519.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    fn from_value(name: &str, value: &Value, message: &[u8]) -> Result<Self> {
        let decode = |pointer: &str| {
            let decoded = text(value, pointer).and_then(|text| STANDARD.decode(text).ok());
            decoded.ok_or_else(|| invalid(name, &format!("{pointer} is not base64")))
        };
        let hint = decode("/verificationMaterial/publicKey/hint")?;
        let key = KeyId(hint.try_into().map_err(|_| invalid(name, "its key hint is not a SHA-256"))?);
        // cosign leaves the digest out of Ed25519 signatures, which are over the message itself.
        let digest = "/messageSignature/messageDigest/digest";
        if value.pointer(digest).is_some() && decode(digest)? != Sha256::digest(message).as_slice() {
            return Err(invalid(name, "it is a signature of other bytes"));
        }
        Ok(Self { key, signature: decode("/messageSignature/signature")? })
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::InvalidSignature { name: name.to_owned(), reason: reason.to_owned() }
}
