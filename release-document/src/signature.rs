//! Signatures and attestations that travel with images, so that software of the site can check them.

use std::fmt;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::KeyId;
use serde::{Deserialize, Serialize};

use crate::Descriptor;

/// A manifest about an image: one with signatures or attestations, or the list of those that have no tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureEntry {
    /// Reference of the image, which the release has.
    pub image: String,
    /// What it is about: the manifest of the image, or upstream's index that names it, which travels for this alone.
    pub subject: Descriptor,
    /// What it is.
    pub kind: SignatureKind,
    /// Its tag in the repository of the image; without one, the list of referrers names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest; of a list, an index.
    pub manifest: Descriptor,
    /// Configuration and layers; none of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Descriptor>,
    /// The keys of the vendor's rules by which it was verified when the release was built. A site does not use them: it
    /// trusts the bundle's own signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyId>,
    /// Types of the predicates of attestations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predicates: Vec<String>,
}

impl SignatureEntry {
    /// Maximum number in a release.
    pub const PER_RELEASE: usize = 4096;

    /// Longest type of a predicate, in bytes.
    pub const PREDICATE_BYTES: usize = 512;

    /// Every blob that travels for it.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        [&self.subject, &self.manifest].into_iter().chain(&self.blobs)
    }
}

/// What a manifest about an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureKind {
    /// Signatures of the image.
    Signature,
    /// Signed statements about the image.
    Attestation,
    /// The list of manifests about the image that have no tag, for registries without an interface for it.
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

/// What cosign appends to the tag of [`referrers_tag`]: for signatures, and for attestations.
pub const COSIGN_SUFFIXES: [&str; 2] = [".sig", ".att"];

/// The tag under which a registry lists the manifests about this one, where it has no interface for that. cosign's own tags are
/// the same with one of [`COSIGN_SUFFIXES`] appended.
pub fn referrers_tag(subject: Sha256) -> String {
    format!("sha256-{}", subject.to_hex())
}
