//! `landfall replaced-data`: lists or removes data that undone changes found in volumes and kept.

use landfall_documents::replaced_data::ReplacedData;
use landfall_lifecycle::operations::RemovedReplacedData;
use landfall_lifecycle::replaced_data;
use schemars::JsonSchema;
use serde::Serialize;

use super::confirmation::site_named;
use super::site::operations_of_root;
use crate::cli::{ReplacedDataCommand, ReplacedDataRemoveArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// All replaced data on this site.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplacedDataList {
    /// Replaced data, in the order of the names.
    replaced_data: Vec<ReplacedData>,
}

impl Document for ReplacedDataList {
    const KIND: &'static str = "replacedData";
}

impl Document for RemovedReplacedData {
    const KIND: &'static str = "removedReplacedData";
}

/// Runs the subcommand.
pub(crate) fn run(command: ReplacedDataCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        ReplacedDataCommand::List => list(printer),
        ReplacedDataCommand::Remove(arguments) => remove(arguments, printer),
    }
}

fn list(printer: Printer) -> Result<(), Failure> {
    let list = ReplacedDataList { replaced_data: operations_of_root(printer)?.replaced_data()? };
    printer.report(&list, |list| text(&list.replaced_data))?;
    Ok(())
}

fn remove(arguments: ReplacedDataRemoveArguments, printer: Printer) -> Result<(), Failure> {
    let ReplacedDataRemoveArguments { name, confirm } = arguments;
    let operations = operations_of_root(printer)?;
    let replaced = operations.find_replaced_data(&name)?;
    let loss = format!("{}, and will be lost", replaced_data::text(&replaced));
    let confirmation = site_named(confirm, &operations, &loss, printer)?;
    logging::keep(&operations.paths.logs(), "replaced-data");
    let removed = operations.remove_replaced_data(&name, &confirmation)?;
    printer.report(&removed, |removed| format!("{} is removed", removed.removed.path.display()))?;
    Ok(())
}

fn text(replaced: &[ReplacedData]) -> String {
    if replaced.is_empty() {
        return "no undone change has kept data on this machine".to_owned();
    }
    let lines = replaced.iter().map(|replaced| format!("{}: {}", replaced.name, replaced_data::text(replaced)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_shows_claim_path_and_size() {
        let name = "after-upgrade.0f12ab34.pvc-1_postgres_data-postgres-0";
        let replaced = ReplacedData {
            name: name.to_owned(),
            path: format!("/var/lib/landfall/storage/{name}").into(),
            size_bytes: 3 << 30,
            claim: Some("postgres/data-postgres-0".to_owned()),
        };
        insta::assert_snapshot!(text(&[replaced]));
        assert_eq!(text(&[]), "no undone change has kept data on this machine");
    }
}
