//! The text of `images.lock`.

use std::collections::{BTreeMap, BTreeSet};

use super::donors::Donors;
use super::guess::Guess;
use super::starter;
use crate::error::Result;
use crate::lock::List;
use crate::reference::Reference;

/// A lock that `init` writes.
pub struct LockText {
    /// Text of the lock.
    pub text: String,
    /// Number of entries with unresolved fields.
    pub unresolved: usize,
    /// Images of the platform that share a repository with an image of a source, each with its full reference.
    pub tagged: BTreeMap<String, String>,
}

/// Creates the lock with the images of the node pack, the platform's components and the sources.
pub fn text(donors: &Donors, guesses: &[Guess]) -> Result<LockText> {
    let (of_platform, artifacts) = starter::references()?;
    let mut seen = BTreeSet::new();
    let mut images: Vec<String> = Vec::new();
    let of_sources = guesses.iter().flat_map(|guess| &guess.images);
    let all: Vec<_> = of_platform.iter().chain(of_sources).collect();
    for reference in &all {
        // One entry serves all references with the same tag, one of which may have a digest.
        let mut same = all.iter().filter(|other| other.name() == reference.name() && other.tag == reference.tag);
        let digest = reference.digest.or_else(|| same.find_map(|other| other.digest));
        let (full, lines) = entry(donors, List::Images, &Reference { digest, ..(*reference).clone() });
        if seen.insert(full) {
            images.push(lines);
        }
    }
    let artifacts: Vec<_> = artifacts.iter().map(|reference| entry(donors, List::Artifacts, reference).1).collect();
    let unresolved = images.iter().chain(&artifacts).filter(|lines| lines.contains("unresolved")).count();
    let text = format!(
        "# Every upstream input of the release, pinned. `landfall lock` resolves what is unresolved, and reports tags \
         that have\n\
         # moved. `license` is for the transfer sheet.\nassembled: {}\nplatform: linux/amd64\n\n\
         images:\n{}\nartifacts:\n{}",
        donors.is_assembled(),
        images.concat(),
        artifacts.concat()
    );
    Ok(LockText { text, unresolved, tagged: full_references(donors, &of_platform, guesses) })
}

/// References of the platform that would match several entries together with those of the sources, each with its full
/// form.
fn full_references(donors: &Donors, of_platform: &[Reference], guesses: &[Guess]) -> BTreeMap<String, String> {
    let full = |reference: &Reference| entry(donors, List::Images, reference).0;
    let is_ambiguous = |reference: &&Reference| {
        let mut same = guesses.iter().flat_map(|guess| &guess.images).filter(|it| it.name() == reference.name());
        same.any(|other| full(other) != full(reference))
    };
    let ambiguous = of_platform.iter().filter(|reference| reference.tag.is_none()).filter(is_ambiguous);
    ambiguous.map(|reference| (reference.to_string(), full(reference))).collect()
}

/// The entry from a donor, or a new one.
fn entry(donors: &Donors, list: List, reference: &Reference) -> (String, String) {
    if let Some(found) = donors.entry(list, reference) {
        return found;
    }
    let full = Reference {
        tag: Some(reference.tag.clone().unwrap_or_else(|| "latest".to_owned())),
        digest: None,
        ..reference.clone()
    };
    // A digest takes precedence over a tag, whatever the tag points to now.
    let resolved = match (&reference.tag, &reference.digest) {
        (Some(_), Some(_)) => format!("    resolved: {reference}\n"),
        _ => String::new(),
    };
    let note = match (&reference.tag, &reference.digest) {
        (Some(_), _) => String::new(),
        (None, Some(digest)) => format!("  # Named by {digest} alone: write a tag that names it.\n"),
        (None, None) => "  # Named without a version: write the tag that you ship.\n".to_owned(),
    };
    let fields = "    index: unresolved\n    digest: unresolved\n    mediaType: unresolved\n    size: unresolved\n";
    (full.to_string(), format!("{note}  - reference: {full}\n{resolved}{fields}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::lock::Lock;

    #[test]
    fn platform_image_gets_distinct_tag() {
        let donors = Donors::read(None).expect("the starter's lock");
        let guess = |images: &[&str]| {
            let mut guess = Guess::new("a", "manifests/a".to_owned(), false);
            guess.images = images.iter().map(|text| text.parse().expect("reference")).collect();
            text(&donors, &[guess]).expect("text")
        };
        let lock = guess(&["busybox:latest", "registry.k8s.io/etcd"]);
        assert_eq!(lock.tagged.keys().collect::<Vec<_>>(), ["docker.io/library/busybox"]);
        let full = &lock.tagged["docker.io/library/busybox"];
        assert!(full.starts_with("docker.io/library/busybox:1.") && lock.text.contains(full.as_str()), "{full}");
        let entry: Reference = full.parse().expect("reference");
        assert!(guess(&[&format!("busybox:{}", entry.tag.unwrap_or_default())]).tagged.is_empty());
        let texts = [
            ("  scheduler: docker.io/library/busybox\n", format!("  scheduler: {full}\n")),
            ("  text: docker.io/library/busybox\n", "  text: docker.io/library/busybox\n".to_owned()),
            ("  image: docker.io/library/busyboxes\n", "  image: docker.io/library/busyboxes\n".to_owned()),
        ];
        for (text, expected) in texts {
            assert_eq!(starter::add_tags(text, &lock.tagged), expected);
        }
    }

    #[test]
    fn digest_beside_tag_is_kept() {
        let digest = format!("sha256:{}", "7".repeat(64));
        let named = |text: &str| {
            let mut guess = Guess::new("a", "manifests/a".to_owned(), false);
            guess.images.push(text.parse().expect("reference"));
            guess
        };
        let guesses = [named("ghcr.io/a/b:1"), named(&format!("ghcr.io/a/b:1@{digest}")), named("ghcr.io/a/c:1")];
        let donors = Donors::read(None).expect("the starter's lock");
        let text = text(&donors, &guesses).expect("text").text;
        let entry =
            format!("  - reference: ghcr.io/a/b:1\n    resolved: ghcr.io/a/b:1@{digest}\n    index: unresolved\n");
        assert_eq!((text.matches(&entry).count(), text.matches("a/b:1\n").count()), (1, 1), "{text}");
        assert!(text.contains("  - reference: ghcr.io/a/c:1\n    index: unresolved\n"), "{text}");
        Lock::parse(Path::new("images.lock"), text).expect("it can be read");
    }
}
