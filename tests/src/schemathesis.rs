//! schemathesis, which asks an API what its OpenAPI document allows, and what it does not, and judges the answers by it. pip installs the
//! wheels of `tests/schemathesis/requirements.txt` into the cache; they are neither shipped nor stored in this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, Key};
use crate::{setup, workspace};

/// A command that runs it. Its wheels are installed first if the cache does not have them.
pub fn command() -> Result<Command> {
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli"]).env("PYTHONPATH", wheels()?);
    Ok(command)
}

/// The folder of the wheels, for the Python of this machine.
fn wheels() -> Result<PathBuf> {
    setup::ensure_pip()?;
    let requirements = workspace::root().join("tests/schemathesis/requirements.txt");
    let python = Command::new("python3").arg("--version").output().context("cannot run python3")?;
    ensure!(python.status.success(), "python3 --version ended with {}", python.status);
    let key = Key::new().with_file("requirements", &requirements)?.with("python", python.stdout);
    let folder = Cache::open()?.entry("schemathesis", &key, |folder| install(&requirements, &folder.join("wheels")))?;
    Ok(folder.join("wheels"))
}

fn install(requirements: &Path, target: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--require-hashes", "--target"]).arg(target).arg("--requirement").arg(requirements);
    workspace::run(&mut pip)
}
