//! A stick as sold in a shop: FAT32 in an image file, without a driver for it on this host.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, Key};
use crate::site::tool;

/// The label by which the machine finds it.
pub const LABEL: &str = "LANDFALL";

/// The space of the filesystem besides the files.
const OVERHEAD_BYTES: u64 = 64 << 20;

/// What identifies a stick without reading all of its bytes: the head, against which the rest is checked, and the
/// program that reads it.
const IDENTITY: [&str; 2] = ["head", "landfall"];

/// The image of a stick, and a key for everything that depends on its content.
#[derive(Clone)]
pub struct Stick {
    /// The image.
    pub image: PathBuf,
    /// The key.
    pub key: Key,
}

impl Stick {
    /// A stick with the files of a folder that holds a bundle and the `landfall` beside it.
    pub fn of(cache: &Cache, folder: &Path) -> Result<Self> {
        let files = files(folder)?;
        let key = key(folder, &files)?;
        let entry = cache.entry("vm-stick", &key, |entry| write(&entry.join("stick.img"), &files))?;
        Ok(Self { image: entry.join("stick.img"), key })
    }
}

fn key(folder: &Path, files: &[PathBuf]) -> Result<Key> {
    let mut key = Key::new().with("layout", "1");
    for name in IDENTITY {
        let is_it = |path: &&PathBuf| path.extension().or(path.file_name()).is_some_and(|found| found == name);
        let file = files.iter().find(is_it);
        let file = file.with_context(|| format!("there is no {name} of a bundle in {}", folder.display()))?;
        key = key.with_file(name, file)?;
    }
    Ok(key)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

fn write(image: &Path, files: &[PathBuf]) -> Result<()> {
    let mut size = OVERHEAD_BYTES;
    for file in files {
        size += file.metadata().with_context(|| format!("cannot look at {}", file.display()))?.len();
    }
    let sectors = size.div_ceil(1 << 20) << 11;
    File::create(image).and_then(|file| file.set_len(sectors << 9)).context("cannot make the image of a stick")?;
    let mut format = Command::new("mformat");
    format.args(["-F", "-v", LABEL, "-h", "255", "-s", "63", "-T", &sectors.to_string(), "-i"]).arg(image).arg("::");
    tool::output(&mut format)?;
    let mut copy = Command::new("mcopy");
    tool::output(copy.arg("-i").arg(image).args(files).arg("::"))?;
    // mcopy's exit code does not report a file that it refused.
    let mut list = Command::new("mdir");
    let listed = tool::output(list.arg("-b").arg("-i").arg(image).arg("::"))?;
    ensure!(listed.lines().count() == files.len(), "the stick does not hold every file:\n{listed}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_head_or_another_program_is_another_stick() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let digest = || key(folder.path(), &files(folder.path()).unwrap()).map(|key| key.digest());
        put("starter.head", "head");
        let missing = digest().unwrap_err().to_string();
        assert!(missing.starts_with("there is no landfall of a bundle in "), "{missing}");
        put("landfall", "program");
        let one = digest().unwrap();
        put("letter.txt", "says nothing about the content");
        assert_eq!(digest().unwrap(), one);
        put("landfall", "another");
        let two = digest().unwrap();
        put("starter.head", "another");
        assert!(one != two && digest().unwrap() != two && digest().unwrap() != one);
    }
}
