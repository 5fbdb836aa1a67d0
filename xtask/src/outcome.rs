//! Result of running a program.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::documents;

/// Exit code and output of a program.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code, or -1 after a signal.
    pub code: i32,
    /// Standard output, unmodified.
    pub stdout: Vec<u8>,
    /// Standard error. All programs here write UTF-8.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command until it ends, with an empty standard input.
    pub fn of(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
        let stderr = String::from_utf8(output.stderr).with_context(|| format!("{name} wrote no UTF-8"))?;
        Ok(Self { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr })
    }

    /// Like [`of`](Self::of), but fails unless the command succeeds.
    pub fn success(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        let outcome = Self::of(command)?;
        ensure!(outcome.code == 0, "{shown} ended with {}:\n{}", outcome.code, outcome.stderr);
        Ok(outcome)
    }

    /// Returns the standard output as text.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.stdout).context("standard output is not UTF-8")
    }

    /// Returns the standard output as one document of `landfall --json`. Fails unless it is valid by its schema.
    pub fn json(&self) -> Result<Value> {
        documents::read(self.text()?)
    }

    /// Returns the standard output as any JSON.
    pub fn value(&self) -> Result<Value> {
        serde_json::from_slice(&self.stdout).context("standard output is not JSON")
    }

    /// Returns the code of the error in text form, such as `LF2003`.
    pub fn error(&self) -> Option<&str> {
        self.stderr.lines().find_map(|line| line.strip_prefix("error[")?.split(']').next())
    }
}
