//! `landfall node`: programs that systemd runs on a host.

use std::sync::Arc;

use landfall_agent::prepare;
use landfall_host::paths::SitePaths;
use landfall_lifecycle::operations::{EventFile, Operations};
use landfall_media::progress::{Event, Progress, SilentProgress};

use super::{change, help_files, host_api};
use crate::cli::{NodeCommand, PreparedProgram};
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// Runs the subcommand: a service until it is stopped, or a preparation until it ends.
pub(crate) fn run(command: &NodeCommand, printer: Printer) -> Result<(), Failure> {
    let paths = SitePaths::default();
    match command {
        NodeCommand::Run => landfall_agent::run(&paths)?,
        NodeCommand::Operate => operate(&paths)?,
        NodeCommand::Serve => host_api::run(&paths)?,
        NodeCommand::Measure => {
            Operations::new(Arc::new(SilentProgress)).measure_usage()?;
        }
        NodeCommand::Change(command) => change::run(command, printer)?,
        NodeCommand::WriteHelp { folder } => help_files::write(folder)?,
        NodeCommand::Prepare { program: PreparedProgram::Containerd } => prepare::containerd(&paths)?,
        NodeCommand::Prepare { program: PreparedProgram::Kubelet } => prepare::kubelet(&paths)?,
    }
    Ok(())
}

/// Finishes the open change. Its events are written to a file, so that followers can read the reason of a failure.
fn operate(paths: &SitePaths) -> Result<(), Failure> {
    let events: Arc<dyn Progress> = Arc::new(EventFile::begin(paths));
    logging::keep(&paths.logs(), "operate");
    let operations = Operations::new(events.clone());
    if let Some(id) = operations.correlation_of_latest() {
        events.event(Event::Note(format!("the console's request {id} asked for this")));
        logging::correlate(Some(id));
    }
    let ended = operations.operate();
    ended.map(drop).map_err(Failure::from).inspect_err(|failure| events.event(Event::Note(failure.text())))
}
