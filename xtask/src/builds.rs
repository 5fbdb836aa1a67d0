//! Builds of the project's programs.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use landfall_launcher::{TEST_FEATURES, packages};

use crate::workspace::{GLIBC_TARGET, TARGET, cargo, run, target_folder};
use crate::{dependencies, setup};
use landfall_test_support::runnable::copy_program;

/// Environment variable with the path of an existing `landfall`, instead of building it.
pub const PROGRAM_VARIABLE: &str = "LANDFALL_PROGRAM";

/// Cargo arguments that build `landfall` and its companion programs.
pub const PROGRAMS: [&str; 8] =
    ["--bin", "landfall", "--bin", "landfall-appliance", "--bin", "landfall-facts", "--bin", "landfall-validator"];

/// Builds `landfall-gpu` for glibc, and returns its path.
pub fn landfall_gpu() -> Result<PathBuf> {
    setup::ensure_packages(packages::PROGRAM)?;
    dependencies::bring();
    run(cargo().args(["build", "--package", "landfall-gpu", "--target", GLIBC_TARGET]))?;
    Ok(target_folder().join(GLIBC_TARGET).join("debug").join("landfall-gpu"))
}

/// Builds `landfall` and returns its path. The program is static, and the same for tests, demo and bundle. A program
/// that `$LANDFALL_PROGRAM` names is used as it is.
pub fn landfall() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE).map(PathBuf::from) {
        ensure!(program.is_file(), "{PROGRAM_VARIABLE} names no file: {}", program.display());
        return Ok(program);
    }
    setup::ensure_packages(packages::PROGRAM)?;
    dependencies::bring();
    let features = TEST_FEATURES.join(",");
    run(cargo().args(["build", "--workspace", "--features", &features]).args(PROGRAMS))?;
    let program = target_folder().join(TARGET).join("debug").join("landfall");
    ensure!(program.is_file(), "cargo built no {}", program.display());
    dependencies::keep_for_programs()?;
    Ok(program)
}

/// Path of the developers' program, which is built before it runs any test.
pub fn xtask() -> PathBuf {
    target_folder().join(TARGET).join("debug").join("xtask")
}

/// Copies `landfall`, and the programs that its builds expect next to it, into a folder. Returns the path of the copy.
pub fn copy_landfall(folder: &Path) -> Result<PathBuf> {
    let (built, copy) = (landfall()?, folder.join("landfall"));
    copy_program(&built, &copy);
    for program in ["landfall-appliance", "landfall-validator"] {
        copy_program(&built.with_file_name(program), &folder.join(program));
    }
    Ok(copy)
}
