//! Checks of the handbook's statements about a host.

use anyhow::{Context, Result, anyhow, ensure};
use landfall_xtask::site::Machine;
use landfall_xtask::workspace;

/// Prompt of a command in an example.
const PROMPT: &str = "site# ";

/// Page with the tables of paths.
const FILES: &str = "reference/files";

/// Fails if an installed machine has files or mounts that the handbook does not name.
pub(crate) fn expect_to_name_everything(machine: &Machine) -> Result<()> {
    let named = paths()?;
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    // Files in root's home folder belong to the user who follows the page.
    let mut rest = machine.files_since_birth()?.outside(&[&named[..], &["/root"]].concat());
    // A folder's entry changes with its contents.
    rest.changes.retain(|change| !named.iter().any(|path| path.starts_with(&format!("{}/", change.item))));
    ensure!(rest.is_empty(), "docs/reference/files.md does not name:\n{rest}");
    Ok(())
}

/// Returns the commands of a page's examples before its first section, in order. A page is rehearsed by running its
/// commands.
pub(crate) fn commands(name: &str) -> Result<Vec<String>> {
    let text = page(name)?;
    let page = text.split("\n#").next().unwrap_or_default();
    let commands: Vec<_> =
        page.lines().filter_map(|line| line.trim_start().strip_prefix(PROMPT)).map(str::to_owned).collect();
    ensure!(!commands.is_empty(), "the page {name} has no commands");
    Ok(commands)
}

/// Returns the arguments of each command of a page. Fails unless the page has this number of commands, all of them
/// `landfall`. Names in the examples are replaced by those of a test.
pub(crate) fn arguments<const COUNT: usize>(page: &str, replaced: &[(&str, &str)]) -> Result<[Vec<String>; COUNT]> {
    let words = |command: String| -> Result<Vec<String>> {
        let command = replaced.iter().fold(command, |command, (from, to)| command.replace(from, to));
        let rest = command.strip_prefix("landfall ");
        let rest = rest.with_context(|| format!("the page {page} has another program: {command}"))?;
        Ok(rest.split_whitespace().map(str::to_owned).collect())
    };
    let all = commands(page)?.into_iter().map(words).collect::<Result<Vec<_>>>()?;
    let count = all.len();
    all.try_into().map_err(|_| anyhow!("the page {page} has {count} commands, not {COUNT}"))
}

/// Types a command of a page unmodified, and returns its output. Fails unless it ends with one of these codes.
pub(crate) fn types(machine: &Machine, command: &str, codes: &[i32]) -> Result<String> {
    let output = machine.try_run(command)?;
    let code = output.status.code().unwrap_or(-1);
    ensure!(codes.contains(&code), "`{command}` ended with {code}: {}{}", output.stdout, output.stderr);
    Ok(output.stdout)
}

/// Reads a page of the handbook.
fn page(name: &str) -> Result<String> {
    let file = workspace::root().join("docs").join(name).with_extension("md");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// Returns the paths in the first columns of the page's tables.
fn paths() -> Result<Vec<String>> {
    let text = page(FILES)?;
    let first_columns = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let paths: Vec<String> = first_columns
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
        .collect();
    ensure!(paths.len() > 10, "the tables name only {paths:?}");
    Ok(paths)
}

#[test]
fn handbook_pages_have_tested_commands() {
    let [dry_run, upgrade] = arguments("operate/upgrade", &[("/media/stick", "/media/other")]).unwrap();
    assert_eq!([dry_run.join(" "), upgrade.join(" ")], ["upgrade /media/other --dry-run", "upgrade /media/other"]);
    let [_list, _log, restore] = arguments("operate/point-in-time", &[]).unwrap();
    assert_eq!(restore[..3], ["restore", "--component", "postgres"]);
    let [look, resume, again, prove] = arguments("field/runbooks/failed-undo", &[]).unwrap();
    assert_eq!([look, resume, again, prove].concat(), ["status", "resume", "status", "prove"]);
    let [token, why, log, restore] = arguments("field/runbooks/lost-administrator", &[]).unwrap();
    assert_eq!([token, why, log, restore].map(|words| words[0].clone()), ["console", "status", "logs", "restore"]);
    let [show, _status, import, _again] = arguments("field/runbooks/expired-license", &[]).unwrap();
    assert_eq!([show.join(" "), import[..2].join(" ")], ["license show", "license import"]);
    assert_eq!(commands("field/runbooks/wrong-clock").unwrap().last().unwrap(), "landfall license confirm-date");
    assert!(commands("field/runbooks/certificate").unwrap().contains(&"landfall console".to_owned()));
    let another = commands("operate/new-key").unwrap();
    assert_eq!(another.len(), 5);
    assert_eq!([another[0].as_str(), another[4].as_str()], ["landfall backup key rotate", "landfall backup key"]);
    assert!(arguments::<3>("operate/upgrade", &[]).unwrap_err().to_string().contains("has 2 commands, not 3"));
    let other = arguments::<3>("field/runbooks/full-disk", &[]).unwrap_err().to_string();
    assert!(other.contains("another program: du "), "{other}");
}
