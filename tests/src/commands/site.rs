//! `cargo xtask site`: test machines for a person.

use anyhow::Result;

/// Starts, uses and ends test machines.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command.
pub fn run(_arguments: Arguments) -> Result<u8> {
    anyhow::bail!("this command is being built")
}
