//! The part "compiled": compiling the same commit in another folder gives the same files, bit for bit.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::invocation::xtask;
use super::release;
use crate::site::tool;
use crate::{printer, setup, workspace};

/// Compiles everything in this tree and in a clone elsewhere, each from scratch. Takes an hour.
pub(super) fn run() -> Result<()> {
    let tree = workspace::root();
    let mut status = Command::new("git");
    let changed = tool::output(status.args(["status", "--porcelain"]).current_dir(&tree))?;
    ensure!(changed.is_empty(), "a clone would lack what is not committed:\n{changed}");
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let [first, second, clone] = ["first", "second", "another place"].map(|name| folder.path().join(name));
    // An error that only shows under the other folder's name is found before the second half of the time is spent.
    workspace::run(Command::new("git").args(["clone", "--quiet"]).arg(&tree).arg(&clone))?;
    workspace::run(&mut in_clone(&clone, &second))?;
    std::fs::remove_dir_all(&clone).with_context(|| format!("cannot remove {}", clone.display()))?;
    forget_programs()?;
    xtask(&["dist", "--output", &first.display().to_string()])?;
    forget_programs()?;
    release::expect_same(&first, &second, 4)?;
    runs_on_arm(&first, folder.path())?;
    printer::note("proved: two trees compile to the same files, bit for bit");
    Ok(())
}

/// Fails unless the programs of the Arm archive run in an emulator.
fn runs_on_arm(distribution: &Path, folder: &Path) -> Result<()> {
    setup::ensure_packages(packages::EMULATOR)?;
    let root = release::unpack(distribution, "linux-arm64", folder)?;
    for name in ["landfall", "landfall-appliance", "landfall-validator", "landfall-facts"] {
        let said = tool::output(Command::new("qemu-aarch64-static").arg(root.join(name)).arg("--version"))?;
        ensure!(said.contains(env!("CARGO_PKG_VERSION")), "{name} for Arm is {said}");
    }
    printer::note("proved: programs for Arm run");
    Ok(())
}

/// Returns the command `cargo xtask dist` as an outsider runs it.
fn in_clone(clone: &Path, output: &Path) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["xtask", "dist", "--output"]).arg(output).current_dir(clone);
    for variable in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// Removes programs of an earlier distribution, because they would not be compiled again.
fn forget_programs() -> Result<()> {
    let programs = workspace::target_folder().join("release-programs");
    if programs.exists() {
        std::fs::remove_dir_all(&programs).with_context(|| format!("cannot empty {}", programs.display()))?;
    }
    Ok(())
}
