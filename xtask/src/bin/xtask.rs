//! The developers' commands, run as `cargo xtask`.

use std::process::ExitCode;

use clap::Parser;
use landfall_xtask::{commands, printer};

/// Build, test and demonstrate Landfall on machines of its own.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the performance table with ratios and byte counters, and write it as JSON.
    Bench(commands::bench::Arguments),
    /// Put charts of other projects through init, lock and build.
    Charts(commands::charts::Arguments),
    /// Build the starter bundle, install it on a disconnected machine, and prove use.
    Demo(commands::demo::Arguments),
    /// Build the files of a release page.
    Dist(commands::dist::Arguments),
    /// Write the documents that are generated from code.
    Documents(commands::documents::Arguments),
    /// Test every reader of hostile bytes with inputs from libFuzzer.
    Fuzz(commands::fuzz::Arguments),
    /// Compare the report of `landfall-gpu` about this machine's GPUs with NVIDIA's own program.
    Gpu(commands::gpu::Arguments),
    /// Build the real parts that tests and demo use.
    Images(commands::images::Arguments),
    /// Start, use and end test machines.
    Site(commands::site::Arguments),
    /// Write the linker script that places the code of the program's start together.
    StartOrder(commands::start_order::Arguments),
    /// Run everything that CI runs.
    Test(commands::test::Arguments),
    /// Run the scenarios that need a stock Debian under its own kernel, on virtual machines.
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
        Command::StartOrder(arguments) => commands::start_order::run(&arguments),
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
