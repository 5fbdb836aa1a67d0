//! `landfall uninstall`: the machine becomes what it was, and data is kept unless a person names the site to delete it.

use std::fmt::Write;
use std::io::IsTerminal;

use landfall_error_codes::codes;
use landfall_lifecycle::operations::{DataWish, Operations, Uninstalled};

use super::site::operations_of_root;
use crate::cli::UninstallArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for Uninstalled {
    const KIND: &'static str = "uninstall";
}

/// Removes everything, or everything but data.
pub(crate) fn run(arguments: UninstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let wish = wish(arguments, &operations, printer)?;
    logging::keep(&operations.paths.logs(), "uninstall");
    let uninstalled = operations.uninstall(&wish)?;
    printer.report(&uninstalled, summary);
    Ok(())
}

fn wish(arguments: UninstallArguments, operations: &Operations, printer: Printer) -> Result<DataWish, Failure> {
    if !arguments.delete_data {
        return Ok(DataWish::Keep);
    }
    let confirmation = match arguments.confirm {
        Some(confirmation) => confirmation,
        None => typed_name(&operations.site_name()?, printer)?,
    };
    Ok(DataWish::Delete { confirmation })
}

/// Asks a person at a terminal for the name of the site.
fn typed_name(site: &str, printer: Printer) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        let what = "the data is not deleted: `--confirm NAME` is missing, and the command does not run at a terminal";
        return Err(Failure::new(codes::DELETION_UNCONFIRMED, what));
    }
    printer
        .question(&format!("all volumes and generated secrets of this site will be deleted; type its name ({site}):"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| {
        Failure::new(codes::DELETION_UNCONFIRMED, "the name cannot be read from the terminal").because(&error)
    })?;
    Ok(line.trim().to_owned())
}

/// What a person wants to know after an uninstall.
pub(crate) fn summary(uninstalled: &Uninstalled) -> String {
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
    if !uninstalled.kept.is_empty() {
        text.push_str(
            "\n`landfall install … --adopt-data` uses the data again; `landfall uninstall --delete-data` deletes it.",
        );
    }
    text
}
