//! `landfall facts`: what an install depends on at this host, for programs, and as a page for people.

mod gpus;
mod page;
mod rows;
#[cfg(test)]
mod tests;

use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_host::paths::SitePaths;
use landfall_media::durable;

use crate::cli::FactsArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Anyone who gets a page may read it: it holds no secrets.
const FILE_MODE: u32 = 0o644;

impl Document for Facts {
    const KIND: &'static str = facts::KIND;
    const SCHEMA: u32 = facts::SCHEMA;
}

/// Prints the facts of this host, or of the one that a file describes. There is one printed form, which programs read; the page that is
/// asked for is on the disk when this returns.
pub(crate) fn run(arguments: &FactsArguments, printer: Printer) -> Result<(), Failure> {
    let facts = if let Some(file) = &arguments.facts {
        Facts::read(file)?
    } else {
        let paths = SitePaths::default();
        facts::collect_measured(&paths, &ProbedGpus::now(&paths))?
    };
    if let Some(path) = &arguments.html {
        durable::write_file(path, page::page(&facts)?.as_bytes(), FILE_MODE)?;
        printer.note(&format!("written: {}", path.display()));
    }
    Printer::new(true).report(&facts, |_| String::new());
    Ok(())
}
