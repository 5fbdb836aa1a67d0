//! The signature rules of a lock: which images need which signatures, and the results of `landfall lock` below each
//! rule.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use landfall_error_codes::codes;
use landfall_release_document::{COSIGN_SUFFIXES, SignatureEntry, SignatureKind, referrers_tag};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::error::{BuildError, Place, Result};
use crate::lock::Lock;
use crate::lock::edit::Replacement;
use crate::lock::pinned::{self, WrittenPinned, quote};
use crate::patterns::Patterns;
use crate::reference::Reference;

/// Largest file with a public key, in bytes.
const KEY_BYTES: u64 = 16 << 10;

/// Maximum number of keys per rule.
const KEYS: usize = 16;

/// The host names of Docker Hub: the one that cosign writes, and the one that all other software writes.
const DOCKER_HUB: [&str; 2] = ["index.docker.io/", "docker.io/"];

/// A rule that states which images must be signed, and with which keys.
#[derive(Debug, Clone)]
pub struct SignatureRule {
    /// Pattern of image names, as written.
    images: String,
    patterns: Patterns,
    /// Paths of public keys, relative to the lock.
    keys: Vec<PathBuf>,
    /// True if an image without a signature is refused.
    pub required: bool,
    /// Predicate types; an image must have an attestation of each.
    pub attestations: Vec<String>,
    /// Repositories that signatures may name in place of the image's own.
    identities: Vec<String>,
    /// Signatures that were found; `None` while unresolved.
    pub pinned: Option<RulePinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
    /// Place of the rule.
    pub place: Place,
}

/// The signatures that `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulePinned {
    /// Text of the rule at that time; the result is stale if it has changed since.
    pub resolved: String,
    /// Manifests of signatures and attestations.
    pub found: Vec<PinnedSignature>,
}

/// A manifest with signatures or attestations that were verified with a rule's keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedSignature {
    /// Reference of the image.
    pub image: String,
    /// Digest of the signed subject: the manifest of the image, or the index in which the lock found that manifest.
    pub subject: Sha256,
    /// Kind of the signature.
    pub kind: SignatureKind,
    /// Tag of the manifest, if it has one.
    #[serde(default)]
    pub tag: Option<String>,
    /// Digest of the manifest.
    pub digest: Sha256,
    /// Size of the manifest in bytes.
    pub size: u64,
    /// Keys that signed.
    pub keys: Vec<KeyId>,
    /// Predicate types of the attestations.
    #[serde(default)]
    pub predicates: Vec<String>,
}

impl PinnedSignature {
    /// Returns true if the subject is the manifest or the index of the image, and if the tag is one of that subject.
    fn is_of(&self, image: &str, manifest: Sha256, index: Option<Sha256>) -> bool {
        let is_tag = |tag: &String| {
            let suffix = tag.strip_prefix(&referrers_tag(self.subject));
            suffix.is_some_and(|suffix| COSIGN_SUFFIXES.contains(&suffix))
        };
        let is_subject = self.subject == manifest || Some(self.subject) == index;
        self.image == image && is_subject && self.tag.as_ref().is_none_or(is_tag)
    }
}

/// The written form of a rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRule {
    images: Spanned<String>,
    keys: Vec<PathBuf>,
    #[serde(default = "required")]
    required: bool,
    #[serde(default)]
    attestations: Vec<String>,
    #[serde(default)]
    identities: Vec<String>,
    pinned: Spanned<WrittenPinned<RulePinned>>,
}

fn required() -> bool {
    true
}

/// Checks the rule with the given number; `text` is that of the lock at `path`. Does not read the files of keys yet.
pub(super) fn read(written: WrittenRule, number: usize, path: &Path, text: &str) -> Result<SignatureRule> {
    let WrittenRule { images, keys, required, attestations, identities, pinned } = written;
    let place = Place::field(path, images.referenced.line(), format!("signatures[{number}]"));
    let refuse = |field: &str, what: String| {
        let place = Place { field: Some(format!("signatures[{number}].{field}")), ..place.clone() };
        BuildError::at(codes::LOCK_UNREADABLE, place, what)
    };
    let images = images.value;
    let patterns = Patterns::new(std::slice::from_ref(&images), &[]).map_err(|what| refuse("images", what))?;
    if !(1..=KEYS).contains(&keys.len()) {
        return Err(refuse("keys", format!("it names {} files with keys where 1 to {KEYS} are allowed", keys.len())));
    }
    let is_predicate = |text: &String| {
        let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
        (1..=SignatureEntry::PREDICATE_BYTES).contains(&text.len()) && text.chars().all(is_plain)
    };
    if let Some(bad) = attestations.iter().find(|text| !is_predicate(text)) {
        let what = format!("`{}` is not the type of a predicate", bad.escape_default());
        return Err(refuse("attestations", what));
    }
    for identity in &identities {
        let named: Reference = identity.parse().map_err(|error| refuse("identities", format!("{error}")))?;
        if named.name() != *identity {
            let what = format!("write `{identity}` in full and without a tag, as `{}`", named.name());
            return Err(refuse("identities", what));
        }
    }
    let line = pinned::line(text, pinned.referenced.line(), "signatures", &refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(found) => Some(found),
    };
    Ok(SignatureRule { images, patterns, keys, required, attestations, identities, pinned, line, place })
}

