//! The `landfall` command: parse, run, and turn the class of an error into the exit code.

mod cli;
mod commands;
mod failure;
mod logging;
mod password;
mod printer;
mod progress;
mod shown;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use landfall_error_codes::codes;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
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

/// Ends with what clap says; as JSON where an error was to be JSON. Help and version are no errors.
fn not_understood(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || !std::env::args_os().any(|argument| argument == "--json") {
        // Nowhere is left to report that nothing can be reported.
        let _closed = error.print();
        return ExitCode::from(if error.use_stderr() { codes::BAD_ARGUMENT.class.exit_code() } else { 0 });
    }
    let said = error.render().to_string();
    let what: Vec<_> = said.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).collect();
    let what = what.join(" ");
    Printer::new(true).failure(&Failure::new(codes::BAD_ARGUMENT, what.trim_start_matches("error: ").trim()));
    ExitCode::from(codes::BAD_ARGUMENT.class.exit_code())
}
