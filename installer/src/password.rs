//! Password of a private key: from the environment, or typed.

use std::io::IsTerminal;
use std::path::Path;

use landfall_error_codes::codes;

use crate::failure::Failure;

/// Environment variables with the password, in order of precedence: Landfall's, then cosign's.
const VARIABLES: &[&str] = &["LANDFALL_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// Password of an existing key.
pub(crate) fn existing(key: &Path) -> Result<String, Failure> {
    from_environment().map_or_else(|| ask_password(&format!("Password of the private key {}: ", key.display())), Ok)
}

/// Password of a new key; at a terminal it must be typed twice.
pub(crate) fn new() -> Result<String, Failure> {
    if let Some(password) = from_environment() {
        return Ok(password);
    }
    let first = ask_password("Password for the new private key: ")?;
    if ask_password("Again: ")? != first {
        return Err(Failure::new(codes::PASSWORD, "the two passwords differ"));
    }
    Ok(first)
}

fn from_environment() -> Option<String> {
    VARIABLES.iter().find_map(|name| std::env::var(name).ok())
}

fn ask_password(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let what =
            format!("no password: neither {} is set, and standard input is not a terminal", VARIABLES.join(" nor "));
        return Err(Failure::new(codes::PASSWORD, what));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::new(codes::PASSWORD, "the password cannot be read from the terminal").because(&error))
}
