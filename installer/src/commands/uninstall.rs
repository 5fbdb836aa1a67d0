//! `landfall uninstall`: the machine becomes what it was.

use std::fmt::Write;

use landfall_lifecycle::operations::Uninstalled;

use super::site::operations_of_root;
use crate::cli::UninstallArguments;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// Takes everything back.
pub(crate) fn run(arguments: &UninstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "uninstall");
    let uninstalled = operations.uninstall(arguments.keep_data)?;
    printer.report(&uninstalled, summary);
    Ok(())
}

/// What a person wants to know after an uninstall.
pub(crate) fn summary(uninstalled: &Uninstalled) -> String {
    let mut text = match &uninstalled.release {
        Some(release) => format!("{release} is taken back; this machine is as it was"),
        None => "nothing is installed on this machine".to_owned(),
    };
    for kept in &uninstalled.kept {
        let _infallible = write!(text, "\nkept: {}", kept.display());
    }
    text
}
