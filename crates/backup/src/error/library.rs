//! Error of the library of the format.

use rustic_core::RusticError;

/// Error of `rustic_core` on one line. The library's own text has several: advice for its own command, and where to
/// report it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LibraryError(String);

impl From<Box<RusticError>> for LibraryError {
    fn from(error: Box<RusticError>) -> Self {
        let line = error.display_log();
        Self(line.strip_prefix("Error: ").unwrap_or(&line).to_owned())
    }
}
