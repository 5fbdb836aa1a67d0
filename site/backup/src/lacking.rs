//! What a backup lacks: streams that belong to it and could not be read. It is a backup of the others, and proves nothing of these.

use std::collections::BTreeMap;

use crate::backup::Backup;

/// Facts that name the streams are numbered: `lacks-1=postgres/database`.
const LACKS: &str = "lacks-";

/// The facts of a backup that was made without these streams.
pub fn lacking_facts<'a>(streams: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    streams.enumerate().map(|(index, stream)| (format!("{LACKS}{}", index + 1), stream.to_owned())).collect()
}

impl Backup {
    /// The streams that it was made without, since they could not be read.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        self.facts.iter().filter(|(key, _)| key.starts_with(LACKS)).map(|(_, stream)| stream.as_str())
    }

    /// Whether it has every stream that it should have.
    pub fn is_whole(&self) -> bool {
        self.lacking().next().is_none()
    }

    /// Whether a drill proved all that it should have. A drill of one that lacks streams proves its other streams alone.
    pub fn is_proven(&self) -> bool {
        self.proof.is_some() && self.is_whole()
    }
}
