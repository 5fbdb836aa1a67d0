//! The appliance: shows a site's state in a browser and as an API, and asks the host to act.
//!
//! The host is the only source of what is shown (`host`); the database holds people, keys and the audit log, and what the
//! console saw in the last 24 hours (`trend`), by which nothing decides. Each request passes one table of rights (`access`)
//! before a page (`console`) or the API (`api`) answers it.
//!
//! Software asks what the license allows at a listener of its own, which passes signed answers on and has no other route
//! (`answers`).
//!
//! The same program serves the package index of a site (`packages`), in pods of its own, without any of that.

mod access;
mod answers;
mod api;
mod approval;
mod audit;
mod cli;
mod commands;
mod configuration;
mod console;
mod container;
mod context;
mod database;
mod directory;
mod endpoint;
mod error;
mod forward;
mod host;
mod ingress;
mod packages;
mod people;
mod printer;
mod refusal;
mod server;
mod task;
#[cfg(test)]
mod testing;
mod trend;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the command that the process's arguments name. Returns the exit code that its error's class has.
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = container::as_container_program(&arguments) {
        return code;
    }
    match commands::execute(cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer::error(&error);
            ExitCode::from(landfall_error_codes::Coded::code(&error).class.exit_code())
        }
    }
}
