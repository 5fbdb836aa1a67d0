//! Whether an exported log is whole, without the console.
//!
//! What it finds: any change of a byte, a removed, inserted, swapped or repeated entry, and a cut anywhere. What it cannot find:
//! a log that was rewritten from some entry on, by someone who can write to the database. An earlier head, kept elsewhere,
//! finds that, too.

use std::io::BufRead;
use std::path::Path;

use landfall_error_codes::codes;

use super::chain::Follower;
use super::export::{Line, SCHEMA};
use super::head::Head;
use crate::error::Error;

/// What is wrong with a log.
#[derive(Debug)]
pub struct Broken(Error);

impl Broken {
    /// The error, with the file that it is about.
    pub fn named(self, file: &Path) -> Error {
        Error::new(landfall_error_codes::Coded::code(&self.0), format!("{} is not whole", file.display()))
            .because(self.0)
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

fn broken(why: String) -> Broken {
    Broken(Error::new(codes::AUDIT_BROKEN, why))
}

/// Checks an exported log, and that it contains the `known` head of an earlier one. The error names the first broken entry.
pub fn verify(log: impl BufRead, known: Option<&Head>) -> Result<Head, Broken> {
    let mut follower = Follower::new();
    let mut end = None;
    let mut has_known = known.is_none_or(|known| *known == Head::EMPTY);
    for line in log.lines() {
        let next = follower.head().number + 1;
        let line =
            line.map_err(|error| Broken(Error::new(codes::AUDIT_FILE, "the file cannot be read").because(error)))?;
        if end.is_some() {
            return Err(broken("a line follows the head".to_owned()));
        }
        match read(&line)
            .ok_or_else(|| broken(format!("entry {next} is not as it was written: its line is not an entry")))?
        {
            Line::AuditEntry { entry, hash, .. } => {
                let text = entry.canonical().map_err(|error| broken(error.to_string()))?;
                follower.follow(&text, &hash).map_err(Broken)?;
                has_known |= Some(&follower.head()) == known;
            }
            Line::AuditHead { head, .. } => end = Some(head),
        }
    }
    let head = follower.head();
    match end.map(|end| end.parse::<Head>()) {
        None => Err(broken(format!("the head after entry {} is missing: the end was cut off", head.number))),
        Some(Ok(end)) if end == head => has_known.then_some(head).ok_or_else(|| missing(known)),
        Some(_) => Err(broken(format!("the head does not name entry {}: entries at the end are missing", head.number))),
    }
}

fn missing(known: Option<&Head>) -> Broken {
    let number = known.map_or(0, |known| known.number);
    broken(format!("entry {number} is not the one of the earlier head: the log was rewritten or truncated"))
}

/// A line that is exactly as the export writes it.
fn read(line: &str) -> Option<Line> {
    let parsed: Line = serde_json::from_str(line).ok()?;
    let (Line::AuditEntry { schema, .. } | Line::AuditHead { schema, .. }) = parsed;
    let is_exact = serde_json::to_string(&parsed).is_ok_and(|text| text == line);
    (schema == SCHEMA && is_exact).then_some(parsed)
}
