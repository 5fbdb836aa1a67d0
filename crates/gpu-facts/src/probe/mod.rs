//! Runs `landfall-gpu` within limits and reports the outcome. Every outcome includes the PCI bus.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use landfall_error_codes::{Code, codes};

use crate::child::{self, Limits, RunEnd};
use crate::hardware::Hardware;
use crate::look::Root;
use crate::report::GpuReport;
use crate::schema::SIZE_LIMIT;

/// A run of the program.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Path of the program.
    pub program: PathBuf,
    /// Maximum running time.
    pub time_limit: Duration,
    /// Maximum bytes of its output.
    pub output_limit_bytes: usize,
    /// Tree from which this process reads the PCI bus if the program prints nothing: `/`, except in tests.
    pub root: PathBuf,
}

/// The outcome of a run.
#[derive(Debug)]
pub enum Outcome {
    /// The program could not be started.
    NotRun {
        /// The kernel's error.
        reason: std::io::Error,
        /// The PCI bus.
        hardware: Hardware,
    },
    /// The program was killed at its time limit.
    TimedOut {
        /// The time limit.
        after: Duration,
        /// The PCI bus.
        hardware: Hardware,
    },
    /// The output was not a document of facts, or was too long, or the program failed.
    Malformed {
        /// The fault, in words.
        reason: String,
        /// The PCI bus.
        hardware: Hardware,
    },
    /// The program printed the facts.
    Facts(Box<GpuReport>),
}

impl Outcome {
    /// Error code, if there are no facts.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::NotRun { .. } => Some(codes::GPU_PROBE_NOT_RUN),
            Self::TimedOut { .. } => Some(codes::GPU_PROBE_TIMED_OUT),
            Self::Malformed { .. } => Some(codes::GPU_FACTS_MALFORMED),
            Self::Facts(_) => None,
        }
    }

    /// The PCI bus, which every outcome has.
    pub fn hardware(&self) -> &Hardware {
        match self {
            Self::NotRun { hardware, .. } | Self::TimedOut { hardware, .. } | Self::Malformed { hardware, .. } => {
                hardware
            }
            Self::Facts(report) => &report.hardware,
        }
    }
}

/// Runs a program that prints GPU facts, with this time limit, on this machine.
pub fn probe(program: &Path, time_limit: Duration) -> Outcome {
    let (program, root) = (program.to_owned(), PathBuf::from("/"));
    Probe { program, time_limit, output_limit_bytes: SIZE_LIMIT, root }.run()
}

impl Probe {
    /// Runs the program.
    pub fn run(&self) -> Outcome {
        let limits = Limits { time: self.time_limit, output_bytes: self.output_limit_bytes };
        match child::run(&mut Command::new(&self.program), limits) {
            Err(reason) => Outcome::NotRun { reason, hardware: self.hardware() },
            Ok(RunEnd::TimeOver) => Outcome::TimedOut { after: self.time_limit, hardware: self.hardware() },
            Ok(RunEnd::TooMuchOutput) => {
                self.malformed_outcome(format!("it printed more than {} bytes", self.output_limit_bytes))
            }
            Ok(RunEnd::ByItself { status, errors, .. }) if !status.success() => {
                let said = if errors.is_empty() { String::new() } else { format!(", and said: {errors}") };
                self.malformed_outcome(format!("it ended with {status}{said}"))
            }
            Ok(RunEnd::ByItself { output, .. }) => match GpuReport::read(&output) {
                Ok(report) => Outcome::Facts(Box::new(report)),
                Err(error) => self.malformed_outcome(with_sources(&error)),
            },
        }
    }

    fn malformed_outcome(&self, reason: String) -> Outcome {
        Outcome::Malformed { reason, hardware: self.hardware() }
    }

    /// Reads the PCI bus. This happens only now, because the kernel's files of a hanging device can also hang.
    fn hardware(&self) -> Hardware {
        Root::new(&self.root).hardware()
    }
}

/// Formats an error and its causes in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
