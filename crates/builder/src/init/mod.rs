//! `landfall init`: creates a release folder from manifests and charts, with fields derived from their rendered
//! objects.
//!
//! ```text
//! folders, charts ── sources ── rendered objects ── guess ─┬─ release.yaml (with fields to fill in)
//! starter: node pack, network, dns, storage, console ──────┴─ images.lock (unresolved), manifests/
//! ```
//!
//! Values of Secrets are never copied. The folder gets its name only after it is complete.

mod donors;
mod guess;
mod image_fields;
mod lock_text;
mod made;
mod place;
mod plain;
mod release_text;
mod render;
mod sources;
mod starter;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use self::donors::Donors;
use self::guess::Guess;
use self::place::UnfinishedFolder;
use crate::definition::unfinished_lines;
use crate::error::{BuildError, Place, Result};

/// Options of `landfall init`.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Folders of manifests, charts, or folders of these.
    pub sources: Vec<PathBuf>,
    /// Path of the folder to create.
    pub output: PathBuf,
    /// Name of the release; by default that of the folder.
    pub name: Option<String>,
    /// True if the release gets Landfall's console, unless a source is a console or has its name.
    pub console: bool,
    /// An existing lock, from which matching entries are copied.
    pub lock: Option<PathBuf>,
    /// The kubectl that renders: a path, or a name to look up in PATH.
    pub kubectl: PathBuf,
    /// The Helm that renders charts: a path, or a name to look up in PATH.
    pub helm: PathBuf,
}

/// Result of `landfall init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitReport {
    /// Created folder, synced.
    pub folder: PathBuf,
    /// Name of the release.
    pub name: String,
    /// Components that were created from the sources, in the order of the definition.
    pub components: Vec<InitComponent>,
    /// Number of unresolved entries of the lock.
    pub unresolved: usize,
    /// Fields of the definition to fill in, each as `LINE: TEXT`.
    pub fill_in: Vec<String>,
}

/// Created component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitComponent {
    /// Name of the component.
    pub name: String,
    /// Namespace of the component.
    pub namespace: String,
    /// Images in its objects, as the objects name them.
    pub images: Vec<String>,
    /// Reason why its objects are not known yet, if a chart cannot be rendered with its default values.
    pub problem: Option<String>,
}

/// Creates a release folder. Blocks, so it must not be called from async code. On return the folder is synced to disk;
/// after an error it is unchanged.
pub fn init(options: &InitOptions) -> Result<InitReport> {
    let output = std::path::absolute(&options.output)
        .map_err(|error| occupied_error(&options.output, "has no path").because(error))?;
    free(&output)?;
    let name = name(options, &output)?;
    let sources = sources::find(&options.sources)?;
    let donors = Donors::read(options.lock.as_deref())?;
    let unfinished_folder = UnfinishedFolder::create_next_to(&output)?;
    let guesses = render::all(options, &sources, &donors, &unfinished_folder)?;
    let has_console =
        options.console && guesses.iter().all(|guess| !guess.is_console && guess.name != starter::CONSOLE);
    let lock = lock_text::text(&donors, &guesses)?;
    starter::write_manifests(unfinished_folder.path(), &sources, has_console, &lock.tagged)?;
    let text = release_text::text(&name, &sources, &guesses, has_console, &lock.tagged);
    durable::write_file(&unfinished_folder.path().join("release.yaml"), text.as_bytes(), 0o644)?;
    durable::write_file(&unfinished_folder.path().join("images.lock"), lock.text.as_bytes(), 0o644)?;
    check(unfinished_folder.path(), &text).map_err(|error| error.instead_of(unfinished_folder.path(), &output))?;
    unfinished_folder.finish(&output)?;
    Ok(InitReport {
        folder: options.output.clone(),
        name,
        components: guesses.iter().map(Guess::report).collect(),
        unresolved: lock.unresolved,
        fill_in: unfinished_lines(&text).into_iter().map(|(line, text)| format!("{line}: {text}")).collect(),
    })
}

/// Checks that the written files can be read, unless fields are left to fill in.
fn check(folder: &Path, text: &str) -> Result<()> {
    crate::lock::Lock::read(&folder.join("images.lock"))
        .map_err(|error| BuildError::new(codes::BUG, "the lock that init wrote is not valid").because(error))?;
    if !unfinished_lines(text).is_empty() {
        return Ok(());
    }
    let contradictory = "what the sources have makes no release that agrees with itself";
    let read = crate::release::read(folder);
    read.map(drop).map_err(|error| BuildError::new(codes::INIT_SOURCE, contradictory).because(error))
}

fn occupied_error(path: &Path, what: &str) -> BuildError {
    BuildError::at(codes::INIT_OCCUPIED, Place::file(path), what)
}

/// Returns an error for a folder that is not empty.
fn free(output: &Path) -> Result<()> {
    match fs_err::read_dir(output) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(occupied_error(output, "is not empty")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(occupied_error(output, "is no folder that can be used").because(error)),
    }
}

/// Name of the release: the given one, or that of the folder.
fn name(options: &InitOptions, output: &Path) -> Result<String> {
    if let Some(name) = &options.name {
        let label = sources::label(name);
        return if label == *name {
            Ok(label)
        } else {
            let what = format!("`{name}` is not a name: lower-case letters, digits and `-`, such as `{label}`");
            Err(BuildError::new(codes::INIT_SOURCE, what).hint("Name the release with --name."))
        };
    }
    Ok(sources::label(&output.file_name().unwrap_or_default().to_string_lossy()))
}
