//! The appliance: shows a site's state in a browser and as an API, and asks the host to act.
//!
//! The host is the only source of the displayed state (`host`). The database holds people, keys and the audit log, and
//! the console's observations of the last 24 hours (`trend`), on which no decision depends. Each request is checked
//! against one table of rights (`access`) before a page (`console`) or the API (`api`) answers it.
//!
//! Software asks what the license permits on a separate listener, which forwards signed answers and has no other route
//! (`answers`).
//!
//! The same program serves the package index of a site (`packages`), in separate pods, without any of the above.

mod access;
mod answers;
mod api;
mod approval;
mod audit;
mod certificate;
mod cli;
mod commands;
mod configuration;
mod console;
mod container;
mod context;
mod credentials;
mod database;
mod directory;
mod endpoint;
mod entries;
mod error;
mod forward;
mod host;
mod ingress;
mod listener;
mod metrics;
mod packages;
mod people;
mod printer;
mod queries;
mod refusal;
mod role;
mod server;
mod settings_files;
mod task;
#[cfg(test)]
mod testing;
mod trend;
mod turns;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the command that the process's arguments name. Returns the exit code of the error's class.
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = container::as_container_program(&arguments) {
        return code;
    }
    match commands::execute(cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer::error(&error);
            ExitCode::from(landfall_error_codes::CodedError::code(&error).class.exit_code())
        }
    }
}
