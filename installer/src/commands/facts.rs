//! `landfall facts`: what an install depends on at this host, for `install --dry-run --facts` elsewhere.

use landfall_host::facts;
use landfall_host::paths::SitePaths;

use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the facts; there is one form of them, which programs read.
pub(crate) fn run() -> Result<(), Failure> {
    Printer::new(true).report(&facts::collect(&SitePaths::default())?, |_| String::new());
    Ok(())
}
