//! The text of `images.lock`.

use std::collections::BTreeSet;

use super::donors::Donors;
use super::guess::Guess;
use super::starter;
use crate::error::Result;
use crate::lock::List;
use crate::reference::Reference;

/// A lock that is to be written.
pub struct LockText {
    /// Its text.
    pub text: String,
    /// Entries with something that is unresolved.
    pub unresolved: usize,
}

/// The lock of the node pack, the platform's components, and what the sources name.
pub fn text(donors: &Donors, guesses: &[Guess]) -> Result<LockText> {
    let (of_platform, artifacts) = starter::references()?;
    let mut seen = BTreeSet::new();
    let mut images: Vec<String> = Vec::new();
    let of_sources = guesses.iter().flat_map(|guess| &guess.images);
    for reference in of_platform.iter().chain(of_sources) {
        let (full, lines) = entry(donors, List::Images, reference);
        if seen.insert(full) {
            images.push(lines);
        }
    }
    let artifacts: Vec<_> = artifacts.iter().map(|reference| entry(donors, List::Artifacts, reference).1).collect();
    let unresolved = images.iter().chain(&artifacts).filter(|lines| lines.contains("unresolved")).count();
    let text = format!(
        "# Every upstream input of the release, pinned. `landfall lock` resolves what is unresolved, and reports tags that have\n\
         # moved. `license` is for the transfer sheet.\nassembled: {}\nplatform: linux/amd64\n\nimages:\n{}\nartifacts:\n{}",
        donors.assembled(),
        images.concat(),
        artifacts.concat()
    );
    Ok(LockText { text, unresolved })
}

/// An entry of a lock that has it, or a new one.
fn entry(donors: &Donors, list: List, reference: &Reference) -> (String, String) {
    if let Some(found) = donors.entry(list, reference) {
        return found;
    }
    let full = Reference {
        tag: Some(reference.tag.clone().unwrap_or_else(|| "latest".to_owned())),
        digest: None,
        ..reference.clone()
    };
    let note = match (&reference.tag, &reference.digest) {
        (Some(_), _) => String::new(),
        (None, Some(digest)) => format!("  # Named by {digest} alone: write a tag that names it.\n"),
        (None, None) => "  # Named without a version: write the tag that you ship.\n".to_owned(),
    };
    let fields = "    index: unresolved\n    digest: unresolved\n    mediaType: unresolved\n    size: unresolved\n";
    (full.to_string(), format!("{note}  - reference: {full}\n{fields}"))
}
