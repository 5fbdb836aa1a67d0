//! `landfall init`: creates a release folder from manifests and charts, with fields derived from their rendered
//! objects.
//!
//! ```text
//! folders, charts ── sources ── rendered objects ── guess ─┬─ release.yaml, images.lock (unresolved)
//! starter: node pack, network, dns, storage, console ──────┴─ manifests/NAME/component.yaml (with fields to fill in)
//! ```
//!
//! Values of Secrets are never copied. The folder gets its name only after it is complete.

mod component_text;
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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use self::donors::Donors;
use self::guess::Guess;
use self::place::UnfinishedFolder;
use crate::definition::{COMPONENT_FILE, unfinished_lines};
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
    /// Fields to fill in, each as `FILE:LINE: TEXT`, with the file's path in the folder.
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
    let mut texts = vec![("release.yaml".to_owned(), release_text::text(&name, &guesses, has_console, &lock.tagged))];
    let without_file = guesses.iter().filter(|guess| !guess.has_own_file);
    texts.extend(without_file.map(|guess| component_text(guess, &lock.tagged)));
    let lock_file = ("images.lock".to_owned(), lock.text);
    for (path, text) in texts.iter().chain([&lock_file]) {
        let path = unfinished_folder.path().join(path);
        durable::create_folder(path.parent().unwrap_or(&output))?;
        durable::write_file(&path, text.as_bytes(), 0o644)?;
    }
    let fill_in = fields_to_fill_in(&texts);
    // A file that is not from here may name artifacts, which the release does not list yet.
    let is_complete = fill_in.is_empty() && guesses.iter().all(|guess| !guess.has_own_file);
    check(unfinished_folder.path(), is_complete)
        .map_err(|error| error.instead_of(unfinished_folder.path(), &output))?;
    unfinished_folder.finish(&output)?;
    Ok(InitReport {
        folder: options.output.clone(),
        name,
        components: guesses.iter().map(Guess::report).collect(),
        unresolved: lock.unresolved,
        fill_in,
    })
}

/// Path in the folder and text of the component's own file that a source becomes.
fn component_text(guess: &Guess, tags: &BTreeMap<String, String>) -> (String, String) {
    let is_console = guess.is_console && guess.name == starter::CONSOLE;
    let text = if is_console || starter::NAMES.contains(&guess.name.as_str()) {
        component_text::of_platform(guess, tags)
    } else {
        component_text::of_guess(guess)
    };
    (format!("manifests/{}/{COMPONENT_FILE}", guess.name), text)
}

/// Fields to fill in, each as `FILE:LINE: TEXT`.
fn fields_to_fill_in(texts: &[(String, String)]) -> Vec<String> {
    let fields = texts.iter().flat_map(|(path, text)| {
        unfinished_lines(text).into_iter().map(move |(line, text)| format!("{path}:{line}: {text}"))
    });
    fields.collect()
}

/// Checks that the written files can be read, unless fields are left to fill in.
fn check(folder: &Path, is_complete: bool) -> Result<()> {
    crate::lock::Lock::read(&folder.join("images.lock"))
        .map_err(|error| BuildError::new(codes::BUG, "the lock that init wrote is not valid").because(error))?;
    if !is_complete {
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
