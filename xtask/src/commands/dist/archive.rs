//! The archive: the same content gives the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

use super::programs::{LANDFALL, Program};
use super::read;
use crate::site::tool;
use crate::workspace;

const SHELLS: [(&str, &str); 3] = [("bash", "landfall"), ("zsh", "_landfall"), ("fish", "landfall.fish")];

/// A file of the archive.
struct Entry {
    bytes: Vec<u8>,
    mode: u32,
}

/// Files that `landfall` writes about itself, which are the same on every platform.
pub(super) struct Manual(BTreeMap<String, Vec<u8>>);

impl Manual {
    /// Generates the files with the `landfall` among these programs. It must run on this machine.
    pub(super) fn of(programs: &[Program]) -> Result<Self> {
        let landfall =
            programs.iter().find(|program| program.name == LANDFALL).context("there is no landfall to pack")?;
        let mut files = BTreeMap::new();
        for (shell, file) in SHELLS {
            let completions = tool::output(alone(&landfall.path).args(["completions", shell]))?;
            files.insert(format!("completions/{shell}/{file}"), completions.into_bytes());
        }
        let folder = tempfile::tempdir().context("cannot create a folder for manual pages")?;
        tool::output(alone(&landfall.path).args(["manuals", "--output"]).arg(folder.path()))?;
        for page in folder.path().read_dir().context("there are no manual pages")? {
            let page = page?;
            files.insert(format!("man/man1/{}", page.file_name().display()), read(&page.path())?);
        }
        let folder = tempfile::tempdir().context("cannot make a folder for the handbook")?;
        tool::output(alone(&landfall.path).args(["handbook", "--output"]).arg(folder.path()))?;
        for (name, path) in files_below(folder.path(), "handbook")? {
            files.insert(name, read(&path)?);
        }
        Ok(Self(files))
    }
}

/// Files and folders of the tree that vendors read and copy: the handbook with its figures, and the starting points of
/// a release.
const READING: [&str; 9] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs",
    "images.lock",
    "manifests",
    "releases",
];

/// Returns the archive with programs, completions, manual pages, the handbook as a book and as text, and the examples.
pub(super) fn of(programs: &[Program], manual: &Manual, version: &str, time: u64) -> Result<Vec<u8>> {
    let mut entries = BTreeMap::new();
    for program in programs {
        entries.insert(program.name.to_owned(), Entry { bytes: read(&program.path)?, mode: 0o755 });
    }
    let mut put = |name: String, bytes| entries.insert(name, Entry { bytes, mode: 0o644 });
    for (name, bytes) in &manual.0 {
        put(name.clone(), bytes.clone());
    }
    for name in READING {
        for (name, path) in files_below(&workspace::root().join(name), name)? {
            put(name, read(&path)?);
        }
    }
    pack(&entries, &format!("landfall-{version}"), time)
}

/// Returns a file under this name or, for a folder, all of its files that are not hidden, under names below it.
fn files_below(path: &Path, name: &str) -> Result<Vec<(String, PathBuf)>> {
    if !path.is_dir() {
        return Ok(vec![(name.to_owned(), path.to_owned())]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?.file_name();
        let entry = entry.to_str().with_context(|| format!("a name in {} is no text", path.display()))?;
        if !entry.starts_with('.') {
            files.extend(files_below(&path.join(entry), &format!("{name}/{entry}"))?);
        }
    }
    Ok(files)
}

/// Returns a command that runs the program without environment variables: its output then depends only on its bytes.
fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

/// Packs the entries in the order of their names. Owner, group and times are fixed, and gzip's header has neither name
/// nor time.
fn pack(entries: &BTreeMap<String, Entry>, root: &str, time: u64) -> Result<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for (name, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        archive
            .append_data(&mut header, format!("{root}/{name}"), entry.bytes.as_slice())
            .with_context(|| format!("cannot pack {name}"))?;
    }
    Ok(archive.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn archive_is_reproducible() {
        let entry = |mode| Entry { bytes: b"content".to_vec(), mode };
        let entries = BTreeMap::from([("b".to_owned(), entry(0o644)), ("a".to_owned(), entry(0o755))]);
        let packed = pack(&entries, "landfall-1", 7).unwrap();
        assert_eq!(packed, pack(&entries, "landfall-1", 7).unwrap());
        assert_ne!(packed, pack(&entries, "landfall-1", 8).unwrap());
        assert_eq!(packed[3..8], [0; 5], "no name, no time");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let header = entry.header();
                let numbers =
                    (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
                (entry.path().unwrap().display().to_string(), numbers, text)
            })
            .collect();
        let content = "content".to_owned();
        assert_eq!(
            found,
            [
                ("landfall-1/a".to_owned(), (0o755, 0, 0, 7), content.clone()),
                ("landfall-1/b".to_owned(), (0o644, 0, 0, 7), content),
            ]
        );
    }
}
