//! The project's own tree: where it is, and how its programs are built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use crate::{dependencies, setup};

pub use landfall_launcher::TARGET;
/// The target of `landfall-gpu`, which loads a library of the host's driver.
pub use landfall_launcher::dependencies::GLIBC_TARGET;

/// Names an existing `landfall`, instead of building it.
pub const PROGRAM_VARIABLE: &str = "LANDFALL_PROGRAM";

/// The root of the project's tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where cargo builds.
pub fn target_folder() -> PathBuf {
    landfall_launcher::dependencies::target_folder(&root())
}

/// The cargo that runs this program, or the one in `PATH`.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command, its output passed through, and fails when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Builds `landfall` and returns the path of the program: static, and the same for tests, demo and bundle. The program
/// that `$LANDFALL_PROGRAM` names is used as it is.
pub fn landfall() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE).map(PathBuf::from) {
        ensure!(program.is_file(), "{PROGRAM_VARIABLE} names no file: {}", program.display());
        return Ok(program);
    }
    setup::ensure_packages(packages::PROGRAM)?;
    dependencies::bring();
    let programs =
        ["landfall", "landfall-appliance", "landfall-validator"].into_iter().flat_map(|name| ["--bin", name]);
    run(cargo().args(["build", "--quiet", "--workspace"]).args(programs))?;
    let program = target_folder().join(TARGET).join("debug").join("landfall");
    ensure!(program.is_file(), "cargo built no {}", program.display());
    dependencies::keep_for_programs()?;
    Ok(program)
}
