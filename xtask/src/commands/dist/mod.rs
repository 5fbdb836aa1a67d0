//! `cargo xtask dist`: creates the files of a release page. The same programs and the same commit give the same bytes.
#![expect(clippy::disallowed_methods, reason = "files of a distribution, rebuilt when lost")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use self::bill::ShippedProgram;
use self::programs::{Platform, Program};
use crate::site::tool;
use crate::{printer, workspace};

mod archive;
mod bill;
mod programs;
mod signature;

/// File of checksums, in the format of `sha256sum --check`.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Returns the names of the packed programs.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    programs::names()
}

/// Environment variable that sets the time of every file, in seconds since 1970.
const TIME_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Build the files of a release page: programs, completions, manual pages, a bill of materials, checksums and their
/// signature.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder that receives the files. [default: target/dist]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Cosign private key that signs the checksums; the password comes from `LANDFALL_KEY_PASSWORD` or
    /// `COSIGN_PASSWORD`.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Platform to build for, besides amd64, whose program writes the manual of all; may be repeated. [default: all]
    #[arg(long, conflicts_with = "programs")]
    platform: Vec<Platform>,
    /// Folder with programs for amd64, which are packed as they are instead of being built.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    // A wrong key or password is reported before minutes of compiling.
    let key = arguments.key.as_deref().map(signature::key).transpose()?;
    let output = arguments.output.clone().unwrap_or_else(|| workspace::root().join("target/dist"));
    let built = arguments.platform_programs()?;
    std::fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    let files = files(&built)?;
    for (name, bytes) in &files {
        write(&output.join(name), bytes)?;
    }
    let sums = sums(&files);
    write(&output.join(SUMS), sums.as_bytes())?;
    // The folder may have a signature of an earlier distribution, which would not match these checksums.
    signature::remove(&output)?;
    match key {
        Some(key) => signature::write(&key, &output, sums.as_bytes())?,
        None => printer::note("nothing is signed: no --key was given"),
    }
    printer::data(output.display());
    Ok(0)
}

impl Arguments {
    /// Returns the programs of each platform.
    fn platform_programs(&self) -> Result<Vec<(Platform, Vec<Program>)>> {
        if let Some(folder) = &self.programs {
            return Ok(vec![(Platform::Amd64, programs::in_folder(folder)?)]);
        }
        // This machine's platform comes first: its program writes the manual that is packed with the others.
        let wanted = Platform::ALL.into_iter().filter(|platform| self.wants(*platform));
        wanted.map(|platform| Ok((platform, programs::build(platform)?))).collect()
    }

    fn wants(&self, platform: Platform) -> bool {
        self.platform.is_empty() || platform == Platform::Amd64 || self.platform.contains(&platform)
    }
}

/// Returns an archive and a bill of materials for each platform.
fn files(built: &[(Platform, Vec<Program>)]) -> Result<Vec<(String, Vec<u8>)>> {
    let (time, version) = (time()?, env!("CARGO_PKG_VERSION"));
    let own = built.iter().find(|(platform, _)| *platform == Platform::Amd64).context("nothing is built for here")?;
    let manual = archive::Manual::of(&own.1)?;
    let mut files = Vec::new();
    for (platform, programs) in built {
        let shipped = programs.iter().map(|program| {
            Ok(ShippedProgram { name: program.name, sha256: hex::encode(Sha256::digest(read(&program.path)?)) })
        });
        let shipped = shipped.collect::<Result<Vec<_>>>()?;
        let name = format!("landfall-{version}-{}", platform.name());
        files.push((format!("{name}.tar.gz"), archive::of(programs, &manual, version, time)?));
        files.push((format!("{name}.spdx.json"), bill::of_this_tree(&shipped, platform.target(), version, time)?));
    }
    Ok(files)
}

/// Returns the time of every file: `$SOURCE_DATE_EPOCH`, or else the time of the commit.
fn time() -> Result<u64> {
    if let Ok(text) = std::env::var(TIME_VARIABLE) {
        return text.parse().with_context(|| format!("{TIME_VARIABLE} is no number of seconds: `{text}`"));
    }
    let mut git = std::process::Command::new("git");
    let text = tool::output(git.args(["log", "-1", "--format=%ct"]).current_dir(workspace::root()));
    let text =
        text.with_context(|| format!("this tree has no commit: set {TIME_VARIABLE} to the time of the release"))?;
    text.trim().parse().with_context(|| format!("git printed no time: `{}`", text.trim()))
}

/// Returns the checksum lines, sorted by file name.
fn sums(files: &[(String, Vec<u8>)]) -> String {
    let mut lines: Vec<_> =
        files.iter().map(|(name, bytes)| (name, format!("{}  {name}\n", hex::encode(Sha256::digest(bytes))))).collect();
    lines.sort_unstable();
    lines.into_iter().map(|(_, line)| line).collect()
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    ensure!(path.is_file(), "{} is no file", path.display());
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_pass_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("b".to_owned(), b"two".to_vec()), ("a".to_owned(), b"one".to_vec())];
        for (name, bytes) in &files {
            write(&folder.path().join(name), bytes).unwrap();
        }
        write(&folder.path().join(SUMS), sums(&files).as_bytes()).unwrap();
        let check = || {
            let mut command = std::process::Command::new("sha256sum");
            command.args(["--check", "--strict", "--quiet", SUMS]).current_dir(folder.path()).output().unwrap().status
        };
        assert!(check().success() && sums(&files).lines().next().unwrap().ends_with("  a"));
        write(&folder.path().join("a"), b"onf").unwrap();
        assert!(!check().success());
    }
}
