//! Adds entries to the text of a lock, after the existing ones. All other text stays unchanged.

use landfall_error_codes::codes;

use super::named::NewImage;
use crate::error::{BuildError, Place, Result};
use crate::lock::Lock;
use crate::resolution::resolve::ResolvedManifest;

/// Key of the list, at the start of a line.
const KEY: &str = "images:";

/// Indentation of entries in a list without entries.
const INDENTATION: usize = 2;

/// Lines of an entry, without indentation. A comment names the users of the image.
pub(super) fn lines(image: &NewImage, found: &ResolvedManifest) -> Vec<String> {
    let name = image.name();
    vec![
        format!("- reference: {name}  # found in {}", image.used_by.join(", ")),
        format!("  resolved: {}", image.reference),
        format!("  index: {}", found.index_text()),
        format!("  digest: {}", found.digest),
        format!("  mediaType: {}", found.media_type),
        format!("  size: {}", found.size),
    ]
}

/// Lines of an unresolved entry.
pub(super) fn open_lines(image: &NewImage) -> Vec<String> {
    let fields = ["digest", "mediaType", "size"].map(|field| format!("  {field}: unresolved"));
    let names = [format!("- reference: {}", image.name()), format!("  resolved: {}", image.reference)];
    names.into_iter().chain(fields).collect()
}

/// The text of a lock with these entries at the end of its images. Returns an error for a list in an inline form.
pub(super) fn append_entries(lock: &Lock, entries: &[Vec<String>]) -> Result<String> {
    let text = lock.text();
    let is_empty = lock.document.images.is_empty();
    let gap = find_key_line(text).and_then(|key| if is_empty { empty(text, key) } else { end(lock, key) });
    let Some(Gap { before, after, indentation }) = gap else {
        let names: Vec<_> = entries.iter().filter_map(|lines| lines.first()?.split_whitespace().nth(2)).collect();
        let what = format!("`images` is not written line by line, and has no entry for {}", names.join(", "));
        return Err(BuildError::at(codes::LOCK_NOT_EXTENDED, Place::file(&lock.path), what));
    };
    let indented: Vec<_> = entries.iter().flatten().map(|line| format!("{:indentation$}{line}\n", "")).collect();
    Ok(before + &indented.concat() + after)
}

/// A place for new lines.
struct Gap<'a> {
    /// The text before them, which ends with a newline.
    before: String,
    /// The text after them.
    after: &'a str,
    /// Spaces before the dash of an entry.
    indentation: usize,
}

/// Index of the line with the key, counted from 0.
fn find_key_line(text: &str) -> Option<usize> {
    text.lines().position(|line| line.starts_with(KEY))
}

/// The place below the key of an empty list, written as `[]` or left out.
fn empty(text: &str, key: usize) -> Option<Gap<'_>> {
    let (start, end) = span(text, key)?;
    let line = text[start..end].trim_end();
    let value = line[KEY.len()..].trim_start();
    let nothing = || ends_here(&text[end..]).then_some(value);
    let comment = value.strip_prefix("[]").or_else(nothing)?.trim_start();
    if !comment.is_empty() && !comment.starts_with('#') {
        return None;
    }
    let separator = if comment.is_empty() { "" } else { "  " };
    let before = format!("{}{KEY}{separator}{comment}\n", &text[..start]);
    Some(Gap { before, after: &text[end..], indentation: INDENTATION })
}

/// The place after the last line of the last entry.
fn end(lock: &Lock, key: usize) -> Option<Gap<'_>> {
    let text = lock.text();
    let lines: Vec<_> = text.lines().collect();
    let last = lock.document.images.last()?.reference.referenced.line();
    let of_reference = usize::try_from(last).ok()?.checked_sub(1)?;
    let begins_entry = |line: &str| line.trim_start().starts_with("- ");
    let first =
        (key + 1..=of_reference).rev().find(|number| lines.get(*number).is_some_and(|line| begins_entry(line)))?;
    let indentation = indentation(lines[first]);
    // Lines of an entry are indented deeper than its dash; empty lines and comments after the last of them belong to
    // the following text.
    let is_within = |line: &str| !line.trim().is_empty() && self::indentation(line) > indentation;
    let below = lines[first + 1..].iter().take_while(|line| is_free(line) || is_within(line));
    let length = below.collect::<Vec<_>>().iter().rposition(|line| is_within(line)).map_or(0, |at| at + 1);
    let (_, end) = span(text, first + length)?;
    let newline = if text[..end].ends_with('\n') { "" } else { "\n" };
    Some(Gap { before: format!("{}{newline}", &text[..end]), after: &text[end..], indentation })
}

