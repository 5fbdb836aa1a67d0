//! Installs missing items with the machine's own tools: apt for packages, rustup for parts of Rust.

use std::collections::BTreeSet;
use std::process::Command;

use crate::checks::{Finding, Remedy};
use crate::cluster::NoCluster;
use crate::{report, TARGET};

/// Installs everything that the findings name. Each finding needs a remedy. Returns an error message on failure.
pub fn bring(findings: &[Finding]) -> Result<(), String> {
    for finding in findings {
        report::line(&format!("installing {}", finding.what));
        match &finding.remedy {
            Remedy::Person => return Err(format!("only a person can provide {}", finding.what)),
            Remedy::Packages(packages) => install_packages(packages)?,
            Remedy::Target => run(Command::new("rustup").args(["target", "add", TARGET]))?,
            Remedy::Components(names) => run(Command::new("rustup").args(["component", "add"]).args(names))?,
        }
    }
    Ok(())
}

fn install_packages(packages: &BTreeSet<&'static str>) -> Result<(), String> {
    let _no_cluster = NoCluster::during(packages.iter().copied())
        .map_err(|error| format!("the settings of PostgreSQL's packages cannot be written: {error}"))?;
    let install = || {
        let mut command = apt_get();
        run(command.args(["install", "--yes", "--no-install-recommends"]).args(packages))
    };
    if install().is_ok() {
        return Ok(());
    }
    // The package lists may be missing or old. A broken third-party source is ignored: the second installation decides.
    let _ = run(apt_get().arg("update"));
    install()
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--option", "DPkg::Lock::Timeout=600"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs a tool, and keeps its output in case it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir("/").output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Err(format!("{name} failed:\n{}", lines[lines.len().saturating_sub(15)..].join("\n")))
}
