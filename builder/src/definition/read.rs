//! Reads a definition from its file.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use serde::de::DeserializeOwned;

use super::{Definition, Release, check, notes, order};
use crate::error::{BuildError, Place, Result};
use crate::{backup, canary, license_check, package_index, proofs};

/// Name of the file in a release's folder.
const FILE_NAME: &str = "release.yaml";

/// Placeholder for a value that a person must fill in.
pub const FILL_IN: &str = "FILL-IN";

/// Reads and checks a definition, given as the file or as its folder.
pub fn read(path: &Path) -> Result<Definition> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = text(&path, codes::RELEASE_UNREADABLE)?;
    finished(&path, &text)?;
    let mut release: Release = yaml_text(&path, &text, codes::RELEASE_UNREADABLE)?;
    check::check(&path, &release)?;
    notes::expand(&path, &mut release)?;
    package_index::expand(&path, &mut release)?;
    backup::expand(&path, &mut release)?;
    backup::check(&path, &release)?;
    proofs::check(&path, &release)?;
    canary::check(&path, &release)?;
    license_check::check(&path, &release)?;
    let order = order::order(&release).map_err(|names| cycle(&path, &release, &names))?;
    Ok(Definition { path, digest: Sha256::of(&text), release, order })
}

/// Lines with a field to fill in, counted from 1. Comments may contain the placeholder.
pub fn unfinished(text: &str) -> Vec<(usize, &str)> {
    let has_field = |line: &str| line.split(" #").next().is_some_and(|fields| fields.contains(FILL_IN));
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let lines = text.lines().enumerate().filter(|(_, line)| has_field(line) && !is_comment(line));
    lines.map(|(index, line)| (index + 1, line.trim())).collect()
}

/// Returns an error for a definition with fields to fill in.
fn finished(path: &Path, text: &str) -> Result<()> {
    let open = unfinished(text);
    let Some((first, _)) = open.first() else { return Ok(()) };
    let lines: Vec<String> = open.iter().map(|(line, text)| format!("\n  line {line}: {text}")).collect();
    let noun = if open.len() == 1 { "field is" } else { "fields are" };
    let place = Place { file: Some(path.to_owned()), line: Some(*first as u64), field: None };
    Err(BuildError::at(
        codes::RELEASE_UNFINISHED,
        place,
        format!("{} {noun} to be filled in:{}", open.len(), lines.concat()),
    ))
}

fn cycle(path: &Path, release: &Release, names: &[String]) -> BuildError {
    let first = release.components.iter().position(|component| names.first() == Some(&component.name.value));
    let place = first.map_or_else(
        || Place::file(path),
        |index| {
            let line = release.components[index].name.referenced.line();
            Place::field(path, line, format!("components[{index}].needs"))
        },
    );
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    BuildError::at(
        codes::RELEASE_CYCLE,
        place,
        format!("components need one another in a cycle: {}", names.join(" → ")),
    )
}

/// Parses a YAML file strictly: unknown and repeated keys are refused, errors name the line.
pub(crate) fn yaml<T: DeserializeOwned>(path: &Path, code: landfall_error_codes::Code) -> Result<T> {
    yaml_text(path, &text(path, code)?, code)
}

/// Reads a file that a person named.
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
    let (key, _) = line.trim_start_matches([' ', '-', '{']).split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_key.then(|| key.to_owned())
}
