//! The release definition as a whole: its file is read, expanded and checked before any fetch.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;

use crate::definition::{self, Definition, Release, Sources, order, unfinished_lines};
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
    let files = definition::read_files(&path, &text, &release)?;
    files.iter().try_for_each(|file| check_finished(&file.path, &file.text))?;
    let component_files = files.iter().map(|file| (file.index, Sha256::of(&file.text))).collect();
    let sources = definition::join_files(&path, &mut release, files)?;
    definition::check(&sources, &release)?;
    definition::expand_notes(&path, &mut release)?;
    package_index::expand(&sources, &mut release)?;
    backup::expand(&sources, &mut release)?;
    backup::check(&sources, &release)?;
    proofs::check(&sources, &release)?;
    canary::check(&sources, &release)?;
    license_check::check(&sources, &release)?;
    let order = order(&release).map_err(|names| cycle(&sources, &release, &names))?;
    Ok(Definition { path, digest: Sha256::of(&text), sources, component_files, release, order })
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

fn cycle(sources: &Sources, release: &Release, names: &[String]) -> BuildError {
    let first = release.components.iter().position(|component| names.first() == Some(&component.name.value));
    let place = first.map_or_else(
        || sources.release_field("components"),
        |index| sources.place(release.components[index].name.referenced, format!("components[{index}].needs")),
    );
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    BuildError::at(
        codes::RELEASE_CYCLE,
        place,
        format!("components need one another in a cycle: {}", names.join(" → ")),
    )
}
