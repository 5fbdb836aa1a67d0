//! `landfall manuals`: writes manual pages, generated from the help of the commands.

use std::fmt::Write as _;
use std::path::Path;

use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{self, ManualsArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Written manual pages.
#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenManuals {
    /// Files, such as `landfall-status.1`.
    pages: Vec<String>,
}

impl Document for WrittenManuals {
    const KIND: &'static str = "manuals";
}

/// Name of the program.
const PROGRAM: &str = "landfall";

/// A page: name of its file, and text.
pub(super) type Page = (String, Vec<u8>);

/// Writes the pages.
pub(crate) fn run(arguments: &ManualsArguments, printer: Printer) -> Result<(), Failure> {
    let folder = &arguments.output;
    let pages = pages()?;
    write(folder, &pages)?;
    let written = WrittenManuals { pages: pages.into_iter().map(|(name, _)| name).collect() };
    printer.report(&written, |written| format!("{} manual pages are in {}", written.pages.len(), folder.display()))?;
    Ok(())
}

fn write(folder: &Path, pages: &[Page]) -> Result<(), Failure> {
    durable::create_folder(folder)?;
    for (name, text) in pages {
        durable::write_file(&folder.join(name), text, 0o644)?;
    }
    Ok(())
}

/// A page for `landfall`, and one for each visible command.
pub(super) fn pages() -> Result<Vec<Page>, Failure> {
    let mut pages = Vec::new();
    let mut command = cli::command();
    command.build();
    collect(&command, &[PROGRAM], &mut pages)?;
    Ok(pages)
}

/// Adds the page of the command with these words, and those of its subcommands.
fn collect(command: &clap::Command, words: &[&str], pages: &mut Vec<Page>) -> Result<(), Failure> {
    let name = words.join("-");
    let text = render_manual(command, words)
        .map_err(|error| Failure::new(codes::BUG, format!("the page of {name} cannot be made")).because(&error))?;
    pages.push((format!("{name}.1"), text));
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    below.into_iter().try_for_each(|below| collect(below, &[words, &[below.get_name()][..]].concat(), pages))
}

/// Renders a page: the help, with separate sections for commands by audience, examples and exit codes.
fn render_manual(command: &clap::Command, words: &[&str]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone()).title(words.join("-").to_uppercase());
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    let is_program = words == [PROGRAM];
    if is_program {
        for (heading, commands) in cli::command_groups(command) {
            text.extend(commands_section(heading, &commands).into_bytes());
        }
    } else if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    page.render_options_section(&mut text)?;
    let examples = cli::examples_of(&words[1..].join(" ")).join("\n");
    text.extend(verbatim("EXAMPLES", &examples).into_bytes());
    if is_program {
        text.extend(verbatim("EXIT STATUS", &cli::exit_codes()).into_bytes());
    }
    page.render_version_section(&mut text)?;
    Ok(text)
}

/// A section that lists commands with their descriptions.
fn commands_section(heading: &str, commands: &[&clap::Command]) -> String {
    let mut text = format!(".SH {}\n", escape_roff(&heading.to_uppercase()));
    for command in commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _infallible =
            writeln!(text, ".TP\n{PROGRAM}\\-{}(1)\n{}", escape_roff(command.get_name()), escape_roff(&about));
    }
    text
}

/// A section with unchanged lines; empty without lines.
fn verbatim(heading: &str, lines: &str) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lines.lines().map(escape_roff).collect();
    format!(".SH \"{heading}\"\n.nf\n{}\n.fi\n", lines.join("\n"))
}

/// Escapes a line of text for roff.
fn escape_roff(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_manual_pages() {
        let pages = pages().unwrap();
        let text = |name: &str| {
            let (_, text) = pages.iter().find(|(file, _)| file == name).unwrap();
            String::from_utf8(text.clone()).unwrap()
        };
        for name in ["landfall.1", "landfall-sbom.1", "landfall-trust-sign.1", "landfall-backup-run.1"] {
            assert!(text(name).contains(".SH NAME") && text(name).contains(".SH SYNOPSIS"), "{name}");
        }
        assert!(
            text("landfall-trust-sign.1").contains("sign-command")
                || text("landfall-trust-sign.1").contains("sign\\-command")
        );
        assert!(text("landfall-backup-key-rotate.1").contains(".SH \"EXAMPLES\"\n.nf\nlandfall backup key rotate\n"));
        assert!(text("landfall-replaced-data-list.1").contains("\nlandfall replaced\\-data list\n"));
        let program = text("landfall.1");
        assert!(program.contains(".SH FOR A VENDOR, WHO BUILDS RELEASES\n.TP\nlandfall\\-init(1)\n"), "{program}");
        assert!(program.contains(".SH \"EXIT STATUS\"") && program.contains("landfall\\-explain(1)"), "{program}");
        assert!(!pages.iter().any(|(name, _)| name.contains("-help")));
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pages).unwrap();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), pages.len());
    }
}
