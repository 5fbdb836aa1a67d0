//! Readers of the files in which an image records its packages.
//!
//! Threats: the files come from upstream's layers. Each is read as a stream within limits. A line that is too long is
//! cut; a file that is too large or malformed is reported as not read. Nothing in them becomes a path.

mod copyright;
mod lines;
mod npm;
mod os_release;
mod paragraphs;
mod python;
mod rpm;
mod sources;

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

pub use copyright::package_of;
pub use sources::Source;

use crate::limits;
use crate::package::Package;
use crate::system::System;

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileContents {
    /// Packages; empty if the file belongs to a package that is not installed.
    Packages(Vec<Package>),
    /// The distribution.
    System(System),
    /// Licenses of the package to which this `copyright` file belongs.
    License(String),
    /// The file was not read, for this reason.
    Unread(String),
}

/// Reads a file of this many bytes. Fails only if its bytes cannot be read.
pub fn read(source: Source, bytes: u64, file: impl Read) -> io::Result<FileContents> {
    let limit = source.limit();
    if bytes > limit && source == Source::Copyright {
        return Ok(none());
    }
    if bytes > limit {
        return Ok(FileContents::Unread(format!("it has {bytes} bytes, more than {limit}")));
    }
    let file = io::BufReader::new(file.take(limit));
    let found = match source {
        Source::Dpkg => paragraphs::dpkg(file)?,
        Source::Apk => paragraphs::apk(file)?,
        Source::Python => python::metadata(file)?,
        Source::Npm => npm::package(file)?,
        Source::Copyright => {
            return copyright::license(file).map(|license| license.map_or_else(none, FileContents::License));
        }
        Source::OsRelease => {
            return os_release::read(file).map(|system| system.map_or_else(none, FileContents::System));
        }
        Source::Rpm => rpm::packages(file)?,
        Source::RpmLog if bytes == 0 => Ok(Vec::new()),
        Source::RpmLog => Err("it has changes to rpmdb.sqlite that Landfall does not read".to_owned()),
        Source::RpmBerkeley => Err(unlisted_reason("Berkeley DB (RPM before version 4.16)")),
        Source::RpmNdb => Err(unlisted_reason("RPM in its form NDB")),
    };
    Ok(match found {
        Ok(packages) if packages.len() > limits::PACKAGES => {
            FileContents::Unread(format!("it lists more than {} packages", limits::PACKAGES))
        }
        Ok(packages) => FileContents::Packages(packages),
        Err(reason) => FileContents::Unread(short(&reason)),
    })
}

/// Returns the reason why a database is not read at all.
fn unlisted_reason(form: &str) -> String {
    format!("it is a database of {form}, which Landfall does not read: its packages are not listed")
}

fn none() -> FileContents {
    FileContents::Packages(Vec::new())
}

/// Returns a text as one line without control characters, within the limit.
pub(crate) fn short(reason: &str) -> String {
    let plain = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short = String::new();
    for letter in plain {
        if short.len() + letter.len_utf8() > limits::TEXT_BYTES {
            break;
        }
        short.push(letter);
    }
    short
}

/// Returns a declared license if it is one line and not a whole text. Returns `None` if the text states that no license
/// is known.
pub fn license(text: &str) -> Option<String> {
    let text = text.trim();
    let is_stated = !matches!(text.to_ascii_uppercase().as_str(), "UNKNOWN" | "NONE" | "NOASSERTION");
    (is_stated && crate::package::is_text(text)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
