//! Pages and scripts that a command writes beside what it prints.

use std::path::Path;

use askama::Template;
use landfall_error_codes::codes;
use landfall_media::durable;

use crate::failure::Failure;
use crate::printer::Printer;

/// Anyone who gets a page or a script may read it: it holds no secrets.
const FILE_MODE: u32 = 0o644;

/// The text of a page.
pub(super) fn rendered(page: &impl Template) -> Result<String, Failure> {
    page.render().map_err(|error| Failure::new(codes::BUG, "the page cannot be made").because(&error))
}

/// Writes a page or a script to the file that a person asked for; on the disk when this returns.
pub(super) fn write(path: &Path, text: &str, printer: Printer) -> Result<(), Failure> {
    durable::write_file(path, text.as_bytes(), FILE_MODE)?;
    printer.note(&format!("written: {}", path.display()));
    Ok(())
}
