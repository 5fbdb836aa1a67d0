//! The only module that prints: results to standard output, errors to standard error. The server logs instead.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this module is the printer")]

use landfall_error_codes::CodedError as _;

use crate::error::Error;

/// Prints a line of a command's result.
pub fn line(text: &str) {
    println!("{text}");
}

/// Prints a note for people that blocks nothing.
pub fn note(text: &str) {
    eprintln!("note: {text}");
}

/// Prints an error with its causes, its code and the next step.
pub fn error(error: &Error) {
    eprintln!("error[{}]: {error}", error.code().id);
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        eprintln!("  cause: {inner}");
        cause = inner.source();
    }
    eprintln!("  next: {}", error.next());
}
