//! Fetches the content of a manifest with signatures within limits, and reads each layer.

use super::claim::{Claim, ClaimSubject, Fault, claim};
use super::find::SignatureSource;
use crate::error::Result;
use crate::fetch::fetch_attached;
use crate::lock::signature_rule::{OpenRule, PinnedSignature};
use crate::manifest::{ManifestDocument, OciDescriptor};

/// Maximum size of a layer in bytes: an attestation may contain a bill of materials.
pub const LAYER_BYTES: u64 = 32 << 20;

/// Maximum size of a configuration, in bytes.
const CONFIGURATION_BYTES: u64 = 1 << 20;

/// Maximum total size of a manifest's content, in bytes.
const TOTAL_BYTES: u64 = 64 << 20;

/// Maximum number of layers; each signature is a layer.
const LAYERS: usize = 64;

/// The content of a manifest.
pub(super) struct ExaminedManifest {
    pub(super) document: Option<ManifestDocument>,
    pub(super) claims: Vec<Claim>,
    pub(super) faults: Vec<Fault>,
}

impl ExaminedManifest {
    /// Returns true if the manifest contains all claims that the lock states.
    pub(super) fn shows(&self, pinned: &PinnedSignature) -> bool {
        let has = |predicate: &String| self.claims.iter().any(|claim| claim.predicate.as_ref() == Some(predicate));
        self.claims.iter().any(|claim| claim.kind == pinned.kind) && pinned.predicates.iter().all(has)
    }
}

impl SignatureSource<'_> {
    /// Fetches the content of a manifest within limits, and reads each layer.
    pub(super) async fn examine(
        self,
        rule: &OpenRule<'_>,
        about: ClaimSubject<'_>,
        manifest: &[u8],
    ) -> Result<ExaminedManifest> {
        let unreadable = |what: String| ExaminedManifest {
            document: None,
            claims: Vec::new(),
            faults: vec![Fault::Unreadable(what)],
        };
        let document: ManifestDocument = match serde_json::from_slice(manifest) {
            Ok(document) => document,
            Err(error) => return Ok(unreadable(format!("a manifest is malformed: {error}"))),
        };
        if let Some(excess) = excess(&document) {
            return Ok(unreadable(excess));
        }
        let blobs: Vec<&OciDescriptor> = std::iter::once(&document.config).chain(&document.layers).collect();
        fetch_attached(self.client, about.image, &blobs, self.store, self.progress).await?;
        let (mut claims, mut faults) = (Vec::new(), Vec::new());
        for layer in &document.layers {
            match claim(layer, &self.store.read(layer.digest, LAYER_BYTES)?, rule, about) {
                Ok(claim) => claims.push(claim),
                Err(fault) => faults.push(fault),
            }
        }
        Ok(ExaminedManifest { document: Some(document), claims, faults })
    }
}

/// The limit that a manifest exceeds, as text.
fn excess(document: &ManifestDocument) -> Option<String> {
    let layers = &document.layers;
    if !(1..=LAYERS).contains(&layers.len()) {
        return Some(format!("a manifest has {} layers, where 1 to {LAYERS} are allowed", layers.len()));
    }
    if let Some(large) = layers.iter().find(|layer| layer.size > LAYER_BYTES) {
        return Some(format!("a layer has {} bytes, where {LAYER_BYTES} are allowed", large.size));
    }
    if document.config.size > CONFIGURATION_BYTES {
        return Some(format!("a configuration has {} bytes", document.config.size));
    }
    let total = layers.iter().map(|layer| layer.size).fold(document.config.size, u64::saturating_add);
    (total > TOTAL_BYTES).then(|| format!("a manifest has {total} bytes in all, where {TOTAL_BYTES} are allowed"))
}
