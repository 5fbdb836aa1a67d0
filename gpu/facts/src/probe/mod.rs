//! Runs `landfall-gpu` within limits and reports the outcome. In any case, the PCI bus is known.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use landfall_error_codes::{Code, codes};

use crate::child::{self, Ended, Limits};
use crate::hardware::Hardware;
use crate::look::Root;
use crate::report::{GpuReport, SIZE_LIMIT};

/// How the program is run.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The program.
    pub program: PathBuf,
    /// How long it may run.
    pub time_limit: Duration,
    /// How many bytes it may print.
    pub output_limit_bytes: usize,
    /// The tree from which this side reads the PCI bus if the program prints nothing: `/`, except in tests.
    pub root: PathBuf,
}

/// The outcome of the program.
#[derive(Debug)]
pub enum Outcome {
    /// It could not be started.
    NotRun {
        /// The kernel's error.
        reason: std::io::Error,
        /// What the PCI bus shows.
        hardware: Hardware,
    },
    /// It was killed at its time limit.
    TimedOut {
        /// The time limit.
        after: Duration,
        /// What the PCI bus shows.
        hardware: Hardware,
    },
    /// Its output was not a document of facts, or too long, or it ended with a failure.
    Malformed {
        /// What was wrong, in words.
        reason: String,
        /// What the PCI bus shows.
        hardware: Hardware,
    },
    /// It printed the facts.
    Facts(Box<GpuReport>),
}

impl Outcome {
    /// The error code, where there are no facts.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::NotRun { .. } => Some(codes::GPU_PROBE_NOT_RUN),
            Self::TimedOut { .. } => Some(codes::GPU_PROBE_TIMED_OUT),
            Self::Malformed { .. } => Some(codes::GPU_FACTS_MALFORMED),
            Self::Facts(_) => None,
        }
    }

    /// What the PCI bus shows, in every case.
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
            Ok(Ended::TimeOver) => Outcome::TimedOut { after: self.time_limit, hardware: self.hardware() },
            Ok(Ended::TooMuchOutput) => {
                self.malformed(format!("it printed more than {} bytes", self.output_limit_bytes))
            }
            Ok(Ended::ByItself { status, errors, .. }) if !status.success() => {
                let said = if errors.is_empty() { String::new() } else { format!(", and said: {errors}") };
                self.malformed(format!("it ended with {status}{said}"))
            }
            Ok(Ended::ByItself { output, .. }) => match GpuReport::read(&output) {
                Ok(report) => Outcome::Facts(Box::new(report)),
                Err(error) => self.malformed(with_sources(&error)),
            },
        }
    }

    fn malformed(&self, reason: String) -> Outcome {
        Outcome::Malformed { reason, hardware: self.hardware() }
    }

    /// Read only now, because the kernel's files of a hanging device can hang as well.
    fn hardware(&self) -> Hardware {
        Root::new(&self.root).hardware()
    }
}

/// An error and what caused it, in one line.
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
