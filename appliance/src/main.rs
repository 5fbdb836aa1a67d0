//! `landfall-appliance`: serves the console, and saves, loads and checks its database.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall_appliance::run()
}
