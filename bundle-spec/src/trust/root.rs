//! `N.root.json`: the keys of each role, and how many of them must sign.
//!
//! Threats:
//! - one key counted as two (ids are digests of the canonical encoding of a key; ids are a set);
//! - a root that names keys it does not contain;
//! - thresholds of zero or beyond the keys;
//! - signatures of other documents passed off as those of a root (the signed part carries its type);
//! - signatures that count without a check (only those of keys of the role count; each of them must match; those by
//!   unknown signers are ignored, as in TUF).
//!
//! Later versions may add kinds of keys, roles and fields. Unknown data stays in the signed bytes and has no effect. So
//! one new key does not make a whole chain unreadable for installers in the field.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256 as Sha256Hasher};

use super::envelope::Envelope;
use super::keys::{PublicKey, SigningKey};
use super::root_change::RootChange;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::json;
use crate::key_id::KeyId;

/// The `type` of the signed part of a root document.
pub const ROOT_DOCUMENT_TYPE: &str = "landfall.dev/root/1";

/// Returns the name `N.root.json` for a number, in the head's trust area and on a vendor's disk.
pub fn root_file_name(number: u64) -> String {
    format!("{number}.root.json")
}

/// The purpose of keys. Every role has keys; one key may have several roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Signs the next root document.
    Root,
    /// Signs `landfall.json` of bundles.
    Release,
    /// Signs licenses.
    License,
    /// Signs revocations.
    Revocation,
}

impl Role {
    /// Every role that this version knows.
    pub const ALL: [Self; 4] = [Self::Root, Self::Release, Self::License, Self::Revocation];

    /// Name of the role in a root document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Release => "release",
            Self::License => "license",
            Self::Revocation => "revocation",
        }
    }
}

/// The keys of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids, sorted and without duplicates, including those of keys of an unknown kind.
    pub keys: Vec<KeyId>,
    /// Number of these keys that must sign.
    pub threshold: u64,
}

/// The keys of the roles that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Roles {
    license: RoleKeys,
    release: RoleKeys,
    revocation: RoleKeys,
    root: RoleKeys,
}

/// The fields of the signed part of a root document that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RootFields {
    number: u64,
    development: bool,
    keys: BTreeMap<KeyId, Value>,
    roles: Roles,
}

/// The contents of a root document, before it is signed.
#[derive(Debug, Clone)]
pub struct RootContents {
    /// Number of the document: 1 for the first, then always one more.
    pub number: u64,
    /// True if this root is only for development; every output then says so. Never changes along a chain.
    pub development: bool,
    /// Keys and threshold of the root role.
    pub root: (Vec<PublicKey>, u64),
    /// Keys and threshold of the release role.
    pub release: (Vec<PublicKey>, u64),
    /// Keys and threshold of the license role.
    pub license: (Vec<PublicKey>, u64),
    /// Keys and threshold of the revocation role.
    pub revocation: (Vec<PublicKey>, u64),
}

impl RootContents {
    /// Creates the contents of root document 1 with one key for every role.
    pub fn single(key: &PublicKey, development: bool) -> Self {
        let role = (vec![key.clone()], 1);
        Self {
            number: 1,
            development,
            root: role.clone(),
            release: role.clone(),
            license: role.clone(),
            revocation: role,
        }
    }
}

/// A root document that is being signed.
#[derive(Debug, Clone)]
pub struct UnsignedRoot {
    name: String,
    message: Vec<u8>,
    signatures: BTreeMap<KeyId, Vec<u8>>,
}

impl UnsignedRoot {
    /// Checks the contents and encodes the signed part.
    pub fn new(contents: &RootContents) -> Result<Self> {
        let mut change = RootChange::empty(contents.number, contents.development);
        for (role, (keys, threshold)) in [
            (Role::License, &contents.license),
            (Role::Release, &contents.release),
            (Role::Revocation, &contents.revocation),
            (Role::Root, &contents.root),
        ] {
            for key in keys {
                change.admit(role, key);
            }
            change.set_threshold(role, *threshold);
        }
        change.finish()
    }

    /// Checks and encodes a signed part.
    pub(crate) fn of(number: u64, signed: &Value) -> Result<Self> {
        let name = root_file_name(number);
        let message = json::to_canonical(&name, signed)?;
        Statement::read(&name, signed.clone())?;
        Ok(Self { name, message, signatures: BTreeMap::new() })
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signs with a key of the root role of this document or the previous one.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = key.sign(&self.message)?;
        self.add_signature(key.public().id(), &signature);
        Ok(())
    }

