//! `N.root.json`: which keys have which role, and how many must sign.
//!
//! Threats: one key counted as two (ids are digests of the one encoding of a key; ids are a set), a root that names
//! keys it does not hold, thresholds of zero or beyond the keys, signatures of other documents passed off as those of
//! a root (the signed part carries its type), and signatures that nobody checks (every one must be valid and by a key
//! of the root role of this document or the one before).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256 as Sha256Hasher};

use super::keys::{KeyId, PublicKey, SigningKey};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::{json, limits};

/// The `type` of the signed part of a root document.
pub const ROOT_DOCUMENT_TYPE: &str = "landfall.dev/root/1";

/// Name in the head's trust area, and of the file on a vendor's disk, for a number: `N.root.json`.
pub fn root_file_name(number: u64) -> String {
    format!("{number}.root.json")
}

/// What keys are for. Every role has keys; one key may have several roles.
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
    /// Its name in a root document.
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
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    /// Ids, sorted, none twice.
    pub keys: Vec<KeyId>,
    /// How many of them must sign.
    pub threshold: u64,
}

/// The keys of all roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    license: RoleKeys,
    release: RoleKeys,
    revocation: RoleKeys,
    root: RoleKeys,
}

/// The signed part of a root document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    #[serde(rename = "type")]
    document_type: String,
    number: u64,
    development: bool,
    keys: BTreeMap<KeyId, String>,
    roles: Roles,
}

/// A root document as it is encoded.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded<S> {
    signatures: BTreeMap<KeyId, String>,
    signed: S,
}

/// What a root document says, before it is signed.
#[derive(Debug, Clone)]
pub struct RootContents {
    /// 1 for the first; each next one is exactly one more.
    pub number: u64,
    /// Whether this root is for development only; every output then says so. Never changes along a chain.
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
    /// Root document 1 with one key for every role.
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
    signed: Signed,
    message: Vec<u8>,
    signatures: BTreeMap<KeyId, String>,
}

impl UnsignedRoot {
    /// Checks the contents and encodes the signed part.
    pub fn new(contents: &RootContents) -> Result<Self> {
        let mut keys = BTreeMap::new();
        let mut role = |(public, threshold): &(Vec<PublicKey>, u64)| {
            keys.extend(public.iter().map(|key| (key.id(), STANDARD.encode(key.der()))));
            let ids: BTreeSet<KeyId> = public.iter().map(PublicKey::id).collect();
            RoleKeys { keys: ids.into_iter().collect(), threshold: *threshold }
        };
        let roles = Roles {
            license: role(&contents.license),
            release: role(&contents.release),
            revocation: role(&contents.revocation),
            root: role(&contents.root),
        };
        let signed = Signed {
            document_type: ROOT_DOCUMENT_TYPE.to_owned(),
            number: contents.number,
            development: contents.development,
            keys,
            roles,
        };
        let name = root_file_name(signed.number);
        check(&name, &signed)?;
        let message = json::to_canonical(&name, &signed)?;
        Ok(Self { signed, message, signatures: BTreeMap::new() })
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signs with a key of the root role of this document or the one before.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let signature = key.sign(&self.message)?;
        self.add_signature(key.public().id(), &signature);
        Ok(())
    }

    /// Adds a signature made elsewhere; it is checked when the document is read.
    pub fn add_signature(&mut self, key: KeyId, signature: &[u8]) {
        self.signatures.insert(key, STANDARD.encode(signature));
    }

    /// The document, checked against the one before it; document 1 has none before it.
    pub fn finish(self, previous: Option<&Root>) -> Result<Root> {
        let name = root_file_name(self.signed.number);
        let bytes = json::to_canonical(&name, &Encoded { signatures: self.signatures, signed: self.signed })?;
        let root = Root::read(&name, &bytes)?;
        match previous {
            None => root.verify_first()?,
            Some(previous) => previous.verify_next(&root)?,
        }
        Ok(root)
    }
}

