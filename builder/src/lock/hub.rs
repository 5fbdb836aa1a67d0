//! Artifacts that are files of a repository on a hub: what a person writes of one, and what `landfall lock` writes below it.

use std::fmt;

use landfall_bundle_spec::Sha256;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::document::Refuse;
use super::edit::Replacement;
use super::{FilePin, Lock, Take};
use crate::error::Place;
use crate::files::is_relative;
use crate::hub::{Commit, HubName, Patterns};

/// The key below which `landfall lock` writes.
const PINNED: &str = "pinned";

/// An entry's repository.
#[derive(Debug, Clone)]
pub struct HubFields {
    /// Hub, repository and revision.
    pub name: HubName,
    /// Which files are taken.
    pub patterns: Patterns,
    /// What is pinned; none while it is unresolved.
    pub pinned: Option<HubPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// What `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPinned {
    /// What it was resolved from: another text since then makes it stale.
    pub resolved: String,
    /// The commit that the revision named.
    pub commit: Commit,
    /// The license of the model card.
    pub license: Option<String>,
    /// The files that are taken.
    pub files: Vec<HubFile>,
}

/// A pinned file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFile {
    /// Path within the repository.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Sha256,
    /// Its bytes.
    pub size: u64,
}

/// `hub` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenHub {
    address: String,
    repository: String,
    revision: String,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    pinned: Spanned<WrittenPinned>,
}

/// `pinned` as it is written.
#[derive(Debug)]
enum WrittenPinned {
    Unresolved,
    Known(PinnedFields),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedFields {
    resolved: String,
    commit: String,
    #[serde(default)]
    license: Option<String>,
    files: Vec<HubFile>,
}

impl<'de> Deserialize<'de> for WrittenPinned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PinnedVisitor)
    }
}

struct PinnedVisitor;

impl<'de> de::Visitor<'de> for PinnedVisitor {
    type Value = WrittenPinned;

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
        PinnedFields::deserialize(MapAccessDeserializer::new(map)).map(WrittenPinned::Known)
    }
}

/// Checks what is written of a repository; `text` is that of the lock.
pub(super) fn read(written: WrittenHub, text: &str, refuse: Refuse<'_>) -> crate::error::Result<HubFields> {
    let WrittenHub { address, repository, revision, include, exclude, pinned } = written;
    let name = HubName::new(&address, &repository, &revision)
        .map_err(|invalid| refuse(&format!("hub.{}", invalid.field), invalid.what))?;
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse("hub.include", what))?;
    let line = line_of_key(text, pinned.referenced.line()).ok_or_else(|| {
        refuse(
            "hub",
            "write each field of `hub` in a line of its own: `landfall lock` writes below `pinned`".to_owned(),
        )
    })?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(fields) => Some(known(fields, &name, refuse)?),
    };
    Ok(HubFields { name, patterns, pinned, line })
}

fn known(fields: PinnedFields, name: &HubName, refuse: Refuse<'_>) -> crate::error::Result<HubPinned> {
    let refuse = |what: String| refuse("hub.pinned", what);
    let commit: Commit = fields.commit.parse().map_err(|error| refuse(format!("{error}")))?;
    if fields.files.is_empty() {
        return Err(refuse("an artifact has at least one file".to_owned()));
    }
    for (index, file) in fields.files.iter().enumerate() {
        let shown = file.path.escape_default();
        if !is_relative(&file.path) || name.file_url(&commit, &file.path).is_none() {
            return Err(refuse(format!("`{shown}` is not a relative path")));
        }
        if fields.files[..index].iter().any(|other| other.path == file.path) {
            return Err(refuse(format!("`{shown}` occurs twice")));
        }
    }
    Ok(HubPinned { resolved: fields.resolved, commit, license: fields.license, files: fields.files })
}

/// The line of the key: that of its value, or one above it with nothing but comments between. A key within braces has none.
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

impl HubFields {
    /// What the pins are resolved from.
    pub fn source(&self) -> String {
        format!("{}{}", self.name, self.patterns)
    }

    /// Whether the pins were resolved from what the entry names now.
    pub fn is_confirmed(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.resolved == self.source())
    }

    /// Line of the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The pinned files, as they are fetched.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let pinned = self.pinned.as_ref()?;
        let pin = |(number, file): (usize, &HubFile)| {
            let field = format!("{entry}.hub.pinned.files[{number}]");
            Some(FilePin {
                url: self.name.file_url(&pinned.commit, &file.path)?,
                digest: file.digest,
                size: file.size,
                take: Take::Whole(file.path.clone()),
                commit: Some(pinned.commit.clone()),
                place: Place::field(&lock.path, self.line, field),
            })
        };
        pinned.files.iter().enumerate().map(pin).collect()
    }

    /// Writes what was found below the key, in place of what is there; none where the key is not where it was.
    pub(super) fn replacement(&self, lock: &Lock, found: &HubPinned) -> Option<Replacement> {
        let mut from = 0;
        let mut lines = lock.text.split_inclusive('\n');
        for _ in 1..self.line {
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
            // Empty lines after the last field belong to what follows.
            if !plain.is_empty() {
                to = end;
            }
        }
        Some(Replacement::between(from, to, block(indentation, found)))
    }
}

/// The lines of `pinned`.
fn block(indentation: usize, found: &HubPinned) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut lines = vec![
        format!("{:indentation$}{PINNED}:", ""),
        format!("{:indentation$}  resolved: {}", "", quoted(&found.resolved)),
        format!("{:indentation$}  commit: '{}'", "", found.commit),
    ];
    lines.extend(found.license.iter().map(|license| format!("{:indentation$}  license: {}", "", quoted(license))));
    lines.push(format!("{:indentation$}  files:", ""));
    lines.extend(found.files.iter().map(|HubFile { path, digest, size }| {
        format!("{:indentation$}    - {{path: {}, digest: '{digest}', size: {size}}}", "", quoted(path))
    }));
    lines.join("\n") + "\n"
}
