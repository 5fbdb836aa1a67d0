//! The `landfall` command: parse, run, and turn the class of an error into the exit code.

mod cli;
mod commands;
mod failure;
mod logging;
mod password;
mod printer;
mod progress;
mod trust;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.json);
    logging::start(cli.verbose);
    match commands::run(cli, printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.code().class.exit_code())
        }
    }
}
