//! A person at a terminal: a command that deletes data asks for the name of the site, and only that name confirms it.

use anyhow::{Result, ensure};
use landfall_xtask::site::Output;

use super::engineer::{Engineer, VERB_LIMIT};

/// Command that deletes data.
const DELETION: &str = "uninstall --delete-data";

/// Answers a verb's question with a line, in a separate terminal.
fn answer(engineer: Engineer<'_>, verb: &str, line: &str) -> Result<Output> {
    let program = engineer.program()?;
    let at_a_terminal = format!("timeout {VERB_LIMIT} script --quiet --return --command '{program} {verb}' /dev/null");
    engineer.machine().try_run(&format!("printf '%s\\n' '{line}' | {at_a_terminal}"))
}

/// Fails unless a wrong name is refused and changes nothing.
pub(crate) fn refuses_a_wrong_name(engineer: Engineer<'_>) -> Result<()> {
    let before = engineer.status()?;
    let said = answer(engineer, DELETION, "another-site")?;
    ensure!(said.status.code() == Some(2), "a wrong name ended with {}: {}", said.status, said.stdout);
    ensure!(said.stdout.contains("type the name of this site") && said.stdout.contains("LF4025"), "{}", said.stdout);
    let after = engineer.status()?;
    ensure!(after["state"] == before["state"], "a wrong name changed the site: {after:#}");
    Ok(())
}

/// Uninstalls with all data, like a user who types the name of the site.
pub(crate) fn uninstalls_by_name(engineer: Engineer<'_>) -> Result<()> {
    let name = engineer.machine().run("hostname")?.stdout;
    let said = answer(engineer, DELETION, name.trim())?;
    ensure!(said.status.success(), "the name of the site ended with {}: {}", said.status, said.stdout);
    Ok(())
}