    /// Adds an external signature. It is checked when the document is read.
    pub fn add_signature(&mut self, key: KeyId, signature: &[u8]) {
        self.signatures.insert(key, signature.to_vec());
    }

    /// Returns the document as it is, signed or not. More signatures can be added later; until then it is not trusted.
    pub fn draft(self) -> Result<Root> {
        let envelope = Envelope::write(&self.name, self.message, self.signatures)?;
        Root::read(&self.name, envelope.bytes())
    }

    /// Returns the document after checking it against the previous one; document 1 has none.
    pub fn finish(self, previous: Option<&Root>) -> Result<Root> {
        let root = self.draft()?;
        root.check_complete(previous)?;
        Ok(root)
    }
}

/// The checked contents of a root document.
#[derive(Debug, Clone)]
struct Statement {
    number: u64,
    development: bool,
    roles: Roles,
    /// Keys of the kinds that this version knows.
    keys: BTreeMap<KeyId, PublicKey>,
}

impl Statement {
    fn read(name: &str, signed: Value) -> Result<Self> {
        let signed: RootFields = json::from_value(name, signed)?;
        check(name, &signed)?;
        let keys = read_keys(name, &signed.keys)?;
        Ok(Self { number: signed.number, development: signed.development, roles: signed.roles, keys })
    }
}

/// A root document whose structure was checked. Nothing in it is trusted before [`super::walk`].
#[derive(Debug, Clone)]
pub struct Root {
    name: String,
    statement: Statement,
    envelope: Envelope,
}

impl Root {
    /// Reads canonical bytes, and checks that the document does not contradict itself.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let (envelope, signed) = Envelope::read(name, ROOT_DOCUMENT_TYPE, bytes)?;
        Ok(Self { name: name.to_owned(), statement: Statement::read(name, signed)?, envelope })
    }

    /// Number of the document in the chain.
    pub const fn number(&self) -> u64 {
        self.statement.number
    }

    /// True if this root is only for development.
    pub const fn development(&self) -> bool {
        self.statement.development
    }

    /// The bytes of the document.
    pub fn bytes(&self) -> &[u8] {
        self.envelope.bytes()
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        self.envelope.message()
    }

    /// SHA-256 of the document. A vendor publishes that of document 1, and a user types it.
    pub fn fingerprint(&self) -> Sha256 {
        Sha256(Sha256Hasher::digest(self.bytes()).into())
    }

    /// Returns true if the signed parts are the same; signatures may differ.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.message() == other.message()
    }

    /// Name of the document in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ids and threshold of a role.
    pub const fn role(&self, role: Role) -> &RoleKeys {
        let roles = &self.statement.roles;
        match role {
            Role::Root => &roles.root,
            Role::Release => &roles.release,
            Role::License => &roles.license,
            Role::Revocation => &roles.revocation,
        }
    }

    /// Returns a key of this document; `None` if this version does not know its kind.
    pub fn key(&self, id: KeyId) -> Option<&PublicKey> {
        self.statement.keys.get(&id)
    }

    /// The keys of a role whose kinds this version knows.
    pub fn keys_of(&self, role: Role) -> impl Iterator<Item = &PublicKey> {
        self.role(role).keys.iter().filter_map(|id| self.key(*id))
    }

    /// All signatures of the document, including those by unknown signers.
    pub fn signatures(&self) -> Vec<(KeyId, &[u8])> {
        self.envelope.signatures()
    }

    /// Returns the document with one more signature.
    pub fn with_signature(&self, key: KeyId, signature: &[u8]) -> Result<Self> {
        let envelope = self.envelope.with_signature(&self.name, key, signature)?;
        Ok(Self { envelope, ..self.clone() })
    }

    /// Checks the signatures of a document that `role` must sign, and returns the ids of the valid signers. Every
    /// signature by a key of the role must match, and enough keys must have signed, each counted once. Signatures by
    /// other keys, and by keys of a kind that this version does not know, are ignored. The caller has checked the
    /// document's `type` against the role.
    pub fn verify(&self, role: Role, name: &str, message: &[u8], signatures: &[(KeyId, &[u8])]) -> Result<Vec<KeyId>> {
        let Some((first, _)) = signatures.first() else {
            return Err(Error::Unsigned { name: name.to_owned() });
        };
        let signers = self.signers(role, name, message, signatures)?;
        let threshold = usize::try_from(self.role(role).threshold).unwrap_or(usize::MAX);
        let (root, role, found) = (self.number(), role.name(), signers.len());
        match found {
            _ if found >= threshold => Ok(signers.into_iter().collect()),
            0 => Err(Error::UnknownKey { name: name.to_owned(), key: *first, root, role }),
            _ => Err(Error::ThresholdNotMet { name: name.to_owned(), found, threshold, root, role }),
        }
    }

    /// Returns an error unless the document may follow `previous` or, without one, begin a chain.
    pub fn check_complete(&self, previous: Option<&Self>) -> Result<()> {
        match previous {
            None => self.verify_own(),
            Some(previous) => previous.verify_next(self),
        }
    }

    /// Checks that the document's own root keys signed it: for document 1, and for a document that is already trusted
    /// on other grounds.
    pub(super) fn verify_own(&self) -> Result<()> {
        self.verify(Role::Root, &self.name, self.message(), &self.signatures()).map(drop)
    }

    /// Checks that `next` may follow: number, development mark, and the signatures of both thresholds.
    pub(super) fn verify_next(&self, next: &Self) -> Result<()> {
        let broken = |reason: String| Error::BadRootChain { name: next.name.clone(), reason };
        if self.number().checked_add(1) != Some(next.number()) {
            return Err(broken(format!("it has number {} and follows number {}", next.number(), self.number())));
        }
        if self.development() != next.development() {
            return Err(broken("a development root cannot become another, nor the reverse".to_owned()));
        }
        for signer in [self, next] {
            let count = signer.signers(Role::Root, &next.name, next.message(), &next.signatures())?.len();
            let threshold = signer.role(Role::Root).threshold;
            if (count as u64) < threshold {
                let number = signer.number();
                return Err(broken(format!("it is signed by {count} of {threshold} root keys of number {number}")));
            }
        }
        Ok(())
    }

    /// Returns the distinct keys of a role of this document that signed. Returns an error if a signature by one of them
    /// does not match.
    pub fn signers(
        &self,
        role: Role,
        name: &str,
        message: &[u8],
        signatures: &[(KeyId, &[u8])],
    ) -> Result<BTreeSet<KeyId>> {
        let mut signers = BTreeSet::new();
        for (id, signature) in signatures {
            if self.role(role).keys.binary_search(id).is_err() {
                continue;
            }
            match self.key(*id).map(|key| key.verifies(message, signature)) {
                None => {}
                Some(true) => drop(signers.insert(*id)),
                Some(false) => return Err(Error::BadSignature { name: name.to_owned(), key: *id }),
            }
        }
        Ok(signers)
    }
}

