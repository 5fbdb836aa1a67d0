//! The handbook's statements about a host are true.

use anyhow::{Context, Result, ensure};
use landfall_tests::site::Machine;
use landfall_tests::workspace;

/// Begins a command in an example.
const PROMPT: &str = "site# ";

/// The section with the tables of paths.
const SECTION: &str = "## Where files are stored";

/// Fails if an installed machine has files or mounts that the handbook does not name.
pub(crate) fn expect_to_name_everything(machine: &Machine) -> Result<()> {
    let named = paths()?;
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let mut rest = machine.files_since_birth()?.outside(&named);
    // A folder changes with its contents.
    rest.changes.retain(|change| !named.iter().any(|path| path.starts_with(&format!("{}/", change.item))));
    ensure!(rest.is_empty(), "docs/OPERATE.md does not name:\n{rest}");
    Ok(())
}

/// The commands of a page's examples, in order: a page whose commands are run is rehearsed.
pub(crate) fn commands(heading: &str) -> Result<Vec<String>> {
    let text = handbook()?;
    let (_, page) = text.split_once(heading).with_context(|| format!("there is no {heading:?}"))?;
    let page = page.split("\n#").next().unwrap_or_default();
    let commands: Vec<_> =
        page.lines().filter_map(|line| line.trim_start().strip_prefix(PROMPT)).map(str::to_owned).collect();
    ensure!(!commands.is_empty(), "the page {heading:?} has no commands");
    Ok(commands)
}

fn handbook() -> Result<String> {
    let file = workspace::root().join("docs/OPERATE.md");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// The paths in the first columns of the section's tables.
fn paths() -> Result<Vec<String>> {
    let text = handbook()?;
    let (_, section) = text.split_once(SECTION).with_context(|| format!("there is no {SECTION:?}"))?;
    let first_columns = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let paths: Vec<String> = first_columns
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
        .collect();
    ensure!(paths.len() > 10, "the tables name only {paths:?}");
    Ok(paths)
}
