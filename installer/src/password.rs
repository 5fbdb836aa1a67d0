//! The password of a private key: from the environment, or typed.

use std::io::IsTerminal;
use std::path::Path;

use landfall_error_codes::codes;

use crate::failure::Failure;

/// Environment variables that hold it, first wins: Landfall's, then cosign's.
const VARIABLES: &[&str] = &["LANDFALL_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// The password of an existing key.
pub(crate) fn existing(key: &Path) -> Result<String, Failure> {
    from_environment().map_or_else(|| typed(&format!("Password of the private key {}: ", key.display())), Ok)
}

/// The password of a new key: typed twice where it is typed.
pub(crate) fn new() -> Result<String, Failure> {
    if let Some(password) = from_environment() {
        return Ok(password);
    }
    let first = typed("Password for the new private key: ")?;
    if typed("Again: ")? != first {
        return Err(Failure::new(codes::PASSWORD, "the two passwords differ"));
    }
    Ok(first)
}

fn from_environment() -> Option<String> {
    VARIABLES.iter().find_map(|name| std::env::var(name).ok())
}

fn typed(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let what =
            format!("no password: neither {} is set, and standard input is not a terminal", VARIABLES.join(" nor "));
        return Err(Failure::new(codes::PASSWORD, what));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::new(codes::PASSWORD, "the password cannot be read from the terminal").because(&error))
}
