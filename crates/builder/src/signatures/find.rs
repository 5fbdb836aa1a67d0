//! `landfall lock` searches for the signatures that rules require: under cosign's tags and in the list of referrers,
//! through the registry's API or under the fallback tag.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::progress::Progress;
use landfall_media::store::ContentStore;
use landfall_release_document::{COSIGN_SUFFIXES, SignatureKind, referrers_tag};
use serde::Deserialize;

use super::claim::{BUNDLE, Claim, ClaimSubject, Fault, keys};
use super::distinct;
use crate::error::{BuildError, Result};
use crate::fetch::{Client, RawManifest};
use crate::lock::signature_rule::{Lack, OpenRule, PinnedSignature, RulePinned, SignatureRule};
use crate::lock::{List, Lock, LockEntry, edit};
use crate::manifest::{IndexDocument, OCI_MANIFEST};
use crate::reference::Reference;

/// Maximum number of manifests in a referrers list that are examined.
const REFERRERS: usize = 32;

/// Maximum size of a manifest or index that is read from the store, in bytes.
pub(super) const MANIFEST_BYTES: u64 = 4 << 20;

/// Number of images that are processed in parallel.
const PARALLEL: usize = 4;

/// Prefixes of artifact types in a referrers list that may contain signatures.
const ARTIFACT_TYPES: [&str; 4] =
    [BUNDLE, "application/vnd.dev.cosign.", "application/vnd.dsse.envelope.", "application/vnd.in-toto"];

/// Access to registries, and the store for fetched content.
#[derive(Clone, Copy)]
pub struct SignatureSource<'a> {
    /// Client for registries.
    pub client: &'a Client,
    /// The vendor's content store.
    pub store: &'a ContentStore,
    /// Receives the events of retries and downloads.
    pub progress: &'a dyn Progress,
}

/// Signatures found for all rules of a lock.
pub struct SignatureResolution {
    /// Text of the lock with the results.
    pub text: String,
    /// Number of images with a signature that a rule verified.
    pub signed: usize,
    /// Errors for the other images.
    pub failures: Vec<BuildError>,
}

/// An image of the lock with a known digest.
struct Signable<'a> {
    number: usize,
    entry: &'a LockEntry,
    reference: Reference,
    digest: Sha256,
    index: Option<Sha256>,
}

/// A manifest that may contain signatures.
struct Candidate {
    tag: Option<String>,
    manifest: RawManifest,
}

/// Verifies the signatures of every image to which a rule applies. Results of an earlier run for the same rule and
/// digest are kept, unless `again` is set.
pub async fn resolve(source: SignatureSource<'_>, lock: &Lock, again: bool) -> Result<SignatureResolution> {
    let (mut replacements, mut failures, mut signed) = (Vec::new(), Vec::new(), BTreeSet::new());
    for rule in &lock.document.signatures {
        let open = &rule.open(&lock.path)?;
        let results: Vec<_> = stream::iter(signable(lock, rule))
            .map(|image| async move {
                let found = source.find_signatures(open, &image, again).await;
                found.map_err(|error| match lock.place(List::Images, image.entry) {
                    Some(place) => error.within(place),
                    None => error,
                })
            })
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut found = Vec::new();
        for result in results {
            match result {
                Ok(of_image) => found.extend(of_image),
                Err(error) => failures.push(error),
            }
        }
        let is_signature = |found: &&PinnedSignature| found.kind == SignatureKind::Signature;
        signed.extend(found.iter().filter(is_signature).map(|found| found.image.clone()));
        let pinned = RulePinned { resolved: open.source(), found };
        if rule.pinned.as_ref() != Some(&pinned) {
            let unknown = || BuildError::at(codes::BUG, rule.place.clone(), "the place of `pinned` is not known");
            replacements.push(rule.replacement(lock, &pinned).ok_or_else(unknown)?);
        }
    }
    Ok(SignatureResolution { text: edit::apply(lock, replacements), signed: signed.len(), failures })
}

/// Images without the required signatures in the lock, by their number in the list, each with a line for the report.
/// Sends no requests.
pub fn unsigned_images(lock: &Lock) -> Vec<(usize, String)> {
    let mut unchecked = Vec::new();
    for rule in &lock.document.signatures {
        let open = rule.open(&lock.path);
        for Signable { number, entry, digest, index, .. } in signable(lock, rule) {
            let (line, name) = (entry.reference.referenced.line(), &entry.reference.value);
            let why = match &open {
                Ok(open) if open.lacks(&open.stated(name, digest, index)).is_none() => continue,
                Ok(_) => "were not verified".to_owned(),
                Err(error) => format!("cannot be verified: {error}"),
            };
            unchecked.push((number, format!("\n  line {line}: {name} has signatures that {why}")));
        }
    }
    unchecked
}

