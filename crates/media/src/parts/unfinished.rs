//! Leftovers of an interrupted build on the stick: unfinished parts, and a bundle whose head does not have its final
//! name yet.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::parts::{BundleName, FileKind};
use rustix::fs::FlockOperation;

use super::sums;
use crate::bundle::open_regular;
use crate::durable;
use crate::error::{MediaError, PathContext, Result};
use crate::partial::{PARTIAL_SUFFIX, partial_name};

/// Removes files that builds left unfinished in a folder, unless a build is still writing them. Foreign files and whole
/// bundles stay.
pub(super) fn remove(folder: &Path) -> Result<()> {
    for (path, name) in files(folder)? {
        let Some((bundle, kind)) = name.strip_suffix(PARTIAL_SUFFIX).and_then(BundleName::parse) else { continue };
        // Builds leave only regular files.
        let Ok((file, _)) = open_regular(&path) else { continue };
        if !lock(&file) {
            continue;
        }
        if kind == FileKind::Head {
            remove_named(folder, &bundle)?;
        }
        durable::remove_file(&path)?;
    }
    Ok(())
}

/// Creates a file under its partial name, and locks it to show other builds that it is in use. Returns an error if the
/// file exists: it is another build's then, because [`remove`] leaves no other.
pub(super) fn create(path: &Path) -> Result<File> {
    let file = match durable::create_file(path, 0o644) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(occupied(path)),
        created => created?,
    };
    // Best effort: without the lock, only a second build in the same folder does harm.
    let _ = lock(&file);
    Ok(file)
}

/// Returns the error for a file that exists under the partial name.
fn occupied(path: &Path) -> MediaError {
    match open_regular(path) {
        Ok((file, _)) if !lock(&file) => MediaError::OutputInUse(path.to_owned()),
        _ => MediaError::OutputExists(path.to_owned()),
    }
}

/// Locks a file until it is closed. Returns false if another build holds the lock.
fn lock(file: &File) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Removes a bundle that another one replaces. Its head loses its final name first, so that after an interruption the
/// next build removes the rest.
pub fn supersede(folder: &Path, bundle: &BundleName) -> Result<()> {
    let head = bundle.file(FileKind::Head);
    let partial = partial_name(&head);
    durable::rename(&folder.join(&head), &folder.join(&partial))?;
    remove_named(folder, bundle)?;
    durable::remove_file(&folder.join(partial))?;
    Ok(())
}

/// Removes files that already had their final names when the build was interrupted. The partial head is removed last,
/// so that an interruption here is also recognized.
fn remove_named(folder: &Path, bundle: &BundleName) -> Result<()> {
    let beside = [bundle.provenance(), bundle.transfer_sheet(), bundle.handbook()];
    let is_own = |name: &str| {
        let is_file = BundleName::parse(name).is_some_and(|(other, _)| other == *bundle);
        is_file || beside.iter().any(|other| other == name)
    };
    let own: Vec<_> = files(folder)?.into_iter().filter(|(_, name)| is_own(name)).collect();
    let mut names: Vec<_> = own.iter().map(|(_, name)| name.as_str()).collect();
    let head = bundle.file(FileKind::Head);
    names.push(&head);
    sums::remove(folder, &names)?;
    own.iter().try_for_each(|(path, _)| Ok(durable::remove_file(path)?))
}

/// Returns the files of a folder whose names are valid UTF-8.
fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let entries = std::fs::read_dir(folder).at("list", folder)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            let name = name.to_owned();
            files.push((path, name));
        }
    }
    Ok(files)
}
