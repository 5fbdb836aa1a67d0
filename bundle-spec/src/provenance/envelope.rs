//! The signed envelope: DSSE, with the threshold of a root document.
//!
//! Signatures are over DSSE's pre-authentication encoding, which begins with `DSSEv1 ` and names the type of what is
//! signed. No document of a bundle begins so, and the signature of one never passes for that of the other.

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
    /// A statement without signatures. The same statement gives the same bytes.
    pub fn new(statement: &Statement) -> Result<Self> {
        let payload = json::to_canonical("the provenance", statement)?;
        Ok(Self { message: pre_authentication_encoding(PAYLOAD_TYPE, &payload), payload, signatures: Vec::new() })
    }

    /// The bytes to sign, for signers elsewhere.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signs with an available key.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = key.sign(&self.message)?;
        self.add_signature(key.public().clone(), signature);
        Ok(())
    }

    /// Adds a signature that was made elsewhere, in place of an earlier one by the same key.
    pub fn add_signature(&mut self, key: PublicKey, signature: Vec<u8>) {
        self.signatures.retain(|(other, _)| *other != key);
        self.signatures.push((key, signature));
        self.signatures.sort_by_key(|(key, _)| key.id());
    }

    /// The bytes of the file, which are read back as a site with this bundle reads them: what it would refuse is refused
    /// here.
    pub fn signed(self, name: &str, bundle: &Verified) -> Result<Vec<u8>> {
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

/// A file with provenance, none of it trusted yet.
#[derive(Debug)]
pub struct Provenance {
    name: String,
    envelope: DsseEnvelope,
}

impl Provenance {
    /// Reads the envelope, in any encoding of JSON and either alphabet of base64, and nothing of the statement. `name` is that of the file, for errors.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let envelope = DsseEnvelope::read(name, bytes, limits::PROVENANCE_BYTES)?;
        Ok(Self { name: name.to_owned(), envelope })
    }

    /// Checks that a threshold of the release keys of the root that counts for this bundle signed the statement, and only
    /// then reads it. Refuses one that is about another bundle.
    pub fn verify(self, bundle: &Verified) -> Result<VerifiedProvenance> {
        let signers = self.signers(bundle.trusted().root())?;
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

    /// The release keys that signed. As in a head, each signature that names one of them must match, and those of strangers
    /// do not count.
    fn signers(&self, root: &Root) -> Result<Vec<KeyId>> {
        let (name, role) = (&self.name, Role::Release);
        let signatures = &self.envelope.signatures;
        let known: Vec<_> = signatures.iter().filter_map(|signature| self.of_known_key(root, signature)).collect();
        match signatures.first() {
            Some((stranger, _)) if known.is_empty() => {
                let found = if stranger.is_empty() { "a key without a name".to_owned() } else { shortened(stranger) };
                Err(Error::UnknownSigner { name: name.clone(), found, root: root.number(), role: role.name() })
            }
            _ => root.verify(role, name, &self.envelope.message, &known),
        }
    }

    /// The signature with the id of the release key that it names or, where it names none, that it is by.
    fn of_known_key<'a>(&self, root: &Root, (name, signature): &'a (String, Vec<u8>)) -> Option<(KeyId, &'a [u8])> {
        let is_by = |key: &&PublicKey| match name.as_str() {
            "" => key.verifies(&self.envelope.message, signature),
            name => key.envelope_key_id() == name,
        };
        let key = root.keys_of(Role::Release).find(is_by)?;
        Some((key.id(), signature))
    }
}

/// Provenance of a verified bundle, signed as the bundle must be.
#[derive(Debug, Clone)]
pub struct VerifiedProvenance {
    statement: Statement,
    value: Value,
    signers: Vec<KeyId>,
}

impl VerifiedProvenance {
    /// What the vendor states.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// All of the statement, fields included that this version does not know.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Ids of the release keys that signed.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
