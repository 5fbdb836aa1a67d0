//! `landfall facts`: what an install depends on at this host, for `install --dry-run --facts` elsewhere.

use landfall_host::facts::{self, Facts};
use landfall_host::paths::SitePaths;

use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for Facts {
    const KIND: &'static str = facts::KIND;
    const SCHEMA: u32 = facts::SCHEMA;
}

/// Prints the facts; there is one form of them, which programs read.
pub(crate) fn run() -> Result<(), Failure> {
    Printer::new(true).report(&facts::collect_measured(&SitePaths::default())?, |_| String::new());
    Ok(())
}
