//! A stick as sold in a shop: FAT32 in an image file, which needs no driver on this host.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::bundle::Bundle;
use crate::cache::{Cache, Key};
use crate::site::tool;

/// Label by which the machine finds it.
pub const LABEL: &str = "LANDFALL";

/// Size of the filesystem in addition to its files.
const OVERHEAD_BYTES: u64 = 64 << 20;

/// Folder of the cache entry in which a bundle is built for a stick.
const SCRATCH: &str = "bundle";

/// The image of a stick, and a key for everything that depends on its content.
#[derive(Clone)]
pub struct Stick {
    /// Path of the image.
    pub image: PathBuf,
    /// Key of the content.
    pub key: Key,
}

impl Stick {
    /// Returns a stick with the files of a bundle, and `landfall` next to it. The bundle is built only if no stick with
    /// the same inputs exists.
    pub fn of(cache: &Cache, bundle: &Bundle) -> Result<Self> {
        Self::with(cache, &bundle.key, |scratch| bundle.files(scratch))
    }

    /// Returns a stick with the files that `make` finds or builds in a scratch folder. `inputs` is the key of
    /// everything on which they depend.
    fn with(cache: &Cache, inputs: &Key, make: impl FnOnce(&Path) -> Result<Vec<PathBuf>>) -> Result<Self> {
        let key = Key::new().with("layout", "2").with("bundle", inputs.digest());
        let entry = cache.entry("vm-stick", &key, |entry| {
            let scratch = entry.join(SCRATCH);
            std::fs::create_dir(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
            write(&entry.join("stick.img"), &make(&scratch)?)?;
            std::fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
        })?;
        Ok(Self { image: entry.join("stick.img"), key })
    }
}

fn write(image: &Path, files: &[PathBuf]) -> Result<()> {
    let mut size = OVERHEAD_BYTES;
    for file in files {
        size += file.metadata().with_context(|| format!("cannot look at {}", file.display()))?.len();
    }
    let sectors = size.div_ceil(1 << 20) << 11;
    File::create(image).and_then(|file| file.set_len(sectors << 9)).context("cannot create the image of a stick")?;
    let mut format = Command::new("mformat");
    format.args(["-F", "-v", LABEL, "-h", "255", "-s", "63", "-T", &sectors.to_string(), "-i"]).arg(image).arg("::");
    tool::output(&mut format)?;
    let mut copy = Command::new("mcopy");
    tool::output(copy.arg("-i").arg(image).args(files).arg("::"))?;
    // The exit code of mcopy does not reflect a file that it refused.
    let mut list = Command::new("mdir");
    let listed = tool::output(list.arg("-b").arg("-i").arg(image).arg("::"))?;
    ensure!(listed.lines().count() == files.len(), "the stick does not hold every file:\n{listed}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_bundle_inputs_build_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let mut builds = 0;
        let mut stick = |inputs: &str| {
            let key = Key::new().with("inputs", inputs);
            let make = |scratch: &Path| {
                builds += 1;
                let file = scratch.join("starter.head");
                std::fs::write(&file, format!("signed for the {builds}. time")).unwrap();
                Ok(vec![file])
            };
            Stick::with(&cache, &key, make).unwrap()
        };
        let (one, again, other) = (stick("one"), stick("one"), stick("two"));
        assert_eq!(builds, 2);
        assert_eq!((one.key.digest(), &one.image), (again.key.digest(), &again.image));
        assert_ne!(one.key.digest(), other.key.digest());
        assert!(one.image.metadata().unwrap().len() > OVERHEAD_BYTES);
        assert!(!one.image.with_file_name(SCRATCH).exists(), "the stick holds the only copy");
    }
}
