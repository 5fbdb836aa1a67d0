//! DSSE envelopes: a payload with its type, and signatures over both. The provenance of a build and the attestations of
//! an image are such envelopes.
//!
//! Threats: an envelope may be endless, name a key that did not sign, or hold a type of payload that its place does not
//! allow. Its size is limited before it is read. The key names in an envelope prove nothing: a signature counts only if
//! it verifies. The payload is not interpreted here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base64_text::decode_either_alphabet;
use crate::error::{Error, Result};
use crate::trust::PublicKey;
use crate::{json, limits};

/// The only accepted type of payload: an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope in its encoded form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncodedEnvelope {
    pub payload: String,
    pub payload_type: String,
    pub signatures: Vec<EncodedSignature>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EncodedSignature {
    #[serde(default)]
    pub keyid: String,
    pub sig: String,
}

/// Returns the bytes that signers sign.
pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let beginning = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [beginning.as_bytes(), payload].concat()
}

/// An envelope that was read; nothing in it is trusted yet.
#[derive(Debug)]
pub struct DsseEnvelope {
    pub(crate) payload: Vec<u8>,
    pub(crate) message: Vec<u8>,
    /// Signatures, each with the envelope's name for the key, which proves nothing.
    pub(crate) signatures: Vec<(String, Vec<u8>)>,
}

impl DsseEnvelope {
    /// Reads an envelope of at most `limit_bytes` bytes, in any encoding of JSON and either alphabet of base64. `name`
    /// is the file's name, for errors.
    pub fn read(name: &str, bytes: &[u8], limit_bytes: u64) -> Result<Self> {
        Self::of(name, within(name, bytes, limit_bytes)?)
    }

    /// Reads the envelope inside a Sigstore bundle of at most `limit_bytes` bytes.
    pub fn read_bundle(name: &str, bytes: &[u8], limit_bytes: u64) -> Result<Self> {
        let bundle = within(name, bytes, limit_bytes)?;
        Self::of(name, bundle.get("dsseEnvelope").cloned().unwrap_or_default())
    }

    fn of(name: &str, value: Value) -> Result<Self> {
        let EncodedEnvelope { payload, payload_type, signatures } = json::from_value(name, value)?;
        json::require_type(name, PAYLOAD_TYPE, &payload_type)?;
        if signatures.len() > limits::SIGNATURES {
            let what = format!("the number of signatures in {name} ({})", signatures.len());
            return Err(Error::TooLarge { what, limit: limits::SIGNATURES as u64 });
        }
        let decode = |text: &str| {
            decode_either_alphabet(text)
                .map_err(|source| Error::InvalidDocument { name: name.to_owned(), source: source.into() })
        };
        let payload = decode(&payload)?;
        let signatures = signatures
            .into_iter()
            .map(|signature| Ok((signature.keyid, decode(&signature.sig)?)))
            .collect::<Result<_>>()?;
        Ok(Self { message: pre_authentication_encoding(PAYLOAD_TYPE, &payload), payload, signatures })
    }

    /// Returns true if one of the signatures is by this key, whatever the envelope's name for it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.signatures.iter().any(|(_, signature)| key.verifies(&self.message, signature))
    }

    /// The payload. It must not be trusted before a known key's signature is verified.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

fn within(name: &str, bytes: &[u8], limit_bytes: u64) -> Result<Value> {
    if bytes.len() as u64 > limit_bytes {
        let what = format!("{name} ({} bytes)", bytes.len());
        return Err(Error::TooLarge { what, limit: limit_bytes });
    }
    json::parse(name, bytes, json::Numbers::Any)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;
    use crate::trust::{KeyKind, SigningKey};

    fn envelope(key: &SigningKey, payload: &[u8], keyid: &str) -> Value {
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, payload)).unwrap();
        json!({
            "payload": STANDARD.encode(payload), "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "keyid": keyid, "sig": STANDARD.encode(signature) }],
        })
    }

    #[test]
    fn signer_is_identified_by_signature() {
        let [key, other] = [(); 2].map(|()| SigningKey::generate(KeyKind::EcdsaP256).unwrap());
        let bytes = envelope(&key, b"{}", &other.public().envelope_key_id()).to_string().into_bytes();
        let read = DsseEnvelope::read("an attestation", &bytes, 1 << 20).unwrap();
        assert!(read.is_signed_by(key.public()) && !read.is_signed_by(other.public()));
        assert_eq!(read.payload(), b"{}");
        let bundle = json!({ "mediaType": "x", "dsseEnvelope": envelope(&key, b"{}", "") }).to_string();
        assert!(DsseEnvelope::read_bundle("a bundle", bundle.as_bytes(), 1 << 20).unwrap().is_signed_by(key.public()));
    }

    #[test]
    fn invalid_envelopes_are_refused() {
        let key = SigningKey::generate(KeyKind::Ed25519).unwrap();
        let code = |value: &Value, limit| {
            DsseEnvelope::read("an attestation", value.to_string().as_bytes(), limit).unwrap_err().code().id
        };
        let good = envelope(&key, b"{}", "");
        assert_eq!(code(&good, 8), "LF1014");
        let mut other = good.clone();
        other["payloadType"] = json!("text/plain");
        assert_eq!(code(&other, 1 << 20), landfall_error_codes::codes::WRONG_TYPE.id);
        let mut many = good.clone();
        many["signatures"] = Value::Array(vec![good["signatures"][0].clone(); limits::SIGNATURES + 1]);
        assert_eq!(code(&many, 1 << 20), "LF1014");
        let empty = DsseEnvelope::read_bundle("a bundle", b"{}", 1 << 20);
        assert!(matches!(empty, Err(Error::InvalidDocument { .. })), "{empty:?}");
    }
}
