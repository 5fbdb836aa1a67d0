//! Images that a release names, compared with the entries of the lock.

use std::collections::BTreeSet;

use super::report::UnlistedImage;
use crate::definition::{Definition, role_name};
use crate::error::{BuildError, Place, Result};
use crate::lock::{List, Lock, LockEntry};
use crate::own_image;
use crate::reference::Reference;
use crate::render::each_usage;
use crate::rendered::RenderedComponent;

/// Prefix of node packs in the list of an image's users.
const NODE_PACKS: &str = "nodePacks[";

/// An image that is missing from the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewImage {
    /// Reference with a tag, and with a digest if an object names it by one. The digest then takes precedence, whatever
    /// the tag points to now.
    pub(super) reference: Reference,
    /// First place that names it.
    pub(super) place: Place,
    /// Unique users: components and node packs that name it.
    pub(super) used_by: Vec<String>,
}

impl NewImage {
    /// Reference of its entry.
    pub(super) fn name(&self) -> String {
        without_digest(&self.reference).to_string()
    }

    /// Returns true if only node packs name it.
    pub(super) fn is_of_node_packs_alone(&self) -> bool {
        self.used_by.iter().all(|user| user.starts_with(NODE_PACKS))
    }
}

/// Images of a release.
#[derive(Debug, Default)]
pub(super) struct NamedImages {
    /// Images that can be added, in the order in which they are named.
    pub(super) new: Vec<NewImage>,
    /// References of the entries that are used.
    pub(super) used: BTreeSet<String>,
    /// Images that are neither in the lock nor can be added.
    pub(super) unlisted: Vec<UnlistedImage>,
}

impl NamedImages {
    /// Collects the images that the node packs and these components name.
    pub(super) fn by(definition: &Definition, components: &[RenderedComponent], lock: &Lock) -> Self {
        let mut named = Self::default();
        for (index, pack) in definition.release.node_packs.iter().enumerate() {
            for (role, written) in &pack.images {
                let place = definition.place(written, format!("nodePacks[{index}].images.{}", role_name(*role)));
                // The definition was checked when it was read, so the reference parses.
                if let Ok(reference) = written.value.parse() {
                    let found = lock.find_of_node_pack(&reference, &pack.kubernetes.value, place.clone());
                    named.record_lookup(lock, found, reference, place, &format!("{NODE_PACKS}{index}]"));
                }
            }
        }
        for component in components {
            let name = &definition.release.components[component.index].name.value;
            for usage in each_usage(definition, component) {
                match usage {
                    Ok(usage) if own_image::is_own(&usage.reference) => {}
                    Ok(usage) => named.take(lock, usage.reference, usage.place, name),
                    Err(error) => named.unlisted.push(unlisted_image(name, &error)),
                }
            }
        }
        named
    }

    fn take(&mut self, lock: &Lock, reference: Reference, place: Place, user: &str) {
        let found = lock.find(List::Images, &reference, place.clone());
        self.record_lookup(lock, found, reference, place, user);
    }

    fn record_lookup(
        &mut self,
        lock: &Lock,
        found: Result<&LockEntry>,
        reference: Reference,
        place: Place,
        user: &str,
    ) {
        match found {
            Ok(entry) => {
                self.used.insert(entry.reference.value.clone());
            }
            Err(error) => match entry_for(lock, &reference) {
                Entry::Possible => self.add(reference, place, user),
                Entry::Taken => self.unlist(user, error.to_string()),
                Entry::WithoutTag(why) => self.unlist(user, format!("{place}`{reference}` {why}")),
            },
        }
    }

    /// Adds an image. One entry serves all references with the same tag, unless their digests differ.
    fn add(&mut self, reference: Reference, place: Place, user: &str) {
        let name = without_digest(&reference);
        let Some(known) = self.new.iter_mut().find(|image| without_digest(&image.reference) == name) else {
            self.new.push(NewImage { reference, place, used_by: vec![user.to_owned()] });
            return;
        };
        if let (Some(one), Some(other)) = (known.reference.digest, reference.digest)
            && one != other
        {
            let what = format!("{place}`{reference}` is also named with {one}: an entry has one digest");
            self.unlist(user, what);
            return;
        }
        known.reference.digest = known.reference.digest.or(reference.digest);
        if known.used_by.iter().all(|known| known != user) {
            known.used_by.push(user.to_owned());
        }
    }

    fn unlist(&mut self, user: &str, problem: String) {
        self.unlisted.push(UnlistedImage { used_by: user.to_owned(), problem });
    }
}

fn without_digest(reference: &Reference) -> Reference {
    Reference { digest: None, ..reference.clone() }
}

