//! Common functions of the commands for a site.

use std::sync::Arc;

use landfall_error_codes::codes;
use landfall_lifecycle::operations::Operations;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;

/// Note for each use of a development root.
pub(crate) const DEVELOPMENT_NOTE: &str =
    "DEVELOPMENT ROOT: this release is signed for development only, not for production";

/// Operations that require root: only root may read journal and secrets.
pub(crate) fn operations_of_root(printer: Printer) -> Result<Operations, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(operations(printer));
    }
    let next = "Run the same command as root: write `sudo` before it.";
    Err(Failure::new(codes::NOT_ROOT, "this command reads and changes what belongs to root").next(next))
}

/// Operations on this host with visible progress.
pub(crate) fn operations(printer: Printer) -> Operations {
    Operations::new(Arc::new(TerminalProgress::new(printer)))
}
