//! Log backups that a full backup needs: those that were made while it was. Its own part of the log continues them.

use std::collections::BTreeMap;

use crate::backup::{Backup, BackupId};

/// Prefix of the numbered facts that name them, oldest first, as in `needs-log-1=postgres/database 5d3c…`.
const NEEDS_LOG: &str = "needs-log-";

/// Returns the facts of a backup that needs these log backups of these streams, oldest first.
pub fn needed_log_facts<'a>(logs: impl Iterator<Item = (&'a str, BackupId)>) -> BTreeMap<String, String> {
    let fact = |(index, (stream, id))| (format!("{NEEDS_LOG}{}", index + 1), format!("{stream} {id}"));
    logs.enumerate().map(fact).collect()
}

impl Backup {
    /// Returns the log backups that the backup needs, each with its stream, oldest first.
    pub fn needed_logs(&self) -> impl Iterator<Item = (&str, BackupId)> {
        let numbered = self.facts.iter().filter_map(|(key, value)| {
            let number: u64 = key.strip_prefix(NEEDS_LOG)?.parse().ok()?;
            let (stream, id) = value.split_once(' ')?;
            Some((number, (stream, id.parse().ok()?)))
        });
        numbered.collect::<BTreeMap<_, _>>().into_values()
    }

    /// Returns the log backups of this stream that the backup needs, oldest first.
    pub fn needed_logs_of(&self, stream: &str) -> impl Iterator<Item = BackupId> {
        self.needed_logs().filter(move |(of, _)| *of == stream).map(|(_, id)| id)
    }
}
