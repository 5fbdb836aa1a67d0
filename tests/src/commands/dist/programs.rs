//! The programs, built so that nothing of the building machine is in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::read;
use crate::workspace::{self, GLIBC_TARGET, TARGET, cargo};
use crate::{printer, setup};

/// The main program.
pub(super) const LANDFALL: &str = "landfall";

/// Each program, and its target: `landfall-gpu` loads a library of the host's driver, so it alone is not static.
const PROGRAMS: [(&str, &str); 5] = [
    (LANDFALL, TARGET),
    ("landfall-appliance", TARGET),
    ("landfall-validator", TARGET),
    ("landfall-facts", TARGET),
    ("landfall-gpu", GLIBC_TARGET),
];

/// Separates the flags in cargo's variable, so that paths may have spaces.
const SEPARATOR: &str = "\u{1f}";

/// A built program.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

/// The name of each program.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(name, _)| *name)
}

/// Programs that were built before. What they were built from is not known.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<Program>> {
    let found: Vec<_> = PROGRAMS.iter().map(|(name, _)| Program { name, path: folder.join(name) }).collect();
    found
        .into_iter()
        .filter_map(|program| {
            if program.path.is_file() {
                return Some(Ok(program));
            }
            printer::note(format!("{} is not packed: it is not in {}", program.name, folder.display()));
            (program.name == LANDFALL).then(|| Err(anyhow::anyhow!("{} is no file", program.path.display())))
        })
        .collect()
}

/// Builds the programs in the release profile.
pub(super) fn build() -> Result<Vec<Program>> {
    setup::ensure_packages(packages::PROGRAM)?;
    let target = workspace::target_folder().join("release-programs");
    let maps = maps(&target)?;
    let flags =
        |option: &str| maps.iter().map(|(from, to)| format!("{option}={}={to}", from.display())).collect::<Vec<_>>();
    PROGRAMS
        .iter()
        .map(|(name, triple)| {
            let mut cargo = cargo();
            cargo.args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--package",
                name,
                "--bin",
                name,
                "--target",
                triple,
            ]);
            cargo.arg("--target-dir").arg(&target);
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix").join(SEPARATOR));
            let for_c = flags("-ffile-prefix-map").join(" ");
            cargo.env("CFLAGS", &for_c).env("CXXFLAGS", &for_c);
            workspace::run(&mut cargo)?;
            let path = target.join(triple).join("release").join(name);
            refuse_paths(name, &read(&path)?, maps.iter().map(|(from, _)| from.as_path()))?;
            Ok(Program { name, path })
        })
        .collect()
}

/// Folders of this machine, and what takes their place; the compiler uses the last one that fits.
fn maps(target: &Path) -> Result<Vec<(PathBuf, String)>> {
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let version = rustc(&["--version", "--verbose"])?;
    let commit =
        version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).context("rustc names no commit")?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder of cargo")?;
    // With the library's sources installed, the compiler would name them in place of their commit.
    let library = sysroot.join("lib/rustlib/src/rust");
    Ok(vec![
        (home, "/cargo".to_owned()),
        (sysroot, "/rust".to_owned()),
        (library, format!("/rustc/{commit}")),
        (workspace::root(), "/landfall".to_owned()),
        (target.to_owned(), "/landfall/target".to_owned()),
    ])
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let ran =
        Command::new("rustc").args(arguments).current_dir(workspace::root()).output().context("cannot start rustc")?;
    ensure!(ran.status.success(), "rustc {arguments:?} ended with {}", ran.status);
    String::from_utf8(ran.stdout).context("rustc printed no text")
}

/// Fails where a program names a folder of the building machine.
fn refuse_paths<'a>(name: &str, bytes: &[u8], paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    for path in paths {
        let text = path.as_os_str().as_encoded_bytes();
        ensure!(!contains(bytes, text), "{name} contains the path {} of this machine", path.display());
    }
    Ok(())
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_building_machine_is_found() {
        let refused = |bytes: &[u8]| refuse_paths("landfall", bytes, [Path::new("/home/a/tree")].into_iter());
        refused(b"\0/landfall/src/main.rs\0").unwrap();
        let error = refused(b"\0/home/a/tree/src/main.rs\0").unwrap_err().to_string();
        assert_eq!(error, "landfall contains the path /home/a/tree of this machine");
    }
}