/// Returns true if the value of a key has no lines below it, according to the following text.
fn ends_here(rest: &str) -> bool {
    rest.lines().find(|line| !is_free(line)).is_none_or(|line| indentation(line) == 0)
}

/// Returns true for an empty line or a comment.
fn is_free(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Byte range of a line with its newline, by its index from 0.
fn span(text: &str, number: usize) -> Option<(usize, usize)> {
    let mut start = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at == number {
            return Some((start, start + line.len()));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::CodedError as _;

    use super::*;

    const HEAD: &str = "# kept\nassembled: false\nplatform: linux/amd64\n";

    fn with_entry(list: &str) -> Result<String> {
        let lock = Lock::parse(Path::new("images.lock"), format!("{HEAD}{list}")).expect("lock");
        let entry = [
            "- reference: ghcr.io/a/new:1  # found in web",
            "  digest: unresolved",
            "  mediaType: unresolved",
            "  size: unresolved",
        ];
        append_entries(&lock, &[entry.map(str::to_owned).to_vec()])
    }

    fn new(indentation: &str) -> String {
        format!(
            "{indentation}- reference: ghcr.io/a/new:1  # found in web\n{indentation}  digest: unresolved\n\
             {indentation}  mediaType: unresolved\n\
             {indentation}  size: unresolved\n"
        )
    }

    /// Each text with its parts before and after the new entry.
    #[test]
    fn new_entry_follows_last_one() {
        let inline =
            "  - {reference: 'ghcr.io/a/one:1', digest: unresolved, mediaType: unresolved, size: unresolved}\n";
        let block = "  # why\n  - license: MIT\n    reference: ghcr.io/a/one:1  # tag\n    digest: unresolved\n    \
            mediaType: unresolved\n    size: unresolved\n    # its own\n";
        let outdented = "  - reference: ghcr.io/a/one:1\n# why\n    digest: unresolved\n    mediaType: unresolved\n  # \
            and\n    size: unresolved\n";
        let flat = "- reference: ghcr.io/a/one:1\n  digest: unresolved\n  mediaType: unresolved\n  size: unresolved\n";
        for (before, behind, indentation) in [
            (format!("images:\n{inline}"), "artifacts: []\n", "  "),
            (format!("images:\n{block}"), "\n# Files.\nartifacts: []\n", "  "),
            (format!("artifacts: []\nimages:\n{block}"), "\n\n", "  "),
            (format!("images:\n{flat}"), "artifacts: []\n", ""),
            (format!("images:\n  # first\n{inline}"), "  # - reference: left out\nartifacts: []\n", "  "),
            (format!("images:\n{outdented}"), "# Files.\nartifacts: []\n", "  "),
        ] {
            let extended = with_entry(&format!("{before}{behind}")).expect("extended");
            assert_eq!(extended, format!("{HEAD}{before}{}{behind}", new(indentation)));
            Lock::parse(Path::new("images.lock"), extended).expect("it can be read");
        }
        let without_end = with_entry(&format!("images:\n{}", inline.trim_end())).expect("extended");
        assert_eq!(without_end, format!("{HEAD}images:\n{inline}{}", new("  ")));
    }

    #[test]
    fn empty_list_gets_first_entry() {
        for (list, expected) in [
            ("images: []\nartifacts: []\n", format!("images:\n{}artifacts: []\n", new("  "))),
            ("images: []  # none yet\n", format!("images:  # none yet\n{}", new("  "))),
            ("artifacts: []\nimages: []", format!("artifacts: []\nimages:\n{}", new("  "))),
            ("images:\n# Files.\nartifacts: []\n", format!("images:\n{}# Files.\nartifacts: []\n", new("  "))),
            ("images:  # none yet\n\n", format!("images:  # none yet\n{}\n", new("  "))),
        ] {
            assert_eq!(with_entry(list).expect("extended"), format!("{HEAD}{expected}"), "{list}");
        }
    }

    #[test]
    fn inline_list_is_refused() {
        let list =
            "images: [{reference: 'ghcr.io/a/one:1', digest: unresolved, mediaType: unresolved, size: unresolved}]\n";
        for list in [list.to_owned(), list.replace("images: [", "images:\n  ["), "images:\n  []\n".to_owned()] {
            let refused = with_entry(&list).expect_err("refused");
            assert_eq!(refused.code(), codes::LOCK_NOT_EXTENDED);
            assert!(refused.to_string().contains("no entry for ghcr.io/a/new:1"), "{refused}");
        }
    }
}
