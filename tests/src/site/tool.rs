//! Runs tools of the host and turns their failures into errors.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Where tools are looked for, on the host and inside machines.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command of the host to its end and returns its stdout; failure is an error with its stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let output = finished(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn finished(command: &mut Command) -> Result<Output> {
    let name = describe(command);
    let output = command.env("PATH", PATH).output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        bail!("{name} failed ({status}): {}", text.trim());
    }
    Ok(output)
}

/// Program and arguments, shortened: scripts are named by their first line.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(160).collect()
}
