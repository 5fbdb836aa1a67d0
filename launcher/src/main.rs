//! `cargo xtask`: checks the machine, installs what it may, and hands over to the real commands.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use landfall_launcher::checks::{self, Finding, Remedy};
use landfall_launcher::{collect, command, install, report};

/// Reports what a command would need, without installing or compiling anything: `cargo xtask preflight demo`.
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
        // Installed items are checked, and so are facts that could not be queried without them.
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

/// Replaces this process with the real command, which cargo builds first. Cargo's variables about this program are not
/// passed on.
fn hand_over(clone: &Path, arguments: &[String]) -> ExitCode {
    let mut next = Command::new(collect::cargo());
    next.args(["run", "--quiet", "--package", "landfall-tests", "--bin", "xtask", "--manifest-path"]);
    next.arg(clone.join("Cargo.toml")).arg("--").args(arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            next.env_remove(&name);
        }
    }
    let error = next.exec();
    report::line(&format!("error: cargo cannot be started: {error}"));
    ExitCode::FAILURE
}
