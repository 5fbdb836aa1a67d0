//! Ends sites and removes the leftovers of dead ones. Never changes a living site.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::machine::Machine;
use super::{RECORD, Record, files, host_settings};
use crate::cache::Cache;
use crate::printer;

/// Folder of all sites in the cache.
pub const FOLDER: &str = "sites";

/// Time limit for a process to end after SIGKILL.
const PATIENCE: Duration = Duration::from_mins(2);

/// Takes the lock for creating, ending and sweeping sites.
pub fn lock(cache: &Cache) -> Result<File> {
    cache.lock("sites")
}

/// Returns the path of the host's settings from before the first site.
pub fn settings_path(cache: &Cache) -> PathBuf {
    cache.root().join("host-settings.json")
}

/// Returns the names of the folders of sites, finished or not.
pub fn names(cache: &Cache) -> Result<Vec<String>> {
    let folder = cache.root().join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Removes sites whose creator is dead, and the cgroups of kept machines that are off. The lock must be held.
pub fn sweep(cache: &Cache) -> Result<()> {
    let mut living = 0;
    for name in names(cache)? {
        let folder = cache.root().join(FOLDER).join(&name);
        let Ok(record) = files::read_json::<Record>(&folder.join(RECORD)) else {
            // The machine was created under the lock that is held here, so its creator is dead.
            files::remove_folder(&folder)?;
            continue;
        };
        if !record.kept && !record.owner.is_alive() {
            printer::note(format_args!("removing the site {name}, whose creator is dead"));
            remove(&folder, &record)?;
        } else if is_living(&folder, &record)? {
            living += 1;
        }
    }
    if living == 0 { host_settings::restore(&settings_path(cache)) } else { Ok(()) }
}

/// Ends a site and removes it. The lock must be held.
pub fn end(cache: &Cache, folder: &Path, record: &Record) -> Result<()> {
    remove(folder, record)?;
    sweep(cache)
}

fn remove(folder: &Path, record: &Record) -> Result<()> {
    for machine in Machine::all(record, folder)? {
        machine.off()?;
    }
    record.switch.kill(PATIENCE)?;
    files::remove_folder(folder)
}

fn is_living(folder: &Path, record: &Record) -> Result<bool> {
    if !record.kept {
        return Ok(true);
    }
    let mut is_living = record.switch.is_alive();
    for machine in Machine::all(record, folder)? {
        is_living |= machine.sweep()?;
    }
    Ok(is_living)
}