/// A root document whose structure was checked. Nothing in it is trusted before [`super::walk`].
#[derive(Debug, Clone)]
pub struct Root {
    name: String,
    signed: Signed,
    keys: BTreeMap<KeyId, PublicKey>,
    signatures: BTreeMap<KeyId, Vec<u8>>,
    message: Vec<u8>,
    bytes: Vec<u8>,
}

impl Root {
    /// Reads canonical bytes and checks that the document does not contradict itself.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > limits::AREA_FILE_BYTES {
            return Err(Error::TooLarge {
                what: format!("{name} ({} bytes)", bytes.len()),
                limit: limits::AREA_FILE_BYTES,
            });
        }
        let value = json::parse(name, bytes, json::Numbers::Integers)?;
        json::check_type(name, ROOT_DOCUMENT_TYPE, value.get("signed").unwrap_or(&Value::Null))?;
        json::check_canonical(name, &value, bytes)?;
        let encoded: Encoded<Signed> = json::from_value(name, value)?;
        check(name, &encoded.signed)?;
        let keys = read_keys(name, &encoded.signed.keys)?;
        let invalid = |reason: String| Error::InvalidRoot { name: name.to_owned(), reason };
        let mut signatures = BTreeMap::new();
        for (key, text) in encoded.signatures {
            let signature =
                STANDARD.decode(text).map_err(|_| invalid(format!("the signature by {key} is not base64")))?;
            signatures.insert(key, signature);
        }
        let message = json::to_canonical(name, &encoded.signed)?;
        Ok(Self { name: name.to_owned(), signed: encoded.signed, keys, signatures, message, bytes: bytes.to_vec() })
    }

    /// Its number in the chain.
    pub const fn number(&self) -> u64 {
        self.signed.number
    }

    /// Whether this root is for development only.
    pub const fn development(&self) -> bool {
        self.signed.development
    }

    /// The bytes of the document.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the document: of document 1, what a vendor publishes and a person types.
    pub fn fingerprint(&self) -> Sha256 {
        Sha256(Sha256Hasher::digest(&self.bytes).into())
    }

    /// Whether the signed parts are the same; signatures may differ.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.message == other.message
    }

    /// What it is called in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ids and threshold of a role.
    pub const fn role(&self, role: Role) -> &RoleKeys {
        match role {
            Role::Root => &self.signed.roles.root,
            Role::Release => &self.signed.roles.release,
            Role::License => &self.signed.roles.license,
            Role::Revocation => &self.signed.roles.revocation,
        }
    }

    /// A key that this document holds.
    pub fn key(&self, id: KeyId) -> Option<&PublicKey> {
        self.keys.get(&id)
    }

    /// Checks the signatures of a document that `role` must sign: each must be valid and by a key of the role, and there
    /// must be enough. The caller has checked the document's `type` against the role.
    pub fn verify(&self, role: Role, name: &str, message: &[u8], signatures: &[(KeyId, &[u8])]) -> Result<()> {
        if signatures.is_empty() {
            return Err(Error::Unsigned { name: name.to_owned() });
        }
        let keys = &self.role(role).keys;
        let mut signers = BTreeSet::new();
        for (id, signature) in signatures {
            let key = self.keys.get(id).filter(|_| keys.contains(id)).ok_or_else(|| Error::UnknownKey {
                name: name.to_owned(),
                key: *id,
                root: self.number(),
                role: role.name(),
            })?;
            if !key.verifies(message, signature) {
                return Err(Error::BadSignature { name: name.to_owned(), key: *id });
            }
            signers.insert(*id);
        }
        self.check_threshold(role, name, signers.len())
    }

    /// Checks the signatures of a document that has none before it: only its own root keys may sign.
    pub(super) fn verify_first(&self) -> Result<()> {
        let signatures: Vec<(KeyId, &[u8])> =
            self.signatures.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        self.verify(Role::Root, &self.name, &self.message, &signatures)
    }

    /// Checks that its own root keys signed it, whatever others did: for a document that is trusted for its bytes.
    pub(super) fn verify_own(&self) -> Result<()> {
        self.check_threshold(Role::Root, &self.name, self.count_signers(self)?)
    }

    /// Checks that `next` may follow: number, mark and the signatures of both thresholds.
    pub(super) fn verify_next(&self, next: &Self) -> Result<()> {
        let broken = |reason: String| Error::BadRootChain { name: next.name.clone(), reason };
        if self.number().checked_add(1) != Some(next.number()) {
            return Err(broken(format!("it has number {} and follows number {}", next.number(), self.number())));
        }
        if self.development() != next.development() {
            return Err(broken("a development root cannot become another, nor the reverse".to_owned()));
        }
        for id in next.signatures.keys() {
            if !self.role(Role::Root).keys.contains(id) && !next.role(Role::Root).keys.contains(id) {
                return Err(broken(format!("it is signed by {id}, which is no root key")));
            }
        }
        for (signer, count) in [(self, self.count_signers(next)?), (next, next.count_signers(next)?)] {
            let threshold = signer.role(Role::Root).threshold;
            if (count as u64) < threshold {
                let number = signer.number();
                return Err(broken(format!("it is signed by {count} of {threshold} root keys of number {number}")));
            }
        }
        Ok(())
    }

    /// How many distinct root keys of `self` signed `next`; a signature of theirs that does not match is an error.
    fn count_signers(&self, next: &Self) -> Result<usize> {
        let mut count = 0;
        for (id, signature) in &next.signatures {
            if !self.role(Role::Root).keys.contains(id) {
                continue;
            }
            if !self.keys.get(id).is_some_and(|key| key.verifies(&next.message, signature)) {
                return Err(Error::BadSignature { name: next.name.clone(), key: *id });
            }
            count += 1;
        }
        Ok(count)
    }

    fn check_threshold(&self, role: Role, name: &str, found: usize) -> Result<()> {
        let threshold = usize::try_from(self.role(role).threshold).unwrap_or(usize::MAX);
        if found >= threshold {
            return Ok(());
        }
        let (root, role) = (self.number(), role.name());
        Err(Error::ThresholdNotMet { name: name.to_owned(), found, threshold, root, role })
    }
}

