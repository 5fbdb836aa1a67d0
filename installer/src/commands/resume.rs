//! `landfall resume`: finishes an interrupted operation.

use landfall_lifecycle::operations::ResumeOutcome;

use super::site::operations_of_root;
use super::{configure, install, restore, uninstall, upgrade};
use crate::cli::ResumeArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for ResumeOutcome {
    const KIND: &'static str = "resume";
}

/// Finishes the unfinished operation.
pub(crate) fn run(arguments: ResumeArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "resume");
    let resumed = operations.resume(arguments.bundle)?;
    printer.report(&resumed, |resumed| match resumed {
        ResumeOutcome::Install(installed) => install::summary(installed),
        ResumeOutcome::Configure(configured) => configure::summary(configured),
        ResumeOutcome::Upgrade(upgraded) => upgrade::summary("is installed", upgraded),
        ResumeOutcome::Rollback(upgraded) => upgrade::summary("is installed again", upgraded),
        ResumeOutcome::Restore(restored) => restore::summary(restored),
        ResumeOutcome::Uninstall(uninstalled) => uninstall::summary(uninstalled),
        ResumeOutcome::Nothing { release } => format!("nothing is unfinished: {release} is installed"),
    })?;
    Ok(())
}