impl SignatureRule {
    /// Returns true if the rule applies to images of this repository.
    pub fn is_about(&self, image: &Reference) -> bool {
        self.patterns.takes(&image.name())
    }

    /// Reads the keys of the rule from the folder of the lock.
    pub fn open(&self, lock: &Path) -> Result<OpenRule<'_>> {
        let folder = lock.parent().unwrap_or(Path::new(""));
        let keys = self.keys.iter().map(|file| self.key(&folder.join(file)));
        Ok(OpenRule { rule: self, keys: keys.collect::<Result<_>>()? })
    }

    fn key(&self, path: &Path) -> Result<PublicKey> {
        let unreadable = || {
            let what = format!("the public key {} cannot be read", path.display());
            BuildError::at(codes::LOCK_UNREADABLE, self.place.clone(), what)
        };
        let mut text = String::new();
        let file = fs_err::File::open(path).map_err(|error| unreadable().because(error))?;
        file.take(KEY_BYTES).read_to_string(&mut text).map_err(|error| unreadable().because(error))?;
        Ok(PublicKey::from_pem(&path.display().to_string(), &text)?)
    }

    /// Replacement for the lines below the key `pinned`; `None` if that key is no longer at its line.
    pub(crate) fn replacement(&self, lock: &Lock, found: &RulePinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// A rule with its keys.
#[derive(Debug)]
pub struct OpenRule<'a> {
    /// The rule.
    pub rule: &'a SignatureRule,
    /// Public keys of the rule.
    pub keys: Vec<PublicKey>,
}

impl OpenRule<'_> {
    /// The rule as one text that includes its keys; a result for another text is stale.
    pub fn source(&self) -> String {
        let mut keys: Vec<_> = self.keys.iter().map(|key| key.id().to_string()).collect();
        keys.sort_unstable();
        let mut text = format!("{} by {}", self.rule.images, keys.join(" or "));
        for (word, parts) in [("with", &self.rule.attestations), ("as", &self.rule.identities)] {
            for part in parts {
                text.extend([" ", word, " ", part]);
            }
        }
        text
    }

    /// Signatures of an image in the lock, if they were found by the current text of the rule.
    ///
    /// `manifest` is the image's, and `index` is the one in which the lock found it.
    pub fn stated(&self, image: &str, manifest: Sha256, index: Option<Sha256>) -> Vec<PinnedSignature> {
        let fresh = self.rule.pinned.iter().filter(|pinned| pinned.resolved == self.source());
        let found = fresh.flat_map(|pinned| &pinned.found);
        found.filter(|pinned| pinned.is_of(image, manifest, index)).cloned().collect()
    }

    /// Returns true if a signature of `image` may name `claimed`, such as `docker.io/library/redis:8`.
    pub fn allows(&self, image: &Reference, claimed: &str) -> bool {
        let claimed = claimed
            .strip_prefix(DOCKER_HUB[0])
            .map_or_else(|| claimed.to_owned(), |rest| format!("{}{rest}", DOCKER_HUB[1]));
        let Ok(claimed) = claimed.parse::<Reference>() else { return false };
        let name = claimed.name();
        name == image.name() || self.rule.identities.contains(&name)
    }

    /// The first requirement of the rule that `found` does not meet.
    pub fn lacks(&self, found: &[PinnedSignature]) -> Option<Lack<'_>> {
        if !self.rule.required {
            return None;
        }
        if !found.iter().any(|found| found.kind == SignatureKind::Signature) {
            return Some(Lack::Signature);
        }
        let has = |wanted: &String| found.iter().any(|found| found.predicates.contains(wanted));
        self.rule.attestations.iter().find(|wanted| !has(wanted)).map(|wanted| Lack::Attestation(wanted))
    }
}

/// A requirement that an image does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack<'a> {
    /// A signature.
    Signature,
    /// An attestation with this predicate type.
    Attestation(&'a str),
}

/// Lines below the key `pinned`.
fn lines(found: &RulePinned) -> Vec<String> {
    let mut lines = vec![format!("resolved: {}", quote(&found.resolved))];
    if found.found.is_empty() {
        lines.push("found: []".to_owned());
        return lines;
    }
    lines.push("found:".to_owned());
    lines.extend(found.found.iter().map(|found| {
        let tag = found.tag.as_ref().map(|tag| format!("tag: {tag}, ")).unwrap_or_default();
        let list = |texts: Vec<String>| texts.join(", ");
        let keys = list(found.keys.iter().map(|key| format!("'{key}'")).collect());
        let predicates = list(found.predicates.iter().map(|text| quote(text)).collect());
        let predicates = if predicates.is_empty() { predicates } else { format!(", predicates: [{predicates}]") };
        format!(
            "  - {{image: {}, subject: '{}', kind: {}, {tag}digest: '{}', size: {}, keys: [{keys}]{predicates}}}",
            quote(&found.image),
            found.subject,
            found.kind,
            found.digest,
            found.size
        )
    }));
    lines
}
