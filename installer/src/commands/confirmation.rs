//! Confirmation by the site's name, for commands that delete or replace data.

use std::io::IsTerminal;

use landfall_error_codes::cases;
use landfall_lifecycle::operations::Operations;

use crate::failure::Failure;
use crate::printer::Printer;

/// Name of the site from the command line, or typed at a terminal. `loss` describes the data that will be lost.
pub(super) fn site_named(
    given: Option<String>,
    operations: &Operations,
    loss: &str,
    printer: Printer,
) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if !std::io::stdin().is_terminal() {
        let what = "no data is changed: `--confirm NAME` is missing, and the command does not run at a terminal";
        return Err(Failure::in_case(cases::CONFIRMATION_NO_TERMINAL, what));
    }
    let site = operations.site_name()?;
    printer.question(&format!("{loss}; type the name of this site ({site}):"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| {
        Failure::in_case(cases::CONFIRMATION_UNREAD, "the name cannot be read from the terminal").because(&error)
    })?;
    if line.is_empty() {
        return Err(Failure::in_case(cases::CONFIRMATION_UNREAD, "no name was typed; no data is changed"));
    }
    Ok(line.trim().to_owned())
}
