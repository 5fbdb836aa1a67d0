//! `landfall facts`: prints the facts of this host on which an install depends, for programs, or writes them as a page
//! for people.

mod page;
#[cfg(test)]
mod tests;

use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_host::paths::SitePaths;
use landfall_media::durable;

use super::pages;
use crate::cli::FactsArguments;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::printer::Printer;

/// Mode of the files: facts contain no secrets.
const FILE_MODE: u32 = 0o644;

impl Document for Facts {
    const KIND: &'static str = facts::KIND;
    const SCHEMA: u32 = facts::SCHEMA;
}

/// Prints the facts of this host, or those in a file. There is only one printed form, for programs; the requested files
/// are synced to disk on return.
pub(crate) fn run(arguments: &FactsArguments, printer: Printer) -> Result<(), Failure> {
    [&arguments.html, &arguments.output].into_iter().flatten().try_for_each(|path| pages::refuse_unwritable(path))?;
    let facts = if let Some(file) = &arguments.file {
        Facts::read(file)?
    } else {
        let paths = SitePaths::default();
        facts::collect_measured(&paths, &ProbedGpus::now(&paths))?
    };
    if let Some(path) = &arguments.html {
        pages::write(path, &page::page(&facts)?, printer)?;
    }
    let Some(output) = &arguments.output else {
        return Printer::new(true).report(&facts, |_| String::new());
    };
    durable::write_file(output, (document::pretty(&facts) + "\n").as_bytes(), FILE_MODE)?;
    printer.note(&format!("written: {}", output.display()));
    Ok(())
}
