//! Manual pages, completions and the handbook on the host, written by the release's own `landfall`. They are in
//! `/usr/local/share`, which programs search and packages do not use.
//!
//! A record names every file of Landfall, and is on the disk before the first file. An existing file that differs and
//! is not in the record belongs to someone else, and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable::{self, Batch};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::Agent;
use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::command::HostCommand;
use landfall_host::files;

/// Folder on the host for the files, with the same structure as the folder that `landfall` fills.
const SHARE: &str = "/usr/local/share";

/// Folders in it, parents first. Other software may share some of them.
const FOLDERS: [&str; 9] = [
    "man",
    "man/man1",
    "bash-completion",
    "bash-completion/completions",
    "zsh",
    "zsh/site-functions",
    "fish",
    "fish/vendor_completions.d",
    "doc",
];
/// Folder that only Landfall uses: the handbook, with folders in it.
const OWN_FOLDER: &str = "doc/landfall";

/// Parameters of the step: none. Every `landfall` has help.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpFiles {}

/// Record of the placed files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct HelpRecord {
    /// The release whose help was placed; empty during the placement.
    bundle: String,
    /// Files, relative to the host's folder.
    files: BTreeSet<PathBuf>,
}

/// State before the step.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct EarlierFolders {
    /// Folders that already existed, which stay.
    folders: BTreeSet<PathBuf>,
}

impl HelpRecord {
    fn read(context: &NodeContext) -> Result<Self, StepError> {
        let path = context.host.paths.help_record();
        let Some(bytes) = files::read(&path)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| placement_error(&path).because(error))
    }

    fn write(&self, context: &NodeContext) -> Result<(), StepError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| placement_error(&context.host.paths.help_record()).because(error))?;
        Ok(durable::write_file(&context.host.paths.help_record(), &bytes, 0o600)?)
    }

    /// Adds these files to the record, except those that other software has there.
    fn with(mut self, wanted: &BTreeMap<PathBuf, Vec<u8>>, share: &Path) -> Result<Self, StepError> {
        for (file, bytes) in wanted {
            let path = share.join(file);
            let is_free = path.symlink_metadata().is_err() || files::read(&path)?.as_ref() == Some(bytes);
            if is_free {
                self.files.insert(file.clone());
            }
        }
        Ok(self)
    }
}

fn placement_error(path: &Path) -> StepError {
    StepError::new(codes::HELP_FILES, format!("the help of this release cannot be placed: {}", path.display()))
}

/// Returns the files in the known folders below `root`, by their relative paths.
fn files_below(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, StepError> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = FOLDERS.iter().chain(&[OWN_FOLDER]).map(PathBuf::from).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs_err::read_dir(root.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), folder.join(entry.file_name()));
            if path.is_file() {
                found.insert(name, files::read(&path)?.unwrap_or_default());
            } else if folder.starts_with(OWN_FOLDER) && path.is_dir() {
                open.push(name);
            }
        }
    }
    Ok(found)
}

/// Returns the folders of these files that only Landfall uses, nested ones first.
fn own_folders<'a>(files: impl Iterator<Item = &'a PathBuf>) -> impl Iterator<Item = PathBuf> {
    let folders = files.flat_map(|file| file.ancestors().skip(1)).filter(|folder| folder.starts_with(OWN_FOLDER));
    folders.map(Path::to_owned).collect::<BTreeSet<_>>().into_iter().rev()
}

impl HelpFiles {
    /// Runs the release's `landfall` to write its help, and returns the folder of the files.
    fn write_help(context: &NodeContext) -> Result<PathBuf, StepError> {
        let folder = context.host.paths.release(&context.releases.own.bundle).join("help");
        durable::remove_tree(&folder)?;
        durable::create_folder(&folder)?;
        let program = HostCommand::new(Agent::program(context)).arguments(["node", "write-help"]).argument(&folder);
        context.host.run(&program).map_err(|error| placement_error(&folder).because(error))?;
        Ok(folder)
    }

    fn place(context: &NodeContext, share: &Path) -> Result<(), StepError> {
        let folder = Self::write_help(context)?;
        let (earlier, wanted) = (HelpRecord::read(context)?, files_below(&folder)?);
        let mut placed = HelpRecord { bundle: String::new(), ..earlier }.with(&wanted, share)?;
        placed.write(context)?;
        durable::create_folder(share)?;
        let batch = Batch::begin(share)?;
        for file in &placed.files {
            match wanted.get(file) {
                Some(bytes) => batch.write_file(&share.join(file), bytes, 0o644)?,
                None => batch.remove_file(&share.join(file))?,
            }
        }
        batch.commit()?;
        for folder in own_folders(placed.files.iter().filter(|file| !wanted.contains_key(*file))) {
            files::remove_folder_if_empty(&share.join(folder))?;
        }
        durable::remove_tree(&folder)?;
        placed.files.retain(|file| wanted.contains_key(file));
        HelpRecord { bundle: context.releases.own.bundle.clone(), ..placed }.write(context)
    }

    fn remove(context: &NodeContext, before: &EarlierFolders, share: &Path) -> Result<(), StepError> {
        let placed = HelpRecord::read(context)?;
        let own: Vec<PathBuf> = placed.files.iter().map(|file| share.join(file)).collect();
        if share.is_dir() {
            let batch = Batch::begin(share)?;
            for path in &own {
                batch.remove_file(path)?;
            }
            batch.commit()?;
        }
        files::remove_leftovers(own.iter().map(PathBuf::as_path))?;
        for folder in own_folders(placed.files.iter()).filter(|folder| folder != Path::new(OWN_FOLDER)) {
            files::remove_folder_if_empty(&share.join(folder))?;
        }
        // Nested folders come first.
        let all = ["", OWN_FOLDER].into_iter().chain(FOLDERS).collect::<BTreeSet<_>>();
        for folder in all.into_iter().rev().filter(|folder| !before.folders.contains(Path::new(folder))) {
            files::remove_folder_if_empty(&share.join(folder))?;
        }
        durable::remove_file(&context.host.paths.help_record())?;
        Ok(())
    }
}

impl Step<NodeContext> for HelpFiles {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let placed = HelpRecord::read(context)?;
        let share = context.host.paths.host(SHARE);
        let missing = placed.files.iter().find(|file| !share.join(file).exists());
        Ok(match (placed.bundle == context.releases.own.bundle, missing) {
            (true, None) => ObservedState::Done,
            (true, Some(file)) => ObservedState::Partial(format!("{} is missing", share.join(file).display())),
            (false, _) if placed == HelpRecord::default() => ObservedState::Absent,
            (false, _) => ObservedState::Partial("the help is that of another release".to_owned()),
        })
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        let share = context.host.paths.host(SHARE);
        let all = ["", OWN_FOLDER].into_iter().chain(FOLDERS).map(PathBuf::from);
        let folders = all.filter(|folder| share.join(folder).is_dir()).collect();
        serde_json::to_value(EarlierFolders { folders }).map_err(|error| placement_error(&share).because(error))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        Self::place(context, &context.host.paths.host(SHARE))?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let before = EarlierFolders::deserialize(before).unwrap_or_default();
        durable::remove_tree(&context.host.paths.release(&context.releases.own.bundle).join("help"))?;
        Self::remove(context, &before, &context.host.paths.host(SHARE))
    }
}