fn read_keys(name: &str, encoded: &BTreeMap<KeyId, String>) -> Result<BTreeMap<KeyId, PublicKey>> {
    let mut keys = BTreeMap::new();
    for (id, text) in encoded {
        let der = STANDARD.decode(text).unwrap_or_default();
        let key = PublicKey::from_der(&format!("key {id} of {name}"), &der)?;
        if key.id() != *id {
            return Err(Error::InvalidRoot { name: name.to_owned(), reason: format!("key {id} is another key") });
        }
        keys.insert(*id, key);
    }
    Ok(keys)
}

fn check(name: &str, signed: &Signed) -> Result<()> {
    let invalid = |reason: String| Err(Error::InvalidRoot { name: name.to_owned(), reason });
    if signed.number == 0 {
        return invalid("its number is 0".to_owned());
    }
    let mut used = BTreeSet::new();
    let roles = &signed.roles;
    for (role, keys) in [
        ("root", &roles.root),
        ("release", &roles.release),
        ("license", &roles.license),
        ("revocation", &roles.revocation),
    ] {
        if !keys.keys.is_sorted_by(|one, next| one < next) {
            return invalid(format!("the keys of the role {role} are not sorted, or one stands twice"));
        }
        if keys.threshold == 0 || keys.threshold > keys.keys.len() as u64 {
            return invalid(format!(
                "the role {role} has {} keys and a threshold of {}",
                keys.keys.len(),
                keys.threshold
            ));
        }
        used.extend(keys.keys.iter().copied());
    }
    if !used.iter().eq(signed.keys.keys()) {
        return invalid("its keys are not those of its roles".to_owned());
    }
    Ok(())
}
