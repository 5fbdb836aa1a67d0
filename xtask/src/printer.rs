//! The only place of this crate that prints. Data goes to stdout, everything else to stderr.

use std::io::Write;

/// Prints one line of data on stdout. A closed stdout is not an error: its reader needs no more.
pub fn data(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints one line of progress on stderr.
pub fn note(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error with its whole chain of causes on stderr, one cause per line.
pub fn failure(error: &anyhow::Error) {
    note(format_args!("error: {error}"));
    error.chain().skip(1).for_each(|cause| note(format_args!("  because: {cause}")));
}
