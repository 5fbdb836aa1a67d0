//! Names of streams and of facts, restricted to forms that restic's commands and trees accept unchanged.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Path of a stream or document within a backup, such as `postgres/database`. Each part begins with a letter or digit,
/// and has letters, digits, `.`, `_` and `-`. Names sort by their parts, as trees of restic do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

const LONGEST_NAME: usize = 255;

/// A name or fact that is not allowed in a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a backup cannot have {name:?}: {why}")]
pub struct NameError {
    /// The given name.
    name: String,
    /// The violated rule.
    why: &'static str,
}

impl NameError {
    pub(crate) fn new(name: &str, why: &'static str) -> Self {
        Self { name: name.to_owned(), why }
    }
}

impl StreamName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns true if the other name would be in a folder with this name.
    fn holds(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl FromStr for StreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if text.len() <= LONGEST_NAME && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new(text, "a name has letters, digits, '.', '_' and '-', in parts with '/' between them"))
        }
    }
}

impl TryFrom<String> for StreamName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Ord for StreamName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(other.parts())
    }
}

impl PartialOrd for StreamName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns an error if a name occurs twice, or if one is a folder of another.
pub(crate) fn refuse_clashes<'a>(names: impl Iterator<Item = &'a StreamName>) -> Result<(), NameError> {
    let mut sorted: BTreeSet<&StreamName> = BTreeSet::new();
    for name in names {
        if !sorted.insert(name) {
            return Err(NameError::new(name.as_str(), "the name occurs twice in the backup"));
        }
    }
    for (name, next) in sorted.iter().zip(sorted.iter().skip(1)) {
        if name.holds(next) {
            return Err(NameError::new(name.as_str(), "the name is also a folder of the backup"));
        }
    }
    Ok(())
}

/// Key of the tag of a proof; see [`crate::verdict`].
pub(crate) const PROVEN: &str = "proven";

/// Key of the tag of a failed drill; see [`crate::verdict`].
pub(crate) const DISPROVED: &str = "disproved";

/// Key of the tag with the sequence number of a backup.
pub(crate) const SEQUENCE: &str = "sequence";

/// Keys of tags that are not facts.
const RESERVED: [&str; 3] = [PROVEN, DISPROVED, SEQUENCE];

/// Returns facts as restic's tags, such as `release=starter`.
pub(crate) fn tags_of(facts: &BTreeMap<String, String>) -> Result<Vec<String>, NameError> {
    facts.iter().map(|(key, value)| tag_of(key, value)).collect()
}

fn tag_of(key: &str, value: &str) -> Result<String, NameError> {
    let is_key = key.starts_with(|first: char| first.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_key || RESERVED.contains(&key) {
        let rule = "a fact is named by lower-case letters, digits and '-', but not 'proven', 'disproved' or 'sequence'";
        return Err(NameError::new(key, rule));
    }
    // restic separates tags typed by a user with commas.
    if value.len() > LONGEST_NAME || value.chars().any(|c| c == ',' || c.is_control()) {
        return Err(NameError::new(key, "the value of a fact has at most 255 bytes and no comma"));
    }
    Ok(format!("{key}={value}"))
}

/// Returns the facts among these tags.
pub(crate) fn facts_of<'a>(tags: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    tags.filter_map(|tag| tag.split_once('='))
        .filter(|(key, _)| !RESERVED.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamName {
        text.parse().unwrap()
    }

    #[test]
    fn ambiguous_stream_names_are_refused() {
        for good in ["a", "postgres/database", "a-b/c_d/e.f", "0"] {
            assert_eq!(name(good).to_string(), good);
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "-a", "a b", "a*", "a\n", "ä", &"a".repeat(256)] {
            let refused = bad.parse::<StreamName>();
            assert!(matches!(&refused, Err(NameError { name, .. }) if name == bad), "{refused:?}");
        }
    }

    #[test]
    fn names_sort_like_trees() {
        let mut names = [name("a-b/x"), name("a/x"), name("a.b"), name("a/w/z")];
        names.sort();
        assert_eq!(names.map(String::from), ["a/w/z", "a/x", "a-b/x", "a.b"]);
    }

    #[test]
    fn clashing_names_are_refused() {
        refuse_clashes([name("a/b"), name("a/c"), name("ab"), name("a-")].iter()).unwrap();
        let refused = |names: &[StreamName]| refuse_clashes(names.iter()).unwrap_err().to_string();
        let twice = refused(&[name("a"), name("b"), name("a")]);
        assert_eq!(twice, "a backup cannot have \"a\": the name occurs twice in the backup");
        let folder = refused(&[name("a"), name("a/b")]);
        assert_eq!(folder, "a backup cannot have \"a\": the name is also a folder of the backup");
        let folder = refused(&[name("a/b/c"), name("a-"), name("a/b")]);
        assert_eq!(folder, "a backup cannot have \"a/b\": the name is also a folder of the backup");
    }

    #[test]
    fn facts_round_trip_through_tags() {
        let facts = BTreeMap::from([("release".to_owned(), "a=b c".to_owned()), ("version".into(), String::new())]);
        let mut tags = tags_of(&facts).unwrap();
        tags.extend(["landfall".to_owned(), format!("{PROVEN}=2026-01-01T00:00:00Z"), format!("{SEQUENCE}=7")]);
        assert_eq!(facts_of(tags.iter()), facts);
        let (of_keys, of_values) = ("a fact is named by", "the value of a fact has");
        for (key, value, why) in [
            ("", "a", of_keys),
            ("A", "a", of_keys),
            ("proven", "a", of_keys),
            ("disproved", "a", of_keys),
            ("sequence", "1", of_keys),
            ("a", "b,c", of_values),
            ("a", "b\n", of_values),
            ("a=b", "c", of_keys),
        ] {
            let error = tag_of(key, value).unwrap_err().to_string();
            assert!(error.contains(why), "{key}={value}: {error}");
        }
    }
}
