//! Finds the entry of a lock that a reference selects, or explains why there is none.

use landfall_error_codes::codes;

use super::{List, Lock, LockEntry};
use crate::error::{BuildError, Place, Result};
use crate::reference::Reference;

/// Candidates for a reference, successively narrowed.
struct NotFound<'a> {
    of_repository: &'a [&'a LockEntry],
    named: &'a [&'a LockEntry],
    matching: &'a [&'a LockEntry],
}

impl Lock {
    /// The entry for an image of a node pack. If the reference has no tag and the lock has several entries, the one
    /// with the Kubernetes version.
    pub fn find_of_node_pack(&self, wanted: &Reference, kubernetes: &str, place: Place) -> Result<&LockEntry> {
        let is_of_version = |tag: &str| tag.strip_prefix(kubernetes).is_some_and(|rest| rest.starts_with('.'));
        let mut of_version = self.list(List::Images).iter().filter(|entry| {
            entry.parse_reference().is_some_and(|reference| {
                reference.name() == wanted.name() && reference.tag.as_deref().is_some_and(is_of_version)
            })
        });
        match (of_version.next(), of_version.next()) {
            (Some(entry), None) if wanted.tag.is_none() && wanted.digest.is_none() => Ok(entry),
            _ => self.find(List::Images, wanted, place),
        }
    }

    /// The entry that a reference selects.
    ///
    /// A repository alone must match exactly one entry, or selects `latest` among several. A tag must match. A digest
    /// must be the platform manifest's, or that of the index in which the manifest was found. The error explains why
    /// no entry matches; `place` is the place of the reference.
    pub fn find(&self, list: List, wanted: &Reference, place: Place) -> Result<&LockEntry> {
        let of_repository: Vec<_> = self
            .list(list)
            .iter()
            .filter(|entry| entry.parse_reference().is_some_and(|reference| reference.name() == wanted.name()))
            .collect();
        let has_tag = |entry: &LockEntry, tag: &str| {
            entry.parse_reference().is_some_and(|reference| reference.tag.as_deref() == Some(tag))
        };
        let has_digest = |entry: &LockEntry| {
            wanted.digest.is_none() || entry.digest() == wanted.digest || entry.index() == wanted.digest
        };
        let is_named = |entry: &&LockEntry| wanted.tag.as_deref().is_none_or(|tag| has_tag(entry, tag));
        let named: Vec<_> = of_repository.iter().copied().filter(is_named).collect();
        let matching: Vec<_> = named.iter().copied().filter(|entry| has_digest(entry)).collect();
        let is_bare = wanted.tag.is_none() && wanted.digest.is_none();
        let latest = matching.iter().copied().find(|entry| is_bare && has_tag(entry, "latest"));
        match (&matching[..], latest) {
            (&[entry], _) | (_, Some(entry)) => Ok(entry),
            // Several tags of one manifest: the bytes are the same for each.
            (&[first, ..], _)
                if wanted.digest.is_some() && matching.iter().all(|entry| entry.digest() == first.digest()) =>
            {
                Ok(first)
            }
            _ => Err(self.not_found(
                list,
                wanted,
                place,
                &NotFound { of_repository: &of_repository, named: &named, matching: &matching },
            )),
        }
    }

    /// Error for a reference that selects no entry, or several.
    fn not_found(&self, list: List, wanted: &Reference, place: Place, not_found: &NotFound<'_>) -> BuildError {
        let NotFound { of_repository, named, matching } = not_found;
        let (lock, noun) = (self.path.display(), list.noun());
        let names = |entries: &[&LockEntry]| {
            entries.iter().map(|entry| format!("`{}`", entry.reference.value)).collect::<Vec<_>>().join(", ")
        };
        let not_locked = |what: String| BuildError::at(codes::IMAGE_NOT_LOCKED, place, what);
        if !matching.is_empty() {
            return not_locked(format!(
                "`{wanted}` may mean any of {} in the lock {lock}: name a tag",
                names(matching)
            ));
        }
        if of_repository.is_empty() {
            return not_locked(format!("the {noun} `{wanted}` is not in the lock {lock}"));
        }
        let error =
            not_locked(format!("the {noun} `{wanted}` is not in the lock {lock}, which has {}", names(of_repository)));
        match &named[..] {
            [entry] if wanted.tag.is_some() && entry.digest().is_some() => error.hint(format!(
                "The entry of this tag has another digest. Write `resolved: {wanted}` and `digest: unresolved` into \
                 the entry, and run `landfall lock`, or remove the digest where the {noun} is named."
            )),
            _ => error,
        }
    }
}
