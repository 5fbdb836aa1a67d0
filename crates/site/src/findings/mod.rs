//! Findings about a host, a release and a site: their words, names and order, and the acceptance of warnings.

mod acceptance;
mod catalog;
mod finding;
mod shell;

use landfall_error_codes::Code;

pub use acceptance::{accept, accepted_warnings, refuse_unknown};
pub use finding::{Finding, Severity, sort};
pub use shell::quote;

/// Returns the name of the findings of a code, which is the same in all versions.
pub fn finding_name(code: Code) -> &'static str {
    catalog::entry(code.id).name
}
