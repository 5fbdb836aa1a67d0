//! Small files in which the test machines' state is recorded, and files that may have vanished.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Replaces a file atomically: a reader sees either the old or the new content. It is not synced, because it is useless
/// after the host's next boot.
#[expect(clippy::disallowed_methods, reason = "bookkeeping of tests, which must not depend on the product")]
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    std::fs::write(&unfinished, content).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes to an existing file of the kernel (cgroup, sysctl).
pub fn set(path: &Path, value: &str) -> Result<()> {
    use std::io::Write;
    let mut file =
        std::fs::File::options().write(true).open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.write_all(value.as_bytes()).with_context(|| format!("cannot write {value:?} to {}", path.display()))
}

/// Replaces a file with the JSON of a value.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write(path, serde_json::to_vec_pretty(value)?)
}

/// Reads a value that [`write_json`] wrote.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&content).with_context(|| format!("cannot understand {}", path.display()))
}

/// Removes a folder with everything in it. A missing folder is not an error.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Returns None if a file has vanished while being read. All other errors are passed on.
pub fn still_there<T>(outcome: std::io::Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot look at the files of a machine"),
    }
}
