//! The common form of root documents, revocations and licenses: a signed part, and signatures next to it.
//!
//! Signatures cover the canonical bytes of `signed`, which are kept as they were read. Fields of later versions stay in
//! them and are signed like all fields; this version ignores them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::{json, limits};

/// A signed part, and signatures by key id.
#[derive(Debug, Clone)]
pub struct Envelope {
    message: Vec<u8>,
    signatures: BTreeMap<KeyId, Vec<u8>>,
    bytes: Vec<u8>,
}

/// The document in its encoded form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodedDocument {
    signatures: BTreeMap<KeyId, String>,
    signed: Value,
}

impl Envelope {
    /// Reads canonical bytes whose signed part has this type; returns the envelope and the signed part.
    pub fn read(name: &str, document_type: &'static str, bytes: &[u8]) -> Result<(Self, Value)> {
        check_size(name, bytes)?;
        let value = json::parse(name, bytes, json::Numbers::Integers)?;
        json::check_type(name, document_type, value.get("signed").unwrap_or(&Value::Null))?;
        json::check_canonical(name, &value, bytes)?;
        let encoded: EncodedDocument = json::from_value(name, value)?;
        let decode = |(key, text): (KeyId, String)| match STANDARD.decode(text) {
            Ok(signature) => Ok((key, signature)),
            Err(_) => Err(invalid(name, format!("the signature by {key} is not base64"))),
        };
        let signatures = encoded.signatures.into_iter().map(decode).collect::<Result<_>>()?;
        let message = json::to_canonical(name, &encoded.signed)?;
        Ok((Self { message, signatures, bytes: bytes.to_vec() }, encoded.signed))
    }

    /// Encodes a signed part and its signatures.
    pub fn write(name: &str, message: Vec<u8>, signatures: BTreeMap<KeyId, Vec<u8>>) -> Result<Self> {
        let encoded: BTreeMap<_, _> = signatures.iter().map(|(key, bytes)| (key, STANDARD.encode(bytes))).collect();
        let encoded = json::to_canonical(name, &encoded)?;
        let bytes = [b"{\"signatures\":", encoded.as_slice(), b",\"signed\":", &message, b"}"].concat();
        check_size(name, &bytes)?;
        Ok(Self { message, signatures, bytes })
    }

    /// Returns the envelope with one more signature; replaces an earlier one by the same key.
    pub fn with_signature(&self, name: &str, key: KeyId, signature: &[u8]) -> Result<Self> {
        let mut signatures = self.signatures.clone();
        signatures.insert(key, signature.to_vec());
        Self::write(name, self.message.clone(), signatures)
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The bytes of the document.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All signatures, including those by unknown signers.
    pub fn signatures(&self) -> Vec<(KeyId, &[u8])> {
        self.signatures.iter().map(|(key, bytes)| (*key, bytes.as_slice())).collect()
    }
}

fn check_size(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 <= limits::AREA_FILE_BYTES {
        return Ok(());
    }
    let what = format!("{name} ({} bytes)", bytes.len());
    Err(Error::TooLarge { what, limit: limits::AREA_FILE_BYTES })
}

fn invalid(name: &str, reason: String) -> Error {
    Error::InvalidRoot { name: name.to_owned(), reason }
}
