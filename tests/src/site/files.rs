//! Small files of the test machines' own bookkeeping, and files that may have vanished.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Replaces a file as a whole: a reader sees the old or the new content. Not synced: it dies with the host's boot.
#[expect(clippy::disallowed_methods, reason = "bookkeeping of tests, which must not depend on the product")]
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    std::fs::write(&unfinished, content).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes into a file of the kernel (cgroup, sysctl), which must exist.
pub fn set(path: &Path, value: &str) -> Result<()> {
    use std::io::Write;
    let mut file =
        std::fs::File::options().write(true).open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.write_all(value.as_bytes()).with_context(|| format!("cannot write {value:?} to {}", path.display()))
}

/// Replaces a file by the JSON of a value.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write(path, serde_json::to_vec_pretty(value)?)
}

/// Reads a value back.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&content).with_context(|| format!("cannot understand {}", path.display()))
}

/// Removes a folder with everything in it; a missing one is no error.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A file may vanish while it is being read; everything else is an error.
pub fn still_there<T>(outcome: std::io::Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot look at the files of a machine"),
    }
}
