//! `landfall values`: prints names of this site for completion in a shell. Errors are silent there.

use std::collections::BTreeSet;

use super::site::operations_of_root;
use crate::cli::ValueKind;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the names, one per line.
pub(crate) fn run(kind: ValueKind, printer: Printer) -> Result<(), Failure> {
    let kept = operations_of_root(printer)?.kept_releases()?;
    let names: BTreeSet<String> = match kind {
        ValueKind::Components => {
            let installed = kept.into_iter().filter(|(status, _)| status.installed).filter_map(|(_, head)| head);
            let names = |release: &landfall_release_document::ReleaseDocument| -> Vec<String> {
                release.components.iter().map(|component| component.name.clone()).collect()
            };
            installed.flat_map(|head| names(&head.release)).collect()
        }
        ValueKind::Releases => {
            let earlier = kept.into_iter().filter(|(status, _)| !status.installed);
            earlier.map(|(status, _)| status.version).collect()
        }
    };
    printer.data(&names.into_iter().collect::<Vec<_>>().join("\n"))
}
