//! `landfall node`: what systemd runs on a host.

use landfall_agent::prepare;
use landfall_host::paths::SitePaths;

use crate::cli::{NodeCommand, PreparedProgram};
use crate::failure::Failure;

/// Runs the agent until it is stopped, or a preparation to its end.
pub(crate) fn run(command: &NodeCommand) -> Result<(), Failure> {
    let paths = SitePaths::default();
    match command {
        NodeCommand::Run => landfall_agent::run(&paths)?,
        NodeCommand::Prepare { program: PreparedProgram::Containerd } => prepare::containerd(&paths)?,
        NodeCommand::Prepare { program: PreparedProgram::Kubelet } => prepare::kubelet(&paths)?,
    }
    Ok(())
}
