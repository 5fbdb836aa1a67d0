//! One file per command. Each takes its arguments, resolves them, calls a library, and reports.

mod completions;
mod errors;
mod key;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli, printer: Printer) -> Result<(), Failure> {
    match cli.command {
        Command::Key(command) => key::run(command, printer),
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Errors => errors::run(printer),
        _ => Err(Failure::new(landfall_bundle_spec::codes::BUG, "this command is not wired yet")),
    }
}
