//! `landfall uninstall`: restores the machine's earlier state. Data is kept, unless a person names the site to delete
//! it.

use std::fmt::Write;

use landfall_lifecycle::operations::{DataDisposal, Operations, UninstallOutcome};

use super::confirmation::site_named;
use super::site::operations_of_root;
use crate::cli::UninstallArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for UninstallOutcome {
    const KIND: &'static str = "uninstall";
}

/// Removes everything, or everything except data.
pub(crate) fn run(arguments: UninstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let data = disposal(arguments, &operations, printer)?;
    logging::keep(&operations.paths.logs(), "uninstall");
    let uninstalled = operations.uninstall(&data)?;
    printer.report(&uninstalled, summary)?;
    Ok(())
}

fn disposal(arguments: UninstallArguments, operations: &Operations, printer: Printer) -> Result<DataDisposal, Failure> {
    if !arguments.delete_data {
        return Ok(DataDisposal::Keep);
    }
    let loss = "all volumes, generated secrets and backups of this site will be deleted";
    let confirmation = site_named(arguments.confirm, operations, loss, printer)?;
    Ok(DataDisposal::Delete { confirmation })
}

/// Text after an uninstall.
pub(crate) fn summary(uninstalled: &UninstallOutcome) -> String {
    let mut text = match (&uninstalled.release, uninstalled.kept.is_empty()) {
        (Some(release), true) => format!("{release} is uninstalled; this machine is as it was"),
        (Some(release), false) => format!("{release} is uninstalled; its data is kept"),
        (None, _) => "nothing is installed on this machine".to_owned(),
    };
    for kept in &uninstalled.kept {
        let _infallible = write!(text, "\nkept: {}", kept.display());
    }
    for volume in &uninstalled.volumes {
        let component = volume.component.as_deref().map(|name| format!(" of {name}")).unwrap_or_default();
        let _infallible = write!(text, "\n  {}/{}{component}: {}", volume.namespace, volume.claim, volume.folder);
    }
    if let Some(pack) = &uninstalled.host_pack {
        let _infallible = write!(text, "\nthe packages of the host pack {pack} are removed");
    }
    if !uninstalled.kept.is_empty() {
        text.push_str(
            "\n`landfall install … --adopt-data` uses the data again; `landfall uninstall --delete-data` deletes it.",
        );
    }
    text
}
