//! The key `pinned` of an entry, below which `landfall lock` writes its results.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use landfall_bundle_spec::Sha256;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::Lock;
use super::document::Refuse;
use super::edit::Replacement;

/// Name of the key.
const PINNED: &str = "pinned";

/// Value of the key, as written.
#[derive(Debug)]
pub(super) enum WrittenPinned<T> {
    Unresolved,
    Known(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WrittenPinned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PinnedVisitor(PhantomData))
    }
}

struct PinnedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for PinnedVisitor<T> {
    type Value = WrittenPinned<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what `landfall lock` writes, or `unresolved`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "unresolved" {
            return Ok(WrittenPinned::Unresolved);
        }
        Err(E::custom("write `unresolved`, and run `landfall lock`"))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(WrittenPinned::Known)
    }
}

/// A pinned file of a repository or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// Path within the repository, or below the folder.
    pub path: String,
    /// SHA-256 of the file.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

impl PinnedFile {
    /// Its line below `files`.
    pub(super) fn line(&self) -> String {
        let Self { path, digest, size } = self;
        format!("  - {{path: {}, digest: '{digest}', size: {size}}}", quote(path))
    }
}

/// Checks pinned files of a `field`: there must be at least one, with valid and unique paths.
pub(super) fn check_files<'a>(
    field: &str,
    paths: impl Iterator<Item = &'a str>,
    is_path: impl Fn(&str) -> bool,
    refuse: Refuse<'_>,
) -> crate::error::Result<()> {
    let refuse = |what: String| refuse(&format!("{field}.{PINNED}"), what);
    let mut seen = HashSet::new();
    for path in paths {
        let shown = path.escape_default();
        if !is_path(path) {
            return Err(refuse(format!("`{shown}` is not a relative path")));
        }
        if !seen.insert(path) {
            return Err(refuse(format!("`{shown}` occurs twice")));
        }
    }
    if seen.is_empty() {
        return Err(refuse("an artifact has at least one file".to_owned()));
    }
    Ok(())
}

/// Line of the key `pinned` in a `field`, found from the line of its value; `text` is that of the lock.
pub(super) fn line(text: &str, of_value: u64, field: &str, refuse: Refuse<'_>) -> crate::error::Result<u64> {
    line_of_key(text, of_value).ok_or_else(|| {
        let what = format!("write each field of `{field}` in a line of its own: `landfall lock` writes below `pinned`");
        refuse(field, what)
    })
}

/// Line of the key: the line of its value, or one above it with only comments in between. `None` for a key within
/// braces.
fn line_of_key(text: &str, of_value: u64) -> Option<u64> {
    let lines: Vec<_> = text.lines().take(usize::try_from(of_value).ok()?).collect();
    let after_key =
        |line: &str| line.trim_start().strip_prefix(PINNED)?.strip_prefix(':').map(str::trim).map(str::to_owned);
    let is_nothing = |text: &str| text.trim().is_empty() || text.trim_start().starts_with('#');
    let (value, above) = lines.split_last()?;
    if after_key(value).is_some() {
        return Some(of_value);
    }
    let key = above.iter().rposition(|line| !is_nothing(line))?;
    after_key(above[key]).filter(|rest| is_nothing(rest)).map(|_| key as u64 + 1)
}

/// Replacement for the lines below the key in this line; `None` if the key is no longer there.
pub(super) fn replacement(lock: &Lock, line: u64, found: &[String]) -> Option<Replacement> {
    let mut from = 0;
    let mut lines = lock.text.split_inclusive('\n');
    for _ in 1..line {
        from += lines.next()?.len();
    }
    let key = lines.next()?;
    let indentation = key.len() - key.trim_start().len();
    let mut to = from + key.len();
    let mut end = to;
    for line in lines {
        let plain = line.trim();
        let is_below = line.len() - line.trim_start().len() > indentation;
        end += line.len();
        if !plain.is_empty() && !is_below {
            break;
        }
        // Empty lines after the last field belong to the following text.
        if !plain.is_empty() {
            to = end;
        }
    }
    let below: Vec<_> = found.iter().map(|line| format!("{:indentation$}  {line}\n", "")).collect();
    Some(Replacement::between(from, to, format!("{:indentation$}{PINNED}:\n{}", "", below.concat())))
}

/// Encloses a text in single quotes.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
