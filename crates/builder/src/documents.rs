//! YAML documents that a user wrote, read strictly.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{BuildError, Place, Result};

/// Parses a YAML file strictly: unknown and repeated keys are refused, and errors name the line.
pub(crate) fn yaml<T: DeserializeOwned>(path: &Path, code: landfall_error_codes::Code) -> Result<T> {
    yaml_text(path, &text(path, code)?, code)
}

/// Reads a file that a user named.
pub(crate) fn text(path: &Path, code: landfall_error_codes::Code) -> Result<String> {
    fs_err::read_to_string(path).map_err(|error| {
        BuildError::at(code, Place::file(path), "cannot be read")
            .because(error)
            .hint("Name a file that exists and that you may read.")
    })
}

/// Like [`yaml`], for a text that was read from `path`.
pub(crate) fn yaml_text<T: DeserializeOwned>(path: &Path, text: &str, code: landfall_error_codes::Code) -> Result<T> {
    serde_saphyr::from_str(text).map_err(|error| {
        let plain = error.without_snippet();
        let line = plain.location().map(|location| location.line());
        let field = line.and_then(|line| key_on(text, line));
        let said = plain.to_string();
        // The place already names the line, and settings of the parser do not concern the author of the file.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        let said = said.split_once(", set DuplicateKeyPolicy").map_or(said, |(what, _)| what);
        BuildError::at(code, Place { file: Some(path.to_owned()), line, field }, said)
    })
}

/// The key at the start of a line, which is the field or contains it.
fn key_on(text: &str, line: u64) -> Option<String> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    // The first key of a mapping in one line need not be the field.
    let (key, _) = line.trim_start_matches([' ', '-']).split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_key.then(|| key.to_owned())
}
