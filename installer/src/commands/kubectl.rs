//! `landfall kubectl`: runs the site's own kubectl as the cluster's administrator.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use landfall_error_codes::codes;

use super::site::operations_of_root;
use crate::cli::KubectlArguments;
use crate::failure::Failure;
use crate::printer::Printer;

/// Replaces this process with kubectl, so that streams, signals and exit code are its own.
pub(crate) fn run(arguments: KubectlArguments) -> Result<ExitCode, Failure> {
    let mut kubectl = operations_of_root(Printer::new(false))?.kubectl()?;
    become_program(kubectl.args(arguments.arguments)).map(|never| match never {})
}

/// Replaces this process with another program; returns only on failure.
pub(super) fn become_program(command: &mut Command) -> Result<Infallible, Failure> {
    Err(not_started(&command.exec()))
}

/// Failure to start kubectl.
pub(super) fn not_started(error: &std::io::Error) -> Failure {
    Failure::new(codes::ADMINISTRATION, "the site's kubectl cannot be started").because(error)
}