fn unlisted_image(user: &str, error: &BuildError) -> UnlistedImage {
    UnlistedImage { used_by: user.to_owned(), problem: error.in_short() }
}

/// Returns whether an image that was not found can have an entry.
enum Entry {
    Possible,
    /// The lock has several entries from which a user must choose, or one with this tag and another digest.
    Taken,
    /// The reference has no tag.
    WithoutTag(&'static str),
}

fn entry_for(lock: &Lock, reference: &Reference) -> Entry {
    let parsed = lock.list(List::Images).iter().filter_map(|entry| entry.reference.value.parse::<Reference>().ok());
    let of_repository: Vec<_> = parsed.filter(|entry| entry.name() == reference.name()).collect();
    match (&reference.tag, reference.digest) {
        (Some(_), _) if of_repository.iter().any(|entry| entry.tag == reference.tag) => Entry::Taken,
        (Some(_), _) => Entry::Possible,
        (None, _) if !of_repository.is_empty() => Entry::Taken,
        (None, Some(_)) => {
            Entry::WithoutTag("is named by its digest alone: write a tag before the digest, as NAME:TAG@DIGEST")
        }
        (None, None) => {
            Entry::WithoutTag("is named without a version: write the tag there, or an entry with the tag into the lock")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_bundle_spec::Sha256;

    use super::*;

    fn named_images(names: &[(&str, &str)]) -> NamedImages {
        let digest = Sha256([1; 32]);
        let entry =
            |reference: &str| format!("  - {{reference: '{reference}', digest: '{digest}', mediaType: m, size: 1}}\n");
        let text = format!(
            "assembled: false\nplatform: linux/amd64\nimages:\n{}{}{}",
            entry("ghcr.io/a/one:1"),
            entry("ghcr.io/a/two:1"),
            entry("ghcr.io/a/two:2")
        );
        let lock = Lock::parse(Path::new("images.lock"), text).expect("lock");
        let mut taken = NamedImages::default();
        for (reference, user) in names {
            taken.take(&lock, reference.parse().expect("reference"), Place::file(Path::new("web.yaml")), user);
        }
        taken
    }

    fn problems(named: &NamedImages) -> Vec<&str> {
        named.unlisted.iter().map(|unlisted| unlisted.problem.as_str()).collect()
    }

    #[test]
    fn missing_images_become_new_entries() {
        let named = named_images(&[
            ("ghcr.io/a/one", "web"),
            ("ghcr.io/a/one:2", "web"),
            ("ghcr.io/a/one:2", "api"),
            ("redis:8", "api"),
            ("ghcr.io/a/one:2", "web"),
        ]);
        assert_eq!(named.used.iter().collect::<Vec<_>>(), ["ghcr.io/a/one:1"]);
        let new: Vec<_> = named.new.iter().map(|image| (image.name(), image.used_by.join(" "))).collect();
        let expected = [("ghcr.io/a/one:2", "web api"), ("docker.io/library/redis:8", "api")];
        assert_eq!(new, expected.map(|(name, users)| (name.to_owned(), users.to_owned())));
        assert!(named.unlisted.is_empty());
    }

    #[test]
    fn conflicting_digests_are_reported() {
        let (one, other) = (Sha256([2; 32]), Sha256([3; 32]));
        let bound = |digest: Sha256| format!("ghcr.io/a/three:1@{digest}");
        let (first, second) = (bound(one), bound(other));
        let named = named_images(&[("ghcr.io/a/three:1", "web"), (first.as_str(), "api"), (second.as_str(), "db")]);
        assert_eq!((named.new.len(), named.new[0].reference.digest), (1, Some(one)));
        assert_eq!(named.new[0].used_by, ["web", "api"]);
        assert_eq!(problems(&named).len(), 1);
        assert!(problems(&named)[0].contains("an entry has one digest"), "{named:?}");
    }

    #[test]
    fn untagged_images_are_reported() {
        let digest = Sha256([2; 32]);
        let (alone, other) = (format!("ghcr.io/a/four@{digest}"), format!("ghcr.io/a/one:1@{digest}"));
        let named = named_images(&[
            ("ghcr.io/a/two", "w"),
            ("ghcr.io/a/four", "w"),
            (alone.as_str(), "w"),
            (other.as_str(), "w"),
        ]);
        assert!(named.new.is_empty() && named.used.is_empty());
        let expected =
            ["may mean any of", "named without a version", "by its digest alone", "which has `ghcr.io/a/one:1`"];
        for (problem, expected) in problems(&named).into_iter().zip(expected) {
            assert!(problem.starts_with("web.yaml: ") && problem.contains(expected), "{problem}");
        }
        assert_eq!(problems(&named).len(), 4);
    }
}
