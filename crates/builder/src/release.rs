//! The release definition as a whole: its file is read, expanded and checked before any fetch.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;

use crate::definition::{self, Definition, Release, order, unfinished_lines};
use crate::documents::{text, yaml_text};
use crate::error::{BuildError, Place, Result};
use crate::{backup, canary, license_check, package_index, proofs};

/// Name of the file in a release's folder.
const FILE_NAME: &str = "release.yaml";

/// Reads and checks a definition, given as the file or as its folder.
pub fn read(path: &Path) -> Result<Definition> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = text(&path, codes::RELEASE_UNREADABLE)?;
    check_finished(&path, &text)?;
    let mut release: Release = yaml_text(&path, &text, codes::RELEASE_UNREADABLE)?;
    definition::check(&path, &release)?;
    definition::expand_notes(&path, &mut release)?;
    package_index::expand(&path, &mut release)?;
    backup::expand(&path, &mut release)?;
    backup::check(&path, &release)?;
    proofs::check(&path, &release)?;
    canary::check(&path, &release)?;
    license_check::check(&path, &release)?;
    let order = order(&release).map_err(|names| cycle(&path, &release, &names))?;
    Ok(Definition { path, digest: Sha256::of(&text), release, order })
}

/// Returns an error for a definition with fields to fill in.
fn check_finished(path: &Path, text: &str) -> Result<()> {
    let open = unfinished_lines(text);
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