/// Reads the keys of known kinds. An id is the SHA-256 of the key, in the encoding of its kind.
fn read_keys(name: &str, encoded: &BTreeMap<KeyId, Value>) -> Result<BTreeMap<KeyId, PublicKey>> {
    let invalid = |reason: String| Error::InvalidRoot { name: name.to_owned(), reason };
    let mut keys = BTreeMap::new();
    for (id, value) in encoded {
        // A later version may use another form for keys of a new kind.
        let Some(text) = value.as_str() else { continue };
        let der = STANDARD.decode(text).map_err(|_| invalid(format!("key {id} is not base64")))?;
        if KeyId::of(&der) != *id {
            return Err(invalid(format!("key {id} is another key")));
        }
        if let Some(key) = PublicKey::recognize(&format!("key {id} of {name}"), &der)? {
            keys.insert(*id, key);
        }
    }
    Ok(keys)
}

fn check(name: &str, signed: &RootFields) -> Result<()> {
    let invalid = |reason: String| Err(Error::InvalidRoot { name: name.to_owned(), reason });
    if signed.number == 0 {
        return invalid("its number is 0".to_owned());
    }
    let roles = &signed.roles;
    for (role, keys) in [
        ("root", &roles.root),
        ("release", &roles.release),
        ("license", &roles.license),
        ("revocation", &roles.revocation),
    ] {
        if !keys.keys.is_sorted_by(|one, next| one < next) {
            return invalid(format!("the keys of the role {role} are not sorted, or one is listed twice"));
        }
        if keys.threshold == 0 || keys.threshold > keys.keys.len() as u64 {
            return invalid(format!(
                "the role {role} has {} keys and a threshold of {}",
                keys.keys.len(),
                keys.threshold
            ));
        }
        if let Some(missing) = keys.keys.iter().find(|id| !signed.keys.contains_key(id)) {
            return invalid(format!("the role {role} names the key {missing}, which the document does not hold"));
        }
    }
    Ok(())
}
