//! Help where people look for it: manual pages, completions and handbooks, which the release's own `landfall` writes. They are in
//! `/usr/local/share`, where programs look that read the ones of packages, and no package puts its files.
//!
//! A record names every file that is Landfall's, and is on the disk before the first of them: what exists, is not in it and differs
//! belongs to someone else, and stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::Agent;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};
use landfall_host::command::HostCommand;
use landfall_host::files;
use landfall_host::files::OwnFile;

/// Where the files are, as they are below the folder that `landfall` fills.
const SHARE: &str = "/usr/local/share";

/// The folders there, each after those that it is in. Other software may have some of them, too.
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
/// Landfall's own one.
const OWN_FOLDER: &str = "doc/landfall";

/// Parameters of the step: none. Every `landfall` has help.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpFiles {}

/// What was placed on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Placed {
    /// The release whose help it is; empty while it is placed.
    bundle: String,
    /// The files, relative to the host's folder.
    files: BTreeSet<PathBuf>,
}

/// What was there before.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Before {
    /// Folders, which stay.
    folders: BTreeSet<PathBuf>,
}

impl Placed {
    fn read(site: &Site) -> Result<Self, StepError> {
        let path = site.paths.help_record();
        let Some(bytes) = files::read(&path)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| failed(&path).because(error))
    }

    fn write(&self, site: &Site) -> Result<(), StepError> {
        let bytes = serde_json::to_vec(self).map_err(|error| failed(&site.paths.help_record()).because(error))?;
        Ok(durable::write_file(&site.paths.help_record(), &bytes, 0o600)?)
    }

    /// Takes these files, and leaves out what someone else has there.
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

fn failed(path: &Path) -> StepError {
    StepError::new(codes::HELP_FILES, format!("the help of this release cannot be placed: {}", path.display()))
}

/// The files in the known folders below another one, by their path in it.
fn files_below(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, StepError> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS.iter().chain(&[OWN_FOLDER]) {
        let Ok(entries) = fs_err::read_dir(root.join(folder)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            let name = path.file_name().unwrap_or_default();
            found.insert(Path::new(folder).join(name), files::read(&path)?.unwrap_or_default());
        }
    }
    Ok(found)
}

impl HelpFiles {
    /// Lets the release's `landfall` write its help, and returns the folder that has it.
    fn made(site: &Site) -> Result<PathBuf, StepError> {
        let folder = site.paths.release(&site.bundle).join("help");
        durable::remove_tree(&folder)?;
        durable::create_folder(&folder)?;
        let program = HostCommand::new(Agent::program(site)).arguments(["node", "write-help"]).argument(&folder);
        site.run(&program).map_err(|error| failed(&folder).because(error))?;
        Ok(folder)
    }

    fn place(site: &Site, share: &Path) -> Result<(), StepError> {
        let folder = Self::made(site)?;
        let (earlier, wanted) = (Placed::read(site)?, files_below(&folder)?);
        let mut placed = Placed { bundle: String::new(), ..earlier }.with(&wanted, share)?;
        placed.write(site)?;
        for file in &placed.files {
            match wanted.get(file) {
                Some(bytes) => files::write(&[OwnFile::new(share.join(file), bytes.clone(), 0o644)])?,
                None => durable::remove_file(&share.join(file))?,
            }
        }
        durable::remove_tree(&folder)?;
        placed.files.retain(|file| wanted.contains_key(file));
        Placed { bundle: site.bundle.clone(), ..placed }.write(site)
    }

    fn remove(site: &Site, before: &Before, share: &Path) -> Result<(), StepError> {
        let placed = Placed::read(site)?;
        let own = placed.files.iter().map(|file| OwnFile::new(share.join(file), Vec::new(), 0o644));
        files::remove(&own.collect::<Vec<_>>())?;
        // Those within others come first.
        let all = ["", OWN_FOLDER].into_iter().chain(FOLDERS).collect::<BTreeSet<_>>();
        for folder in all.into_iter().rev().filter(|folder| !before.folders.contains(Path::new(folder))) {
            files::remove_folder_if_empty(&share.join(folder))?;
        }
        durable::remove_file(&site.paths.help_record())?;
        Ok(())
    }
}

impl Step<Site> for HelpFiles {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let placed = Placed::read(site)?;
        let share = site.paths.host(SHARE);
        let missing = placed.files.iter().find(|file| !share.join(file).exists());
        Ok(match (placed.bundle == site.bundle, missing) {
            (true, None) => Observed::Done,
            (true, Some(file)) => Observed::Partial(format!("{} is missing", share.join(file).display())),
            (false, _) if placed == Placed::default() => Observed::Absent,
            (false, _) => Observed::Partial("the help is that of another release".to_owned()),
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        let share = site.paths.host(SHARE);
        let all = ["", OWN_FOLDER].into_iter().chain(FOLDERS).map(PathBuf::from);
        let folders = all.filter(|folder| share.join(folder).is_dir()).collect();
        serde_json::to_value(Before { folders }).map_err(|error| failed(&share).because(error))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        Self::place(site, &site.paths.host(SHARE))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let before = Before::deserialize(before).unwrap_or_default();
        durable::remove_tree(&site.paths.release(&site.bundle).join("help"))?;
        Self::remove(site, &before, &site.paths.host(SHARE))
    }
}
