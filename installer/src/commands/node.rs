//! `landfall node run`: the host agent.

use landfall_host::paths::SitePaths;

use crate::cli::NodeCommand;
use crate::failure::Failure;
use crate::logging;

/// Runs the agent until it is told to stop.
pub(crate) fn run(command: &NodeCommand) -> Result<(), Failure> {
    match command {
        NodeCommand::Run => {
            let paths = SitePaths::default();
            logging::keep(&paths.logs(), "agent");
            Ok(landfall_agent::run(&paths)?)
        }
    }
}
