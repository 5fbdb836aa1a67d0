//! The program (`landfall`) to which an operation is pinned. It is kept in the data folder, so that resume runs the
//! same program that planned. The programs on the stick or in the path may differ by then.
//!
//! It is placed before record 0 is written. A power cut in between leaves a file that no journal names; the next
//! install replaces it, and uninstall removes it. The reverse order could leave a journal without its program.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_bundle_spec::Sha256;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};
use sha2::Digest;

use super::error::{OperationError, Result};
use landfall_host::paths::SitePaths;
use landfall_site::content;

/// The running program, even if its file was replaced or removed.
const RUNNING: &str = "/proc/self/exe";

/// Variable that is set for a program that received an operation by handover, so that it does not hand it over again.
pub(super) const HANDED_VARIABLE: &str = "LANDFALL_HANDED_OVER";

const BUFFER_BYTES: usize = 1 << 20;

/// Returns the folder of all pinned programs.
pub(super) fn folder(paths: &SitePaths) -> PathBuf {
    paths.data().join("engine")
}

/// Returns the file of the pinned program with this digest.
pub(super) fn file(paths: &SitePaths, digest: Sha256) -> PathBuf {
    folder(paths).join(digest.to_hex()).join("landfall")
}

/// Returns the digest of the running program.
pub(super) fn running() -> Result<Sha256> {
    digest_of(Path::new(RUNNING))
}

fn digest_of(path: &Path) -> Result<Sha256> {
    copy(path, &mut std::io::sink())
}

/// Copies a file and returns its digest.
fn copy(from: &Path, to: &mut dyn Write) -> Result<Sha256> {
    let failed = |error| OperationError::io("copy", from, error);
    copy_stream(&mut File::open(from).map_err(failed)?, to).map_err(failed)
}

/// Copies a stream to its end and returns its digest.
pub(super) fn copy_stream(from: &mut dyn Read, to: &mut dyn Write) -> std::io::Result<Sha256> {
    let (mut hasher, mut buffer) = (sha2::Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(Sha256(hasher.finalize().into())),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
}

/// Keeps the running program and returns its digest. On the disk on return. Removes programs that no operation needs,
/// such as leftovers of earlier attempts.
pub(super) fn place(paths: &SitePaths, needed: &BTreeSet<Sha256>) -> Result<Sha256> {
    let digest = running()?;
    let path = file(paths, digest);
    remove_others(paths, needed)?;
    if is_kept(paths, digest) && digest_of(&path)? == digest {
        return Ok(digest);
    }
    let folder = path.parent().unwrap_or(&path);
    durable::create_folder(folder)?;
    let temporary = folder.join(format!(".landfall{}", durable::TEMPORARY_SUFFIX));
    let mut target = durable::create_file(&temporary, 0o755)?;
    let copied = copy(Path::new(RUNNING), &mut target)?;
    durable::sync_file(&target, &temporary)?;
    drop(target);
    durable::rename(&temporary, &path)?;
    Ok(copied)
}

/// Removes the programs that are not among these.
pub(super) fn remove_others(paths: &SitePaths, needed: &BTreeSet<Sha256>) -> Result<()> {
    Ok(content::remove_others(&folder(paths), &needed.iter().map(Sha256::to_hex).collect())?)
}

/// Links the program with this digest as the command `landfall`, unless another program has that name. On the disk on
/// return.
pub(super) fn offer_command(paths: &SitePaths, digest: Sha256) -> Result<()> {
    let link = paths.command();
    let is_free = match link.symlink_metadata() {
        Ok(_) => is_own_command(paths, &link),
        Err(_) => link.parent().is_some_and(Path::is_dir),
    };
    if is_free {
        durable::symlink(&file(paths, digest), &link)?;
    }
    Ok(())
}

/// Removes the link that [`offer_command`] or the agent's step made.
pub(super) fn withdraw_command(paths: &SitePaths) -> Result<()> {
    let link = paths.command();
    if is_own_command(paths, &link) {
        durable::remove_file(&link)?;
    }
    Ok(())
}

/// Returns true if it is a link to a program that Landfall keeps.
fn is_own_command(paths: &SitePaths, link: &Path) -> bool {
    fs_err::read_link(link).is_ok_and(|target| target.starts_with(paths.data()))
}

/// Returns true if a file for the program with this digest exists, without reading it.
pub(super) fn is_kept(paths: &SitePaths, digest: Sha256) -> bool {
    file(paths, digest).is_file()
}

/// Makes sure that the running program is the one to which the operation is pinned. Returns if it is, replaces this
/// process with the pinned one if that is kept, and fails otherwise.
pub(super) fn hand_over(paths: &SitePaths, pinned: Sha256, progress: &dyn Progress) -> Result<()> {
    if running()? == pinned {
        return Ok(());
    }
    let path = file(paths, pinned);
    let is_there = is_kept(paths, pinned) && digest_of(&path)? == pinned;
    if !is_there || std::env::var_os(HANDED_VARIABLE).is_some() {
        return Err(OperationError::EngineMissing { digest: pinned, path });
    }
    let text = format!("this landfall is not the one that began the operation: continuing with {}", path.display());
    progress.event(Event::Note(text));
    become_engine(&path).map(|never| match never {})
}

fn become_engine(path: &Path) -> Result<Infallible> {
    let arguments = std::env::args_os().skip(1);
    let error = Command::new(path).args(arguments).env(HANDED_VARIABLE, "1").exec();
    Err(OperationError::io("run", path, error))
}
