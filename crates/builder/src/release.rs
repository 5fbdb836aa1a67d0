//! The release definition as a whole: its file is read, expanded and checked before any fetch.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;

use crate::definition::{self, ComponentFile, Definition, Release, Sources, order, unfinished_lines};
use crate::documents::{text, yaml_text};
use crate::error::{BuildError, Place, Result};
use crate::{backup, canary, completeness, license_check, package_index, proofs, secret_copies, traffic};

/// Name of the file in a release's folder.
const FILE_NAME: &str = "release.yaml";

/// Reads and checks a definition, given as the file or as its folder.
pub fn read(path: &Path) -> Result<Definition> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = text(&path, codes::RELEASE_UNREADABLE)?;
    let release = yaml_text::<Release>(&path, &text, codes::RELEASE_UNREADABLE);
    let files = match &release {
        Ok(release) => definition::read_files(&path, release)?,
        Err(_) => Vec::new(),
    };
    check_finished(&path, &text, &files)?;
    let mut release = release?;
    let component_files = files.iter().map(|file| Sha256::of(&file.text)).collect();
    let sources = definition::join_files(&path, &mut release, &files)?;
    definition::check(&sources, &release)?;
    definition::expand_notes(&path, &mut release)?;
    package_index::expand(&sources, &mut release)?;
    backup::expand(&sources, &mut release)?;
    backup::check(&sources, &release)?;
    traffic::check(&sources, &release)?;
    completeness::check(&sources, &release)?;
    secret_copies::check(&sources, &release)?;
    proofs::check(&sources, &release)?;
    canary::check(&sources, &release)?;
    license_check::check(&sources, &release)?;
    let order = order(&release).map_err(|names| cycle(&sources, &release, &names))?;
    Ok(Definition { path, digest: Sha256::of(&text), sources, component_files, release, order })
}

/// Returns an error for a definition with fields to fill in.
fn check_finished(path: &Path, text: &str, files: &[ComponentFile]) -> Result<()> {
    let of_components = files.iter().map(|file| (file.path.as_path(), file.text.as_str()));
    let open = std::iter::once((path, text))
        .chain(of_components)
        .flat_map(|(path, text)| unfinished_lines(text).into_iter().map(move |(line, text)| (path, line, text)));
    let open: Vec<_> = open.collect();
    let Some((first, line, _)) = open.first() else { return Ok(()) };
    let place = Place { file: Some(first.to_path_buf()), line: Some(*line as u64), field: None };
    let lines: Vec<String> =
        open.iter().map(|(path, line, text)| format!("\n  {}:{line}: {text}", path.display())).collect();
    let noun = if open.len() == 1 { "field is" } else { "fields are" };
    let what = format!("{} {noun} to be filled in:{}", open.len(), lines.concat());
    Err(BuildError::at(codes::RELEASE_UNFINISHED, place, what))
}

fn cycle(sources: &Sources, release: &Release, names: &[String]) -> BuildError {
    let first = release.components.iter().position(|component| names.first() == Some(&component.name.value));
    let need = first.and_then(|index| {
        let mut needs = release.components[index].needs.iter().enumerate();
        needs.find(|(_, need)| names.get(1) == Some(&need.value)).map(|(number, need)| (index, number, need.referenced))
    });
    let place = need.map_or_else(
        || sources.release_field("components"),
        |(index, number, at)| sources.place(at, format!("components[{index}].needs[{number}]")),
    );
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    BuildError::at(
        codes::RELEASE_CYCLE,
        place,
        format!("components need one another in a cycle: {}", names.join(" → ")),
    )
}
