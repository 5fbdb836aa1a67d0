//! The programs, built so that they contain no trace of the building machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::read;
use crate::results::minutes;
use crate::source::Source;
use crate::workspace::{self, GLIBC_TARGET, TARGET, cargo};
use crate::{printer, python_tools, setup};

/// Name of the main program.
pub(super) const LANDFALL: &str = "landfall";

/// Each program, with the C library that it needs. Only `landfall-gpu` is not static, because it loads a library of the
/// host's driver.
const PROGRAMS: [(&str, Library); 5] = [
    (LANDFALL, Library::Musl),
    ("landfall-appliance", Library::Musl),
    ("landfall-validator", Library::Musl),
    ("landfall-facts", Library::Musl),
    ("landfall-gpu", Library::Glibc),
];

/// The C library of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    /// Linked statically.
    Musl,
    /// Provided by the host.
    Glibc,
}

/// Platform for which programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Platform {
    /// 64-bit x86.
    #[value(name = "linux/amd64")]
    Amd64,
    /// 64-bit Arm.
    #[value(name = "linux/arm64")]
    Arm64,
}

impl Platform {
    /// All platforms.
    pub(super) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Returns the name used in file names.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "linux-amd64",
            Self::Arm64 => "linux-arm64",
        }
    }

    /// Returns the target of its static programs.
    pub(super) const fn target(self) -> &'static str {
        self.target_with(Library::Musl)
    }

    const fn target_with(self, library: Library) -> &'static str {
        match (self, library) {
            (Self::Amd64, Library::Musl) => TARGET,
            (Self::Amd64, Library::Glibc) => GLIBC_TARGET,
            (Self::Arm64, Library::Musl) => "aarch64-unknown-linux-musl",
            (Self::Arm64, Library::Glibc) => "aarch64-unknown-linux-gnu",
        }
    }

    /// Returns cargo's build command for it, up to the target. This machine's own compilers build for amd64.
    fn build(self, library: Library) -> Result<Command> {
        let target = self.target_with(library);
        if self == Self::Amd64 {
            let mut cargo = cargo();
            cargo.args(["build", "--target", target]);
            return Ok(cargo);
        }
        ensure_standard_library(target)?;
        let zig = python_tools::zig()?;
        let mut command = Command::new(&zig.cargo);
        command.current_dir(workspace::root()).env("CARGO_ZIGBUILD_ZIG_PATH", &zig.compiler);
        let oldest = if library == Library::Glibc { OLDEST_GLIBC } else { "" };
        command.args(["zigbuild", "--target", &format!("{target}{oldest}")]);
        Ok(command)
    }
}

/// Oldest supported glibc of programs for Arm: that of the oldest distributions on which Kubernetes is run.
const OLDEST_GLIBC: &str = ".2.28";

/// Separator of the flags in cargo's variable, which allows paths with spaces.
const SEPARATOR: &str = "\u{1f}";

/// A built program.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

/// Returns the name of each program.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(name, _)| *name)
}

/// Returns programs that were built earlier, from unknown sources.
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

/// Builds the programs of a platform in the release profile.
pub(super) fn build(platform: Platform) -> Result<Vec<Program>> {
    setup::ensure_packages(packages::PROGRAM)?;
    let target = workspace::target_folder().join("release-programs");
    let maps = maps(&target)?;
    let source = Source::of(&workspace::root())?;
    let commit = Source::describe(&source, &source);
    let flags =
        |option: &str| maps.iter().map(|(from, to)| format!("{option}={}={to}", from.display())).collect::<Vec<_>>();
    PROGRAMS
        .iter()
        .map(|(name, library)| {
            let mut cargo = platform.build(*library)?;
            cargo
                .args(["--quiet", "--release", "--locked", "--package", name, "--bin", name, "--target-dir"])
                .arg(&target);
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix").join(SEPARATOR));
            let for_c = flags("-ffile-prefix-map").iter().map(|flag| quote_flag(flag)).collect::<Vec<_>>().join(" ");
            cargo.env("LANDFALL_COMMIT", &commit);
            cargo.env("CFLAGS", &for_c).env("CXXFLAGS", &for_c).env("CC_SHELL_ESCAPED_FLAGS", "1");
            let begun = Instant::now();
            workspace::run(&mut cargo)?;
            printer::note(format!("{name} for {} is built in {} min", platform.name(), minutes(begun.elapsed())));
            let path = target.join(platform.target_with(*library)).join("release").join(name);
            refuse_paths(name, &read(&path)?, maps.iter().map(|(from, _)| from.as_path()))?;
            Ok(Program { name, path })
        })
        .collect()
}

/// Quotes a flag as a word of a shell, because a machine's folders may contain spaces.
fn quote_flag(flag: &str) -> String {
    format!("'{}'", flag.replace('\'', r"'\''"))
}

/// Installs Rust's standard library for another target, through rustup.
fn ensure_standard_library(target: &str) -> Result<()> {
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    if sysroot.join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    printer::note(format!("installing Rust's standard library for {target}"));
    let added = workspace::run(Command::new("rustup").args(["target", "add", target]));
    added.with_context(|| format!("Rust's standard library for {target} is missing, and rustup does not bring it"))
}

/// Returns folders of this machine with their replacements. The compiler uses the last one that matches.
fn maps(target: &Path) -> Result<Vec<(PathBuf, String)>> {
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let version = rustc(&["--version", "--verbose"])?;
    let commit =
        version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).context("rustc names no commit")?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder of cargo")?;
    // With the library's sources installed, the compiler would name their path instead of the commit.
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

/// Fails if a program contains the path of a folder of the building machine.
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
    fn build_paths_are_refused() {
        let refused = |bytes: &[u8]| refuse_paths("landfall", bytes, [Path::new("/home/a/tree")].into_iter());
        refused(b"\0/landfall/src/main.rs\0").unwrap();
        let error = refused(b"\0/home/a/tree/src/main.rs\0").unwrap_err().to_string();
        assert_eq!(error, "landfall contains the path /home/a/tree of this machine");
    }
}
