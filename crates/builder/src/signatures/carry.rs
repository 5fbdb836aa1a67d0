//! `landfall build` packs the signatures that the lock pins with their images, after it has verified them again: anyone
//! may have edited the lock.

use std::collections::BTreeMap;

use landfall_bundle_spec::{Sha256, to_canonical};
use landfall_error_codes::codes;
use landfall_release_document::{Descriptor, SignatureEntry, SignatureKind, referrers_tag};
use serde_json::{Value, json};

use super::claim::{ClaimSubject, keys};
use super::distinct;
use super::find::{MANIFEST_BYTES, SignatureSource};
use crate::error::{BuildError, Result};
use crate::fetched::CarriedSignature;
use crate::lock::signature_rule::{OpenRule, PinnedSignature};
use crate::lock::{List, Lock, LockEntry};
use crate::manifest::{OCI_INDEX, OCI_MANIFEST, OciDescriptor};
use crate::own_image;
use crate::pins::Pin;
use crate::reference::Reference;

/// A signature that a rule found for an image of the release.
struct ImageSignature<'a> {
    rule: &'a OpenRule<'a>,
    image: &'a Pin,
    pinned: PinnedSignature,
}

/// Fetches the signatures that the rules of a lock found for these images, and verifies them again.
///
/// Content in the store is not requested. Returns an error before any fetch if an image lacks a required signature.
pub async fn fetch_signatures(
    source: SignatureSource<'_>,
    lock: &Lock,
    images: &[Pin],
) -> Result<Vec<CarriedSignature>> {
    let rules = lock.document.signatures.iter().map(|rule| rule.open(&lock.path));
    let rules: Vec<_> = rules.collect::<Result<_>>()?;
    let mut all = Vec::new();
    for rule in &rules {
        for image in images.iter().filter(|image| !own_image::is_own(&image.reference)) {
            if rule.rule.is_about(&image.reference) {
                all.extend(image_signatures(lock, rule, image)?);
            }
        }
    }
    let mut carried: Vec<CarriedSignature> = Vec::new();
    for stated in &all {
        let found = source.one(stated).await.map_err(|error| error.within(stated.image.place.clone()))?;
        let is_same = |known: &CarriedSignature| {
            known.entry.image == found.entry.image && known.entry.manifest == found.entry.manifest
        };
        match carried.iter().position(is_same) {
            Some(known) => merge(&mut carried[known].entry, found.entry),
            None => carried.push(found),
        }
    }
    let lists = source.lists(&carried)?;
    carried.extend(lists);
    Ok(carried)
}

/// Signatures of an image in the lock, found by a rule. Returns an error unless they meet all requirements of the rule.
fn image_signatures<'a>(lock: &Lock, rule: &'a OpenRule<'a>, image: &'a Pin) -> Result<Vec<ImageSignature<'a>>> {
    let name = image.reference.to_string();
    let entry = lock.list(List::Images).iter().find(|entry| entry.reference.value == name);
    let index = entry.and_then(LockEntry::index);
    let found = rule.stated(&name, image.digest, index);
    if rule.lacks(&found).is_some() {
        let what = format!("the lock does not state who signed {name} ({})", image.digest);
        return Err(BuildError::at(codes::SIGNATURES_UNCHECKED, rule.rule.place.clone(), what));
    }
    Ok(found.into_iter().map(|pinned| ImageSignature { rule, image, pinned }).collect())
}

/// Merges a manifest that a second rule has also verified.
fn merge(known: &mut SignatureEntry, other: SignatureEntry) {
    known.keys = distinct(known.keys.drain(..).chain(other.keys));
    known.predicates = distinct(known.predicates.drain(..).chain(other.predicates));
}

