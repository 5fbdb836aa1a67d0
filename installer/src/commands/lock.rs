//! `landfall lock`: resolve what a release names against its registries, and pin it.

use landfall_builder::{LockOptions, LockReport, SourceOptions};

use crate::cli::{LockArguments, SourceArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Drawn;

impl Document for LockReport {
    const KIND: &'static str = "lock";
}

/// Resolves a lock.
pub(crate) fn run(arguments: LockArguments, printer: Printer) -> Result<(), Failure> {
    let options = LockOptions { source: source(arguments.release, arguments.source), output: arguments.output };
    let report = landfall_builder::lock(&options, &Drawn::new(printer))?;
    printer.report(&report, |report| {
        format!("{}: {} of {} entries newly resolved", report.lock.display(), report.resolved, report.entries)
    });
    Ok(())
}

/// Where a release's inputs come from, as the builder takes it.
pub(super) fn source(release: std::path::PathBuf, arguments: SourceArguments) -> SourceOptions {
    SourceOptions { release, lock: arguments.lock, registries: arguments.registries }
}