/// Images to which a rule applies and whose digest the lock knows.
fn signable<'a>(lock: &'a Lock, rule: &SignatureRule) -> Vec<Signable<'a>> {
    let images = lock.list(List::Images).iter().enumerate();
    images
        .filter_map(|(number, entry)| {
            let reference = entry.reference.value.parse::<Reference>().ok()?;
            if !rule.is_about(&reference) {
                return None;
            }
            Some(Signable { number, entry, reference, digest: entry.digest()?, index: entry.index() })
        })
        .collect()
}

impl SignatureSource<'_> {
    /// Signatures that a rule finds for an image. Returns an error unless they meet the rule's requirements.
    async fn find_signatures(
        self,
        rule: &OpenRule<'_>,
        image: &Signable<'_>,
        again: bool,
    ) -> Result<Vec<PinnedSignature>> {
        let name = &image.entry.reference.value;
        let known = rule.stated(name, image.digest, image.index);
        let is_enough = !known.is_empty() && rule.lacks(&known).is_none();
        if !again && is_enough && self.holds(rule, &image.reference, &known).await? {
            return Ok(known);
        }
        let (mut found, mut faults): (Vec<PinnedSignature>, Vec<Fault>) = (Vec::new(), Vec::new());
        for subject in [Some(image.digest), image.index.filter(|index| *index != image.digest)].into_iter().flatten() {
            if subject != image.digest && self.index(&image.reference, subject, image.digest).await?.is_none() {
                continue;
            }
            let about = ClaimSubject { image: &image.reference, subject };
            for candidate in self.candidates(about, &mut faults).await? {
                let examined = self.examine(rule, about, &candidate.manifest.bytes).await?;
                // Attestations by other keys do not prove that the image is signed.
                let attests = candidate.tag.as_ref().is_some_and(|tag| tag.ends_with(COSIGN_SUFFIXES[1]));
                if !attests {
                    faults.extend(examined.faults);
                }
                if !examined.claims.is_empty() {
                    self.store.ingest_bytes(&candidate.manifest.bytes)?;
                    found.push(record(name, subject, &candidate, &examined.claims));
                }
            }
            if !found.is_empty() && rule.lacks(&found).is_none() {
                break;
            }
        }
        match rule.lacks(&found) {
            None => Ok(found),
            Some(lack) => Err(refusal(name, image.digest, lack, faults.into_iter().max())),
        }
    }

    /// Returns true if the store has the earlier results, signed with the rule's keys. This is checked because anyone
    /// may have edited the lock.
    async fn holds(self, rule: &OpenRule<'_>, image: &Reference, known: &[PinnedSignature]) -> Result<bool> {
        for pinned in known {
            if !self.store.contains(pinned.digest) {
                return Ok(false);
            }
            let bytes = self.store.read(pinned.digest, MANIFEST_BYTES)?;
            let about = ClaimSubject { image, subject: pinned.subject };
            if !self.examine(rule, about, &bytes).await?.shows(pinned) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Bytes of an upstream index, if it names this manifest.
    pub(super) async fn index(self, image: &Reference, index: Sha256, names: Sha256) -> Result<Option<Vec<u8>>> {
        let bytes = if self.store.contains(index) {
            self.store.read(index, MANIFEST_BYTES)?
        } else {
            let Some(found) = self.client.manifest_if_any(&image.with_digest(index), self.progress).await? else {
                return Ok(None);
            };
            self.store.ingest_bytes(&found.bytes)?;
            found.bytes
        };
        let document: Option<IndexDocument> = serde_json::from_slice(&bytes).ok();
        let is_named = document.is_some_and(|index| index.manifests.iter().any(|entry| entry.digest == names));
        Ok(is_named.then_some(bytes))
    }

    /// Manifests that may contain signatures of a manifest.
    async fn candidates(self, about: ClaimSubject<'_>, faults: &mut Vec<Fault>) -> Result<Vec<Candidate>> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for suffix in COSIGN_SUFFIXES {
            let tag = format!("{}{suffix}", referrers_tag(about.subject));
            let found = self.client.manifest_if_any(&tagged_reference(about.image, &tag), self.progress).await?;
            candidates.extend(found.map(|manifest| Candidate { tag: Some(tag), manifest }));
        }
        for digest in self.referrers(about, faults).await? {
            if candidates.iter().any(|known| known.manifest.digest == digest) {
                continue;
            }
            let found = self.client.manifest_if_any(&about.image.with_digest(digest), self.progress).await?;
            if let Some(manifest) = found.filter(|manifest| subject_of(&manifest.bytes) == Some(about.subject)) {
                candidates.push(Candidate { tag: None, manifest });
            } else {
                let what = format!("the list of referrers names {digest}, which is not about {}", about.subject);
                faults.push(Fault::Unreadable(what));
            }
        }
        let (kept, others): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| candidate.manifest.media_type == OCI_MANIFEST);
        let other =
            |other: Candidate| Fault::Unreadable(format!("a manifest is of the type {}", other.manifest.media_type));
        faults.extend(others.into_iter().map(other));
        Ok(kept)
    }

    /// Digests in a referrers list that may be signatures.
    async fn referrers(self, about: ClaimSubject<'_>, faults: &mut Vec<Fault>) -> Result<Vec<Sha256>> {
        let mut list = self.client.referrers(about.image, about.subject, self.progress).await?;
        if list.is_none() {
            let tag = tagged_reference(about.image, &referrers_tag(about.subject));
            list = self.client.manifest_if_any(&tag, self.progress).await?.map(|found| found.bytes);
        }
        let Some(list) = list else { return Ok(Vec::new()) };
        let Ok(ReferrersList { manifests }) = serde_json::from_slice(&list) else {
            faults.push(Fault::Unreadable("the list of referrers is malformed".to_owned()));
            return Ok(Vec::new());
        };
        let may_sign = |listed: &ReferrerEntry| {
            let kind = listed.artifact_type.as_deref();
            kind.is_none_or(|kind| ARTIFACT_TYPES.iter().any(|known| kind.starts_with(known)))
        };
        Ok(manifests.into_iter().filter(may_sign).take(REFERRERS).map(|listed| listed.digest).collect())
    }
}

