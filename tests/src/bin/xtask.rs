//! The developers' commands, run as `cargo xtask`.

use std::process::ExitCode;

use clap::Parser;
use landfall_tests::{commands, printer};

/// Builds, tests and demonstrates Landfall on machines of its own.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints the performance table with ratios and byte counters, and writes it as JSON.
    Bench(commands::bench::Arguments),
    /// Puts charts of other projects through init, lock and build.
    Charts(commands::charts::Arguments),
    /// Builds the starter bundle, installs it on a disconnected machine, and proves use.
    Demo(commands::demo::Arguments),
    /// Makes what a release page holds.
    Dist(commands::dist::Arguments),
    /// Writes the documents that are made from code.
    Documents(commands::documents::Arguments),
    /// Gives every reader of hostile bytes inputs that libFuzzer makes.
    Fuzz(commands::fuzz::Arguments),
    /// Compares what `landfall-gpu` reports about this machine's GPUs with NVIDIA's own program.
    Gpu(commands::gpu::Arguments),
    /// Builds the real parts that tests and demo use.
    Images(commands::images::Arguments),
    /// Starts, uses and ends test machines.
    Site(commands::site::Arguments),
    /// Runs everything that CI runs.
    Test(commands::test::Arguments),
    /// Runs the scenarios that need a stock Debian under its own kernel, on virtual machines.
    Vm(commands::vm::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Charts(arguments) => commands::charts::run(&arguments),
        Command::Demo(arguments) => commands::demo::run(&arguments),
        Command::Dist(arguments) => commands::dist::run(&arguments),
        Command::Documents(arguments) => commands::documents::run(&arguments),
        Command::Fuzz(arguments) => commands::fuzz::run(&arguments),
        Command::Gpu(arguments) => commands::gpu::run(&arguments),
        Command::Images(arguments) => commands::images::run(&arguments),
        Command::Site(arguments) => commands::site::run(arguments),
        Command::Test(arguments) => commands::test::run(&arguments),
        Command::Vm(arguments) => commands::vm::run(&arguments),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer::failure(&error);
            ExitCode::FAILURE
        }
    }
}
