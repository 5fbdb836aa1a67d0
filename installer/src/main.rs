//! The `landfall` command: parses arguments, runs the command, and converts the class of an error to the exit code.

mod age;
mod bar;
mod cli;
mod commands;
mod count;
mod countdown;
mod document;
mod interrupts;
mod logging;
mod password;
mod printer;
mod progress;
mod secrets;
mod table;
mod terminal;
mod usage;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use landfall_error_codes::codes;
use landfall_facts::{failure, shown};
use mimalloc::MiMalloc;

use crate::failure::Failure;
use crate::printer::Printer;

/// Global allocator, for C code as well (feature `override`). The C library of the static target maps each large
/// allocation, returns it to the kernel when it is freed, and lets one thread allocate at a time (ADR 127).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::with_kubectl_apart(std::env::args_os());
    let cli = match cli::parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error, &arguments),
    };
    let printer = Printer::new(cli.json).quiet(cli.quiet);
    // Services log to systemd's journal.
    let is_service = matches!(cli.command, cli::Command::Node(_));
    logging::start(cli.verbose.max(is_service.into()), printer);
    match commands::run(cli, printer) {
        Ok(code) => code,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.code().class.exit_code())
        }
    }
}

/// Exits with clap's message, as JSON for an error with `--json`. Help and version are not errors.
fn not_understood(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Arguments after `--` are not for this program.
    let mut own = arguments.iter().take_while(|argument| *argument != "--");
    if !error.use_stderr() || !own.any(|argument| argument == "--json") {
        let printed = error.print();
        if error.use_stderr() {
            // If standard error is closed, nothing can be reported.
            return ExitCode::from(codes::BAD_ARGUMENT.class.exit_code());
        }
        return match printer::ignore_closed_pipe(printed.and_then(|()| std::io::stdout().flush())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                Printer::new(own.any(|argument| argument == "--json")).failure(&failure);
                ExitCode::from(failure.code().class.exit_code())
            }
        };
    }
    let said = error.render().to_string();
    let what: Vec<_> = said.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).collect();
    let what = what.join(" ");
    Printer::new(true).failure(&Failure::new(codes::BAD_ARGUMENT, what.trim_start_matches("error: ").trim()));
    ExitCode::from(codes::BAD_ARGUMENT.class.exit_code())
}