impl SignatureSource<'_> {
    async fn one(self, stated: &ImageSignature<'_>) -> Result<CarriedSignature> {
        let ImageSignature { rule, image, pinned } = stated;
        let bytes = self.manifest(&image.reference, pinned).await?;
        let subject = self.subject(image, pinned.subject).await?;
        let about = ClaimSubject { image: &image.reference, subject: pinned.subject };
        let examined = self.examine(rule, about, &bytes).await?;
        let is_stated = examined.shows(pinned);
        let document = examined.document.filter(|_| is_stated);
        let Some(document) = document else {
            let what =
                format!("{} is not the {} of {} that the lock states", pinned.digest, pinned.kind, image.reference);
            return Err(BuildError::new(codes::SIGNATURES_UNCHECKED, what));
        };
        let blobs = std::iter::once(&document.config).chain(&document.layers).map(OciDescriptor::descriptor);
        let entry = SignatureEntry {
            image: image.reference.to_string(),
            subject,
            kind: pinned.kind,
            tag: pinned.tag.clone(),
            manifest: Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: pinned.digest, size: pinned.size },
            blobs: blobs.collect(),
            keys: keys(&examined.claims),
            predicates: pinned.predicates.clone(),
        };
        Ok(CarriedSignature { entry, image: image.reference.clone() })
    }

    /// Bytes of a manifest that the lock pins.
    async fn manifest(self, image: &Reference, pinned: &PinnedSignature) -> Result<Vec<u8>> {
        let bytes = if self.store.contains(pinned.digest) {
            self.store.read(pinned.digest, MANIFEST_BYTES)?
        } else {
            let found = self.client.manifest(&image.with_digest(pinned.digest), self.progress).await?;
            self.store.ingest_bytes(&found.bytes)?;
            found.bytes
        };
        if bytes.len() as u64 == pinned.size {
            return Ok(bytes);
        }
        let (found, digest, size) = (bytes.len(), pinned.digest, pinned.size);
        let what = format!("the manifest {digest} of {image} has {found} bytes where the lock says {size}");
        Err(BuildError::new(codes::FETCH_MISMATCH, what))
    }

    /// Subject of a signature: the manifest of the image, or the index that names it.
    async fn subject(self, image: &Pin, subject: Sha256) -> Result<Descriptor> {
        if subject == image.digest {
            return Ok(Descriptor { media_type: image.media_type.clone(), digest: subject, size: image.size });
        }
        let Some(bytes) = self.index(&image.reference, subject, image.digest).await? else {
            let what =
                format!("the index {subject} does not name the manifest {} of {}", image.digest, image.reference);
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        };
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let media_type = document["mediaType"].as_str().unwrap_or(OCI_INDEX).to_owned();
        Ok(Descriptor { media_type, digest: subject, size: bytes.len() as u64 })
    }

    /// Referrers lists of the signatures without a tag, one per subject: a site's registry has no referrers API.
    fn lists(self, carried: &[CarriedSignature]) -> Result<Vec<CarriedSignature>> {
        let mut groups: BTreeMap<(String, Sha256), Vec<&CarriedSignature>> = BTreeMap::new();
        for signature in carried.iter().filter(|signature| signature.entry.tag.is_none()) {
            let group = groups.entry((signature.image.name(), signature.entry.subject.digest)).or_default();
            if !group.iter().any(|known| known.entry.manifest == signature.entry.manifest) {
                group.push(signature);
            }
        }
        groups.into_iter().map(|((_, subject), group)| self.list(subject, &group)).collect()
    }

    fn list(self, subject: Sha256, group: &[&CarriedSignature]) -> Result<CarriedSignature> {
        let mut manifests = Vec::with_capacity(group.len());
        for signature in group {
            let Descriptor { media_type, digest, size } = &signature.entry.manifest;
            let manifest: Value = serde_json::from_slice(&self.store.read(*digest, *size)?).unwrap_or_default();
            let mut listed = json!({ "mediaType": media_type, "digest": digest, "size": size });
            // As in registries with the API, a manifest without `artifactType` gets the media type of its
            // configuration.
            let kind = manifest["artifactType"].as_str().or(manifest["config"]["mediaType"].as_str());
            listed["artifactType"] = json!(kind.unwrap_or_default());
            if manifest["annotations"].is_object() {
                listed["annotations"] = manifest["annotations"].clone();
            }
            manifests.push(listed);
        }
        let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        let bytes = to_canonical("a list of referrers", &list)?;
        let sums = self.store.ingest_bytes(&bytes)?;
        // Each group has at least one member.
        let first = group.first().ok_or_else(|| BuildError::new(codes::BUG, "a list of referrers without one"))?;
        let entry = SignatureEntry {
            kind: SignatureKind::Referrers,
            tag: Some(referrers_tag(subject)),
            manifest: Descriptor { media_type: OCI_INDEX.to_owned(), digest: sums.sha256, size: bytes.len() as u64 },
            blobs: Vec::new(),
            keys: Vec::new(),
            predicates: Vec::new(),
            ..first.entry.clone()
        };
        Ok(CarriedSignature { entry, image: first.image.clone() })
    }
}
