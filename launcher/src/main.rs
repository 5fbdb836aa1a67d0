//! `cargo xtask`: checks the machine, installs what it may, and starts the real command.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use landfall_launcher::checks::{self, Finding, Remedy};
use landfall_launcher::{collect, command, dependencies, install, report, toolchain, TARGET, TEST_FEATURES};

/// Command that reports the needs of another command, without installing or compiling anything: `cargo xtask preflight
/// demo`.
const PREFLIGHT: &str = "preflight";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."));
    let (only_looks, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == PREFLIGHT => (true, rest.to_vec()),
        _ => (false, arguments),
    };
    let findings = look(clone, &arguments);
    if only_looks {
        return preflight(&findings);
    }
    if findings.iter().any(|finding| finding.remedy == Remedy::Person) {
        report::line(&report::missing(&findings));
        return ExitCode::FAILURE;
    }
    if !findings.is_empty() {
        if let Err(error) = install::bring(&findings) {
            report::line(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
        // Installed items are checked again, and so are facts that could not be collected without them.
        let left = look(clone, &arguments);
        if !left.is_empty() {
            report::line(&report::missing(&left));
            return ExitCode::FAILURE;
        }
    }
    hand_over(clone, &arguments)
}

fn look(clone: &Path, arguments: &[String]) -> Vec<Finding> {
    let works = command::work_of(arguments);
    checks::findings(&collect::facts(clone, &works), &works)
}

fn preflight(findings: &[Finding]) -> ExitCode {
    if findings.is_empty() {
        report::line("nothing is missing on this machine");
        return ExitCode::SUCCESS;
    }
    report::line(&report::missing(findings));
    ExitCode::FAILURE
}

/// Builds the real command, and replaces this process with it.
fn hand_over(clone: &Path, arguments: &[String]) -> ExitCode {
    let program = match build(clone) {
        Ok(program) => program,
        Err(error) => {
            report::line(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let error = without_own_variables(&mut Command::new(&program)).args(arguments).exec();
    report::line(&format!("error: {} cannot be started: {error}", program.display()));
    ExitCode::FAILURE
}

/// Builds the commands' program with the features of the whole workspace, like everything else: its dependencies are
/// compiled once, or come from the cache.
fn build(clone: &Path) -> Result<PathBuf, String> {
    if let Err(error) = dependencies::bring(clone) {
        report::line(&format!("dependencies are compiled, since the cache could not be used: {error}"));
    }
    let target = dependencies::target_folder(clone);
    let mut cargo = Command::new(toolchain::cargo());
    // Cargo prints each crate that it compiles, which takes minutes on a new machine. The folder is not a user's
    // setting.
    cargo.args(["build", "--workspace", "--bin", "xtask", "--features", &TEST_FEATURES.join(",")]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&target);
    cargo.arg("--manifest-path").arg(clone.join("Cargo.toml"));
    let status = without_own_variables(&mut cargo).status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("cargo could not build the commands: {status}"));
    }
    Ok(target.join(TARGET).join("debug").join("xtask"))
}

/// Removes cargo's variables about this program from a command's environment.
fn without_own_variables(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    command
}
