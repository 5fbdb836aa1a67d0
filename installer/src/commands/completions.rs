//! `landfall completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints completions for a shell.
#[expect(clippy::unnecessary_wraps, reason = "every command has one shape")]
pub(crate) fn run(shell: Shell, printer: Printer) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "landfall", &mut script);
    printer.data(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
