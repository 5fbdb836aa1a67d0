//! What a run of a program came to.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::documents;

/// Exit code and everything that was said.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code, or -1 after a signal.
    pub code: i32,
    /// Standard output as it came.
    pub stdout: Vec<u8>,
    /// Standard error; programs here write UTF-8.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end, with nothing on standard input.
    pub fn of(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
        let stderr = String::from_utf8(output.stderr).with_context(|| format!("{name} wrote no UTF-8"))?;
        Ok(Self { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr })
    }

    /// The same, where only success will do.
    pub fn success(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        let outcome = Self::of(command)?;
        ensure!(outcome.code == 0, "{shown} ended with {}:\n{}", outcome.code, outcome.stderr);
        Ok(outcome)
    }

    /// Standard output as text.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.stdout).context("standard output is not UTF-8")
    }

    /// Standard output as one document of `landfall --json`, in the form that its schema says.
    pub fn json(&self) -> Result<Value> {
        documents::read(self.text()?)
    }

    /// Standard output as any JSON.
    pub fn value(&self) -> Result<Value> {
        serde_json::from_slice(&self.stdout).context("standard output is not JSON")
    }

    /// The code of the one error in text form, as `LF2003`.
    pub fn error(&self) -> Option<&str> {
        self.stderr.lines().find_map(|line| line.strip_prefix("error[")?.split(']').next())
    }
}
