//! `revocation.json`: releases that must no longer be installed, and licenses that are no longer valid.
//!
//! It is one numbered document, signed by the revocation role. A site keeps the one with the highest number that it has
//! seen; running software is not affected. Threats: an older revocation in place of a newer one (numbers grow), two
//! with the same number (refused), a withheld one (nothing in a bundle can help: see THREATS).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::root::{Role, Root};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::json;
use crate::key_id::KeyId;
use crate::names::{is_dns_label, is_version};

/// The `type` of the signed part of a revocation.
pub const REVOCATION_TYPE: &str = "landfall.dev/revocation/1";

/// Name of the revocation's file: below `trust/` in the trust area, and alone on a vendor's disk.
pub const REVOCATION_FILE_NAME: &str = "revocation.json";

/// Maximum length of a reason in characters.
const REASON_CHARACTERS: usize = 500;

/// A release that must not be installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RevokedRelease {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Id of the only revoked bundle; without it, every bundle of this version is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Sha256>,
    /// The vendor's reason; at most 500 characters.
    pub reason: String,
}

/// A license that is no longer valid. Running software is not affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RevokedLicense {
    /// Id of the license.
    pub id: String,
    /// The vendor's reason; at most 500 characters.
    pub reason: String,
}

/// The signed part.
#[derive(Serialize, Deserialize)]
struct RevocationFields {
    #[serde(rename = "type")]
    document_type: String,
    number: u64,
    releases: Vec<RevokedRelease>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<RevokedLicense>,
}

/// A revocation whose structure was checked. Nothing in it is trusted before [`Revocation::verify`].
#[derive(Debug, Clone)]
pub struct Revocation {
    name: String,
    number: u64,
    releases: Vec<RevokedRelease>,
    licenses: Vec<RevokedLicense>,
    envelope: Envelope,
}

impl Revocation {
    /// Creates a revocation without signatures. Releases may come in any order; returns an error if one is named twice.
    pub fn new(number: u64, releases: Vec<RevokedRelease>) -> Result<Self> {
        Self::with_licenses(number, releases, Vec::new())
    }

    /// Like [`Revocation::new`], with revoked licenses, in any order and without duplicates.
    pub fn with_licenses(
        number: u64,
        mut releases: Vec<RevokedRelease>,
        mut licenses: Vec<RevokedLicense>,
    ) -> Result<Self> {
        releases.sort();
        licenses.sort();
        let signed = RevocationFields { document_type: REVOCATION_TYPE.to_owned(), number, releases, licenses };
        let name = REVOCATION_FILE_NAME;
        check(name, &signed)?;
        let envelope = Envelope::write(name, json::to_canonical(name, &signed)?, BTreeMap::new())?;
        Ok(Self::of(name, signed, envelope))
    }

    /// Reads canonical bytes, and checks that the document does not contradict itself.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self> {
        let (envelope, signed) = Envelope::read(name, REVOCATION_TYPE, bytes)?;
        let signed: RevocationFields = json::from_value(name, signed)?;
        check(name, &signed)?;
        Ok(Self::of(name, signed, envelope))
    }

    fn of(name: &str, signed: RevocationFields, envelope: Envelope) -> Self {
        let RevocationFields { number, releases, licenses, .. } = signed;
        Self { name: name.to_owned(), number, releases, licenses, envelope }
    }

    /// Number of the revocation; the highest one is effective.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The releases that must not be installed, sorted.
    pub fn releases(&self) -> &[RevokedRelease] {
        &self.releases
    }

    /// The licenses that are no longer valid, sorted.
    pub fn licenses(&self) -> &[RevokedLicense] {
        &self.licenses
    }

    /// Returns the entry that revokes the license with this id, if any.
    pub fn license_entry(&self, id: &str) -> Option<&RevokedLicense> {
        self.licenses.iter().find(|license| license.id == id)
    }

    /// The bytes of the document.
    pub fn bytes(&self) -> &[u8] {
        self.envelope.bytes()
    }

    /// The bytes that signers sign.
    pub fn message(&self) -> &[u8] {
        self.envelope.message()
    }

    /// All signatures, including those by unknown signers.
    pub fn signatures(&self) -> Vec<(KeyId, &[u8])> {
        self.envelope.signatures()
    }

    /// Returns the revocation with one more signature.
    pub fn with_signature(&self, key: KeyId, signature: &[u8]) -> Result<Self> {
        let envelope = self.envelope.with_signature(&self.name, key, signature)?;
        Ok(Self { envelope, ..self.clone() })
    }

    /// Checks that enough keys of the root's revocation role signed the revocation; returns their ids.
    pub fn verify(&self, root: &Root) -> Result<Vec<KeyId>> {
        root.verify(Role::Revocation, &self.name, self.message(), &self.signatures())
    }

    /// Returns the entry that forbids this release, if any.
    pub fn entry_for(&self, name: &str, version: &str, bundle: Sha256) -> Option<&RevokedRelease> {
        self.releases.iter().find(|release| {
            release.name == name && release.version == version && release.bundle.is_none_or(|id| id == bundle)
        })
    }

    /// Returns an error if an entry forbids the release.
    pub fn check(&self, name: &str, version: &str, bundle: Sha256) -> Result<()> {
        match self.entry_for(name, version, bundle) {
            None => Ok(()),
            Some(entry) => Err(Error::Revoked {
                release: format!("{name} {version}"),
                number: self.number,
                reason: entry.reason.clone(),
            }),
        }
    }

    /// Returns the newer of two verified revocations. Returns an error for two with the same number and different
    /// contents.
    pub fn newest(self, other: Self) -> Result<Self> {
        match self.number.cmp(&other.number) {
            std::cmp::Ordering::Greater => Ok(self),
            std::cmp::Ordering::Less => Ok(other),
            std::cmp::Ordering::Equal if self.message() == other.message() => Ok(self),
            std::cmp::Ordering::Equal => Err(Error::RevocationDiffers { name: other.name, number: self.number }),
        }
    }
}

fn check(name: &str, signed: &RevocationFields) -> Result<()> {
    let invalid = |reason: String| Err(Error::InvalidRevocation { name: name.to_owned(), reason });
    if signed.number == 0 {
        return invalid("its number is 0".to_owned());
    }
    for release in &signed.releases {
        if !is_dns_label(&release.name) || !is_version(&release.version) {
            let (name, version) = (release.name.escape_default(), release.version.escape_default());
            return invalid(format!("`{name} {version}` is not a release"));
        }
        if release.reason.chars().count() > REASON_CHARACTERS {
            return invalid(format!("the reason for {} {} is too long", release.name, release.version));
        }
    }
    for license in &signed.licenses {
        if !is_dns_label(&license.id) {
            return invalid(format!("`{}` is not the id of a license", license.id.escape_default()));
        }
        if license.reason.chars().count() > REASON_CHARACTERS {
            return invalid(format!("the reason for the license {} is too long", license.id));
        }
    }
    if !signed.licenses.is_sorted_by(|one, next| one.id < next.id) {
        return invalid("its licenses are not sorted, or one is named twice".to_owned());
    }
    let place = |release: &RevokedRelease| (release.name.clone(), release.version.clone(), release.bundle);
    if !signed.releases.is_sorted_by(|one, next| place(one) < place(next)) {
        return invalid("its releases are not sorted, or one is named twice".to_owned());
    }
    Ok(())
}