#[derive(Deserialize)]
struct ReferrersList {
    manifests: Vec<ReferrerEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferrerEntry {
    digest: Sha256,
    #[serde(default)]
    artifact_type: Option<String>,
}

/// Digest of the subject in a manifest.
fn subject_of(manifest: &[u8]) -> Option<Sha256> {
    #[derive(Deserialize)]
    struct OfSubject {
        subject: Subject,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: Sha256,
    }
    let OfSubject { subject } = serde_json::from_slice(manifest).ok()?;
    Some(subject.digest)
}

/// Reference with another tag in the repository of an image.
fn tagged_reference(image: &Reference, tag: &str) -> Reference {
    Reference { tag: Some(tag.to_owned()), digest: None, ..image.clone() }
}

fn record(image: &str, subject: Sha256, candidate: &Candidate, claims: &[Claim]) -> PinnedSignature {
    let signs = claims.iter().any(|claim| claim.kind == SignatureKind::Signature);
    PinnedSignature {
        image: image.to_owned(),
        subject,
        kind: if signs { SignatureKind::Signature } else { SignatureKind::Attestation },
        tag: candidate.tag.clone(),
        digest: candidate.manifest.digest,
        size: candidate.manifest.bytes.len() as u64,
        keys: keys(claims),
        predicates: distinct(claims.iter().filter_map(|claim| claim.predicate.clone())),
    }
}

/// Error for an image without the required signature, based on the closest candidate.
fn refusal(image: &str, digest: Sha256, lack: Lack<'_>, closest: Option<Fault>) -> BuildError {
    let image = format!("{image} ({digest})");
    let (code, what) = match (lack, closest) {
        (Lack::Attestation(predicate), _) => {
            (codes::ATTESTATION_MISSING, format!("{image} has no attestation {predicate} by a key of the rule"))
        }
        (Lack::Signature, None) => (codes::IMAGE_UNSIGNED, format!("{image} has no signature")),
        (Lack::Signature, Some(Fault::OtherKeys)) => {
            (codes::IMAGE_SIGNED_BY_OTHERS, format!("{image} has no signature by a key of the rule"))
        }
        (Lack::Signature, Some(Fault::Unreadable(why))) => {
            (codes::SIGNATURE_UNREADABLE, format!("the signature of {image} cannot be read: {why}"))
        }
        (Lack::Signature, Some(Fault::OtherName(named))) => {
            (codes::SIGNATURE_OF_OTHER_NAME, format!("the signature of {image} names {named}"))
        }
        (Lack::Signature, Some(Fault::OtherDigest(other))) => {
            (codes::SIGNATURE_OF_OTHER_IMAGE, format!("the signature of {image} is about {other}"))
        }
    };
    BuildError::new(code, what)
}
