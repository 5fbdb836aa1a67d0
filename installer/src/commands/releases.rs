//! `landfall releases`: what is installed, and where a rollback would lead.

use landfall_lifecycle::operations::{KeptReleaseStatus, Operations};
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::ReleasesArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// The releases that a site keeps.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseList {
    /// The releases, the installed one first.
    releases: Vec<KeptReleaseStatus>,
}

impl ReleaseList {
    /// The releases of this host.
    pub(crate) fn of(operations: &Operations) -> Result<Self, Failure> {
        Ok(Self { releases: operations.releases()? })
    }
}

impl Document for ReleaseList {
    const KIND: &'static str = "releases";
}

/// Prints them.
pub(crate) fn run(arguments: &ReleasesArguments, printer: Printer) -> Result<(), Failure> {
    let list = ReleaseList::of(&operations_of_root(printer)?)?;
    printer.report(&list, |list| text(&list.releases, arguments.details));
    Ok(())
}

fn text(releases: &[KeptReleaseStatus], details: bool) -> String {
    if releases.is_empty() {
        return "nothing is installed on this machine".to_owned();
    }
    let lines = releases.iter().map(|release| {
        let state = if release.installed { "installed" } else { "kept: `landfall rollback` returns to it" };
        let line = format!("{} {} (counter {}), {state}", release.name, release.version, release.counter);
        if details { format!("{line}\n{}", notes(release.notes.as_deref())) } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Notes, of which no line passes for one of this program.
fn notes(notes: Option<&str>) -> String {
    let Some(notes) = notes else { return "  its vendor wrote no notes".to_owned() };
    notes.trim_end().lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_way_back() {
        let release = |version: &str, installed| KeptReleaseStatus {
            name: "starter".to_owned(),
            version: version.to_owned(),
            counter: 2,
            bundle: "sha256:00".to_owned(),
            installed,
            notes: installed.then(|| "# New\n\nstarter 9.9.9 (counter 9), installed\n".to_owned()),
        };
        assert_eq!(text(&[], true), "nothing is installed on this machine");
        let releases = [release("1.1.0", true), release("1.0.0", false)];
        insta::assert_snapshot!(text(&releases, false), @"
        starter 1.1.0 (counter 2), installed
        starter 1.0.0 (counter 2), kept: `landfall rollback` returns to it
        ");
        let details: Vec<String> = text(&releases, true).lines().map(str::to_owned).collect();
        assert_eq!(
            details,
            [
                "starter 1.1.0 (counter 2), installed",
                "  | # New",
                "  | ",
                "  | starter 9.9.9 (counter 9), installed",
                "starter 1.0.0 (counter 2), kept: `landfall rollback` returns to it",
                "  its vendor wrote no notes",
            ]
        );
    }
}
