//! The project's source tree: its location, and the builds of its programs.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::{TEST_FEATURES, packages};

use crate::runnable::copy_program;
use crate::{dependencies, setup};

pub use landfall_launcher::TARGET;
/// Target of `landfall-gpu`, which loads a library of the host's driver.
pub use landfall_launcher::dependencies::GLIBC_TARGET;

/// Environment variable with the path of an existing `landfall`, instead of building it.
pub const PROGRAM_VARIABLE: &str = "LANDFALL_PROGRAM";

/// The running program, by a link that stays valid when cargo replaces the file while it builds tests of other parts.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// Cargo arguments that build `landfall` and its companion programs.
pub const PROGRAMS: [&str; 8] =
    ["--bin", "landfall", "--bin", "landfall-appliance", "--bin", "landfall-facts", "--bin", "landfall-validator"];

/// Returns the root of the project's tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Returns cargo's target folder.
pub fn target_folder() -> PathBuf {
    landfall_launcher::dependencies::target_folder(&root())
}

/// Returns the cargo that started this program, or else the one in `PATH`.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Returns another command of this program, in its own process group. It outlives this command, and a Ctrl-C.
pub fn outliving(arguments: &[&str]) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    command.args(arguments).process_group(0);
    command
}

/// Runs a command with its output passed through. Fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

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

/// Copies `landfall`, and the programs that its builds expect next to it, into a folder. Returns the path of the copy.
pub fn copy_landfall(folder: &Path) -> Result<PathBuf> {
    let (built, copy) = (landfall()?, folder.join("landfall"));
    copy_program(&built, &copy);
    for program in ["landfall-appliance", "landfall-validator"] {
        copy_program(&built.with_file_name(program), &folder.join(program));
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Returns the features of each package, as cargo resolves them for these kinds of dependencies.
    fn features(kinds: &str, arguments: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let mut tree = cargo();
        tree.args(["tree", "--workspace", "--offline", "--target", TARGET, "--edges", kinds, "--prefix", "none"]);
        let output = tree.args(["--format", "{p}\t{f}"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        for (package, features) in lines.lines().filter_map(|line| line.split_once('\t')) {
            let features = features.trim_end_matches("(*)").trim().split(',').filter(|name| !name.is_empty());
            found.entry(package.to_owned()).or_default().extend(features.map(str::to_owned));
        }
        found
    }

    /// A crate that the profile does not name is optimized like a dependency, which takes several times as long.
    #[test]
    fn profile_names_project_crates() {
        let mut metadata = cargo();
        let output = metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output().unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let names = metadata["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap());
        let others: Vec<_> =
            names.filter(|name| !manifest.contains(&format!("[profile.dev.package.{name}]\n"))).collect();
        assert_eq!(others, Vec::<&str>::new());
    }

    /// One additional feature makes another build of a crate and of everything that needs it, so it would be compiled
    /// twice.
    #[test]
    fn programs_and_tests_share_crate_features() {
        let programs = features("normal,build", &["--features", &TEST_FEATURES.join(",")]);
        let tests = features("normal,build,dev", &[]);
        let differing = |(package, features): (&String, &BTreeSet<String>)| {
            let of_tests = &tests[package];
            (of_tests != features).then(|| format!("{package}: {features:?} of programs, {of_tests:?} of tests"))
        };
        assert_eq!(programs.iter().filter_map(differing).collect::<Vec<_>>(), Vec::<String>::new());
    }
}
