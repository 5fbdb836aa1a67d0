//! Signatures and attestations that a bundle contains with its images, so that software at the site can check them.

use std::fmt;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::KeyId;
use serde::{Deserialize, Serialize};

use crate::Descriptor;

/// A manifest about an image: it has signatures or attestations, or lists manifests that have no tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureEntry {
    /// Reference of the image, which is in the release.
    pub image: String,
    /// Subject of the manifest: the manifest of the image, or the upstream index that names it, which is in the bundle
    /// only for this purpose.
    pub subject: Descriptor,
    /// Kind of the manifest.
    pub kind: SignatureKind,
    /// Tag in the image's repository; without one, the list of referrers names the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest; for a list, an index.
    pub manifest: Descriptor,
    /// Configuration and layers; empty for a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Descriptor>,
    /// Keys of the vendor's rules that verified it when the release was built. A site does not use them: it trusts the
    /// bundle's own signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyId>,
    /// Predicate types of attestations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predicates: Vec<String>,
}

impl SignatureEntry {
    /// Maximum number of entries in a release.
    pub const PER_RELEASE: usize = 4096;

    /// Maximum size of a predicate type in bytes.
    pub const PREDICATE_BYTES: usize = 512;

    /// Every blob that the bundle contains for this entry.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        [&self.subject, &self.manifest].into_iter().chain(&self.blobs)
    }
}

/// The kind of a manifest about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureKind {
    /// Signatures of the image.
    Signature,
    /// Signed statements about the image.
    Attestation,
    /// The list of manifests about the image that have no tag, for registries without the referrers API.
    Referrers,
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Referrers => "referrers",
        })
    }
}

/// Suffixes that cosign appends to the tag of [`referrers_tag`], for signatures and for attestations.
pub const COSIGN_SUFFIXES: [&str; 2] = [".sig", ".att"];

/// Returns the tag under which a registry without the referrers API lists the manifests about this one. cosign's own
/// tags are the same with one of [`COSIGN_SUFFIXES`] appended.
pub fn referrers_tag(subject: Sha256) -> String {
    format!("sha256-{}", subject.to_hex())
}
