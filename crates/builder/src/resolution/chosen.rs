//! Entries of a lock that the arguments of `landfall lock --update` select.

use std::collections::BTreeSet;

use landfall_error_codes::codes;
use landfall_inventory::purl::split_tag;
use landfall_suggestion::distance;

use crate::error::{BuildError, Place, Result};
use crate::lock::Lock;
use crate::lock::position::Position;

/// Maximum number of similar names in a message.
const NEAR_LISTED: usize = 3;

const HINT: &str = "Name an entry by its `reference` in the lock, or by the end of it, with or without the tag.";

/// Entries that the names select; without names, all. One error lists every unknown or ambiguous name.
pub(super) fn chosen_entries(lock: &Lock, names: &[String]) -> Result<BTreeSet<Position>> {
    if names.is_empty() {
        return Ok(lock.entries().map(|(position, _)| position).collect());
    }
    let (mut chosen, mut faults) = (BTreeSet::new(), Vec::new());
    for name in names {
        match find_entries(lock, name) {
            Ok(found) => chosen.extend(found),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        return Ok(chosen);
    }
    Err(BuildError::at(codes::IMAGE_NOT_LOCKED, Place::file(&lock.path), faults.join("; ")).hint(HINT))
}

/// Entries with this reference, otherwise the single entry with this short name. Returns an error text for an unknown
/// or ambiguous name.
fn find_entries(lock: &Lock, name: &str) -> Result<Vec<Position>, String> {
    let exact = lock.entries().filter(|(_, entry)| entry.reference.value == name);
    let exact: Vec<_> = exact.map(|(position, _)| position).collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let found: Vec<_> = lock.entries().filter(|(_, entry)| calls(&entry.reference.value).contains(&name)).collect();
    match found[..] {
        [(position, _)] => Ok(vec![position]),
        [] => Err(unknown(lock, name)),
        _ => {
            let references: BTreeSet<_> = found.iter().map(|(_, entry)| entry.reference.value.as_str()).collect();
            Err(format!("`{}` may mean {}", name.escape_default(), quoted_list(references)))
        }
    }
}

fn unknown(lock: &Lock, name: &str) -> String {
    let nearness = |reference: &str| calls(reference).into_iter().filter_map(|call| distance(name, call)).min();
    let references = lock.entries().map(|(_, entry)| entry.reference.value.as_str());
    // Sorted by similarity; a reference in two lists counts once.
    let near: BTreeSet<_> = references.filter_map(|reference| Some((nearness(reference)?, reference))).collect();
    let near: Vec<_> = near.into_iter().take(NEAR_LISTED).map(|(_, reference)| reference).collect();
    let meant = if near.is_empty() { String::new() } else { format!("; did you mean {}?", quoted_list(near)) };
    format!("no entry is called `{}`{meant}", name.escape_default())
}

fn quoted_list<'a>(references: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = references.into_iter().map(|reference| format!("`{reference}`")).collect();
    quoted.join(" or ")
}

/// Accepted names of an entry: its reference, or a suffix of it from any segment, with or without the tag.
fn calls(reference: &str) -> Vec<&str> {
    let (untagged, _) = split_tag(reference);
    let segments = untagged.match_indices('/').map(|(at, _)| at + 1);
    std::iter::once(0).chain(segments).flat_map(|from| [&reference[from..], &untagged[from..]]).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::CodedError as _;

    use super::*;

    fn lock() -> Lock {
        let entry = |reference: &str| {
            format!("  - {{reference: '{reference}', digest: unresolved, mediaType: unresolved, size: unresolved}}\n")
        };
        let text = format!(
            "assembled: false\nplatform: linux/amd64\nimages:\n{}{}{}artifacts:\n{}charts:\n{}",
            entry("docker.io/grafana/grafana:11.1.0"),
            entry("docker.io/grafana/loki:3.0"),
            entry("localhost:5000/grafana/loki:3.1"),
            entry("ghcr.io/shop/rules:2.3.0"),
            entry("ghcr.io/shop/rules:2.3.0"),
        );
        Lock::parse(Path::new("images.lock"), text).expect("lock")
    }

    fn chosen_text(names: &[&str]) -> Result<String> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = chosen_entries(&lock(), &names)?;
        Ok(chosen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn entries_match_reference_ends() {
        for (names, expected) in [
            (&[][..], "images[0] images[1] images[2] artifacts[0] charts[0]"),
            (&["grafana"], "images[0]"),
            (&["grafana/grafana"], "images[0]"),
            (&["docker.io/grafana/grafana:11.1.0", "grafana:11.1.0"], "images[0]"),
            (&["loki:3.1", "grafana"], "images[0] images[2]"),
            (&["localhost:5000/grafana/loki"], "images[2]"),
            (&["ghcr.io/shop/rules:2.3.0"], "artifacts[0] charts[0]"),
        ] {
            assert_eq!(chosen_text(names).expect("known"), expected, "{names:?}");
        }
    }

    #[test]
    fn ambiguous_names_get_suggestions() {
        let refusals: Vec<_> = [&["grafna"][..], &["loki", "postgres"], &["lokki:3.0"], &["", "a\u{1b}"]]
            .into_iter()
            .map(|names| chosen_text(names).expect_err("refused"))
            .map(|error| format!("{} {error}", error.code().id))
            .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
