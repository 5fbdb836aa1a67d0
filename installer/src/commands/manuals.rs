//! `landfall manuals`: manual pages, generated from the help of the commands.

use std::path::Path;

use clap::CommandFactory;
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{Cli, ManualsArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// What was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Written {
    /// The files, such as `landfall-status.1`.
    pages: Vec<String>,
}

impl Document for Written {
    const KIND: &'static str = "manuals";
}

/// A page: the name of its file, and its text.
pub(super) type Page = (String, Vec<u8>);

/// Writes the pages.
pub(crate) fn run(arguments: &ManualsArguments, printer: Printer) -> Result<(), Failure> {
    let folder = &arguments.output;
    let pages = pages()?;
    write(folder, &pages)?;
    let written = Written { pages: pages.into_iter().map(|(name, _)| name).collect() };
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

/// A page for `landfall` and one for each command that is not hidden.
pub(super) fn pages() -> Result<Vec<Page>, Failure> {
    let mut pages = Vec::new();
    let mut command = Cli::command();
    command.build();
    collect(&command, "landfall", &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<Page>) -> Result<(), Failure> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    page.render(&mut text)
        .map_err(|error| Failure::new(codes::BUG, format!("the page of {name} cannot be made")).because(&error))?;
    pages.push((format!("{name}.1"), text));
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    below.into_iter().try_for_each(|below| collect(below, &format!("{name}-{}", below.get_name()), pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_says_what_it_does() {
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
        assert!(!pages.iter().any(|(name, _)| name.contains("errors") || name.contains("-help")));
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pages).unwrap();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), pages.len());
    }
}
