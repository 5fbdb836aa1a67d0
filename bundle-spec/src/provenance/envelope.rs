//! The signed envelope of provenance: DSSE, with the threshold of a root document.
//!
//! Signatures cover DSSE's pre-authentication encoding, which begins with `DSSEv1 ` and names the type of the payload.
//! No document of a bundle begins like that, so a signature of one is never valid for the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::statement::{BUILD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Statement};
use crate::dsse::{DsseEnvelope, EncodedEnvelope, EncodedSignature, PAYLOAD_TYPE, pre_authentication_encoding};
use crate::error::{Error, Result};
use crate::head::Verified;
use crate::trust::{KeyId, PublicKey, Role, Root, SigningKey};
use crate::{json, limits};

/// A statement that is being signed.
#[derive(Debug)]
pub struct UnsignedProvenance {
    payload: Vec<u8>,
    message: Vec<u8>,
    signatures: Vec<(PublicKey, Vec<u8>)>,
}

impl UnsignedProvenance {
    /// Creates a statement without signatures. The same statement gives the same bytes.
    pub fn new(statement: &Statement) -> Result<Self> {
        let payload = json::to_canonical("the provenance", statement)?;
        Ok(Self { message: pre_authentication_encoding(PAYLOAD_TYPE, &payload), payload, signatures: Vec::new() })
    }

    /// The bytes to sign, for external signers.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signs with an available key.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = key.sign(&self.message)?;
        self.add_signature(key.public().clone(), signature);
        Ok(())
    }

    /// Adds an external signature; replaces an earlier one by the same key.
    pub fn add_signature(&mut self, key: PublicKey, signature: Vec<u8>) {
        self.signatures.retain(|(other, _)| *other != key);
        self.signatures.push((key, signature));
        self.signatures.sort_by_key(|(key, _)| key.id());
    }

    /// Returns the bytes of the file. Reads them back as a site with this bundle does, and returns an error if the site
    /// would refuse them.
    pub fn finish(self, name: &str, bundle: &Verified) -> Result<Vec<u8>> {
        let signatures = self
            .signatures
            .iter()
            .map(|(key, signature)| EncodedSignature { keyid: key.envelope_key_id(), sig: STANDARD.encode(signature) });
        let envelope = EncodedEnvelope {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: signatures.collect(),
        };
        let bytes = json::to_canonical(name, &envelope)?;
        Provenance::read(name, &bytes)?.verify(bundle)?;
        Ok(bytes)
    }
}

/// A file with provenance; nothing in it is trusted yet.
#[derive(Debug)]
pub struct Provenance {
    name: String,
    envelope: DsseEnvelope,
}

impl Provenance {
    /// Reads the envelope, in any encoding of JSON and either alphabet of base64, without the statement. `name` is the
    /// file's name, for errors.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let envelope = DsseEnvelope::read(name, bytes, limits::PROVENANCE_BYTES)?;
        Ok(Self { name: name.to_owned(), envelope })
    }

    /// Checks that a threshold of the release keys of this bundle's effective root signed the statement, and only then
    /// reads it. Returns an error for a statement about another bundle.
    pub fn verify(self, bundle: &Verified) -> Result<VerifiedProvenance> {
        let signers = self.signers(bundle.trusted_root().root())?;
        let name = &self.name;
        let value = json::parse(name, &self.envelope.payload, json::Numbers::Any)?;
        for (pointer, expected) in [
            ("/_type", STATEMENT_TYPE),
            ("/predicateType", PREDICATE_TYPE),
            ("/predicate/buildDefinition/buildType", BUILD_TYPE),
        ] {
            let found = value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            json::require_type(name, expected, found)?;
        }
        let statement: Statement = json::from_value(name, value.clone())?;
        let id = bundle.id();
        if !statement.is_about(id) || !statement.names(&bundle.identity()) {
            let found = statement.subject_text(id);
            return Err(Error::ForeignProvenance { name: self.name, found, id });
        }
        Ok(VerifiedProvenance { statement, value, signers })
    }

    /// Returns the release keys that signed. As in a head, each signature that names one of them must match, and
    /// signatures by unknown signers are ignored.
    fn signers(&self, root: &Root) -> Result<Vec<KeyId>> {
        let (name, role) = (&self.name, Role::Release);
        let signatures = &self.envelope.signatures;
        let known: Vec<_> = signatures.iter().filter_map(|signature| self.of_known_key(root, signature)).collect();
        match signatures.first() {
            Some((stranger, _)) if known.is_empty() => {
                let found = if stranger.is_empty() { "a key without a name".to_owned() } else { shorten(stranger) };
                Err(Error::UnknownSigner { name: name.clone(), found, root: root.number(), role: role.name() })
            }
            _ => root.verify(role, name, &self.envelope.message, &known),
        }
    }

    /// Returns the signature with the id of the release key that it names. If it names none, the id is that of the key
    /// that made it.
    fn of_known_key<'a>(&self, root: &Root, (name, signature): &'a (String, Vec<u8>)) -> Option<(KeyId, &'a [u8])> {
        let is_by = |key: &&PublicKey| match name.as_str() {
            "" => key.verifies(&self.envelope.message, signature),
            name => key.envelope_key_id() == name,
        };
        let key = root.keys_of(Role::Release).find(is_by)?;
        Some((key.id(), signature))
    }
}

/// Verified provenance of a verified bundle, signed as the bundle must be.
#[derive(Debug, Clone)]
pub struct VerifiedProvenance {
    statement: Statement,
    value: Value,
    signers: Vec<KeyId>,
}

impl VerifiedProvenance {
    /// The vendor's statement.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The whole statement, including fields that this version does not know.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Ids of the release keys that signed.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
