//! What the site verbs share.

use std::sync::Arc;

use landfall_lifecycle::operations::Operations;

use crate::printer::Printer;
use crate::progress::Drawn;

/// Said wherever a development root is trusted.
pub(crate) const DEVELOPMENT_NOTE: &str =
    "DEVELOPMENT ROOT: this release is signed for development only, not for production";

/// Operations on this host that draw their progress.
pub(crate) fn operations(printer: Printer) -> Operations {
    Operations::new(Arc::new(Drawn::new(printer)))
}
