//! Streams that a backup lacks because they could not be read. The backup holds the other streams, and proves nothing
//! about the missing ones.

use std::collections::BTreeMap;

use crate::backup::Backup;

/// Prefix of the numbered facts that name the streams, as in `lacks-1=postgres/database`.
const LACKS: &str = "lacks-";

/// Returns the facts of a backup that was made without these streams.
pub fn lacking_facts<'a>(streams: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    streams.enumerate().map(|(index, stream)| (format!("{LACKS}{}", index + 1), stream.to_owned())).collect()
}

impl Backup {
    /// Returns the streams that the backup lacks because they could not be read.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        self.facts.iter().filter(|(key, _)| key.starts_with(LACKS)).map(|(_, stream)| stream.as_str())
    }

    /// Returns true if it has every expected stream.
    pub fn is_whole(&self) -> bool {
        self.lacking().next().is_none()
    }

    /// Returns true if a drill proved every expected stream. A drill of a backup that lacks streams proves only the
    /// remaining ones.
    pub fn is_proven(&self) -> bool {
        self.proof.is_some() && self.is_whole()
    }
}
