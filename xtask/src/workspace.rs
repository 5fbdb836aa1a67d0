//! The project's source tree: its location, and commands in it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub use landfall_launcher::TARGET;
/// Target of `landfall-gpu`, which loads a library of the host's driver.
pub use landfall_launcher::dependencies::GLIBC_TARGET;

/// The running program, by a link that stays valid when cargo replaces the file while it builds tests of other parts.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use landfall_launcher::TEST_FEATURES;

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
        let others: Vec<_> = names.filter(|name| !manifest.contains(&format!("\n{name}.opt-level = "))).collect();
        assert_eq!(others, Vec::<&str>::new());
    }

    /// One additional feature creates another build of a crate and of everything that needs it, so it would be compiled
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
