//! `ID.license`: the license, its signatures, the vendor's root documents, and the revocation of the day of issue.
//!
//! Threats:
//! - terms that are trusted before their signatures are checked (a [`SealedLicense`] gives no access to entitlements);
//! - a license signed by keys of another role;
//! - a chain of roots that leads to another vendor;
//! - a file from which the revocation was removed (its number is in the signed terms).

use std::collections::BTreeMap;

use landfall_bundle_spec::trust::{
    Envelope, KeyId, REVOCATION_FILE_NAME, Revocation, Role, Root, SigningKey, TrustAnchor, root_file_name, walk,
};
use landfall_bundle_spec::{read_canonical, to_canonical};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{LicenseError, Result};
use crate::terms::{LICENSE_TYPE, Terms};

/// The `type` of the file.
const FILE_TYPE: &str = "landfall.dev/license-file/1";

/// Maximum size of the file in bytes: enough for a revocation and a few hundred root documents.
pub const FILE_BYTES: usize = 1 << 20;

/// The file in its encoded form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodedLicense {
    #[serde(rename = "type")]
    document_type: String,
    license: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation: Option<Value>,
    roots: Vec<Value>,
}

/// A license that is being signed.
#[derive(Debug, Clone)]
pub struct UnsignedLicense {
    name: String,
    message: Vec<u8>,
    signatures: BTreeMap<KeyId, Vec<u8>>,
}

impl UnsignedLicense {
    /// Checks the terms and encodes the signed part.
    pub fn new(terms: &Terms) -> Result<Self> {
        let name = format!("{}.license", terms.id);
        terms.check().map_err(|reason| LicenseError::Invalid { name: name.clone(), reason })?;
        let message = to_canonical(&name, terms).map_err(LicenseError::refusal_of(&name))?;
        Ok(Self { name, message, signatures: BTreeMap::new() })
    }

    /// Name of the license's file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signs with a key of the license role.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = key.sign(&self.message).map_err(LicenseError::refusal_of(&self.name))?;
        self.add_signature(key.public().id(), signature);
        Ok(())
    }

    /// Adds an external signature. [`UnsignedLicense::finish`] checks it.
    pub fn add_signature(&mut self, key: KeyId, signature: Vec<u8>) {
        self.signatures.insert(key, signature);
    }

    /// Returns the file, or an error if the newest root document does not accept the signatures.
    pub fn finish(self, roots: &[Root], revocation: Option<&Revocation>) -> Result<SealedLicense> {
        let Self { name, message, signatures } = self;
        let signing = |source| LicenseError::Signing { name: name.clone(), source: Box::new(source) };
        let newest = roots.last().ok_or_else(|| signing(landfall_bundle_spec::Error::RootMissing))?;
        let envelope = Envelope::write(&name, message, signatures).map_err(signing)?;
        newest.verify(Role::License, &name, envelope.message(), &envelope.signatures()).map_err(signing)?;
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let encoded = EncodedLicense {
            document_type: FILE_TYPE.to_owned(),
            license: value(envelope.bytes()),
            revocation: revocation.map(|revocation| value(revocation.bytes())),
            roots: roots.iter().map(|root| value(root.bytes())).collect(),
        };
        let bytes = to_canonical(&name, &encoded).map_err(signing)?;
        SealedLicense::read(&name, &bytes)
    }
}

/// The contents of a license file whose signatures are not verified yet.
#[derive(Debug, Clone)]
pub struct SealedLicense {
    name: String,
    bytes: Vec<u8>,
    envelope: Envelope,
    roots: Vec<Root>,
    revocation: Option<Revocation>,
}

impl SealedLicense {
    /// Reads canonical bytes without interpreting the terms.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let refused = LicenseError::refusal_of(name);
        if bytes.len() > FILE_BYTES {
            let what = format!("{name} ({} bytes)", bytes.len());
            return Err(refused(landfall_bundle_spec::Error::TooLarge { what, limit: FILE_BYTES as u64 }));
        }
        let encoded: EncodedLicense = read_canonical(name, FILE_TYPE, bytes).map_err(&refused)?;
        let part = |part: &str, value: &Value| to_canonical(part, value).map_err(&refused);
        let (envelope, _) = Envelope::read(name, LICENSE_TYPE, &part(name, &encoded.license)?).map_err(&refused)?;
        let mut roots = Vec::new();
        for value in &encoded.roots {
            let number = value.pointer("/signed/number").and_then(Value::as_u64).unwrap_or_default();
            let root_name = root_file_name(number);
            roots.push(Root::read(&root_name, &part(&root_name, value)?).map_err(&refused)?);
        }
        let revocation = match &encoded.revocation {
            Some(value) => {
                Some(Revocation::read(REVOCATION_FILE_NAME, &part(REVOCATION_FILE_NAME, value)?).map_err(&refused)?)
            }
            None => None,
        };
        Ok(Self { name: name.to_owned(), bytes: bytes.to_vec(), envelope, roots, revocation })
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The root documents in the file.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Ids of the keys in the signatures, which are not verified.
    pub fn claimed_signers(&self) -> Vec<KeyId> {
        self.envelope.signatures().into_iter().map(|(key, _)| key).collect()
    }

    /// Returns the terms for inspection. Their origin is not verified.
    pub fn untrusted_terms(&self) -> Result<Terms> {
        Terms::read(&self.name, self.envelope.message())
    }

    /// Checks the chain of roots from the anchor, the signatures by the license role of the effective root, and those
    /// of the revocation. Only then are the terms interpreted.
    pub fn verify(&self, anchor: &TrustAnchor) -> Result<License> {
        let refused = LicenseError::refusal_of(&self.name);
        let trusted = walk(anchor, &self.roots).map_err(&refused)?;
        let root = trusted.root();
        let (message, signatures) = (self.envelope.message(), self.envelope.signatures());
        let signers = root.verify(Role::License, &self.name, message, &signatures).map_err(&refused)?;
        if let Some(revocation) = &self.revocation {
            revocation.verify(root).map_err(&refused)?;
        }
        let terms = Terms::read(&self.name, message)?;
        let carried = self.revocation.as_ref().map_or(0, Revocation::number);
        if carried < terms.revocation {
            return Err(LicenseError::RevocationMissing { name: self.name.clone(), number: terms.revocation });
        }
        Ok(License {
            terms,
            bytes: self.bytes.clone(),
            root: root.clone(),
            revocation: self.revocation.clone(),
            signers,
        })
    }
}

/// A license whose signatures are verified. Its [`crate::Standing`] says whether it is valid at a site.
#[derive(Debug, Clone)]
pub struct License {
    terms: Terms,
    bytes: Vec<u8>,
    root: Root,
    revocation: Option<Revocation>,
    signers: Vec<KeyId>,
}

impl License {
    /// Terms of the license.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The bytes of the license's file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The root document whose license keys signed it.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// The vendor's revocation in the file, verified.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// Ids of the keys with valid signatures.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// Returns true if the license grants this entitlement, which a component of a release needs.
    pub fn grants(&self, entitlement: &str) -> bool {
        self.terms.entitlements.components.iter().any(|granted| granted == entitlement)
    }
}
