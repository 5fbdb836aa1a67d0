//! `landfall history`: the operations of this site, newest first, with who asked for each.

mod show;

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanDuration;
use landfall_lifecycle::operations::{
    Account, AccountKind, AskedBy, OperationOutcome, Operations, PastOperation, PastOperations,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::{HistoryArguments, HistoryCommand};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Operations that the console shows.
const SHOWN: usize = 100;

/// The operations of a site.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationHistory {
    /// The operations, newest first.
    operations: Vec<PastOperation>,
    /// How many earlier ones there are, which are left out.
    earlier: usize,
}

impl OperationHistory {
    /// The latest operations of this host, as the console shows them.
    pub(crate) fn of(operations: &Operations) -> Result<Self, Failure> {
        Self::limited(operations, SHOWN)
    }

    fn limited(operations: &Operations, limit: usize) -> Result<Self, Failure> {
        let PastOperations { operations, earlier } = operations.past_operations(limit)?;
        Ok(Self { operations, earlier })
    }
}

impl Document for OperationHistory {
    const KIND: &'static str = "history";
}

/// Prints them.
pub(crate) fn run(arguments: &HistoryArguments, printer: Printer) -> Result<(), Failure> {
    if let Some(HistoryCommand::Show(arguments)) = &arguments.command {
        return show::run(arguments, printer);
    }
    let history = OperationHistory::limited(&operations_of_root(printer)?, arguments.limit.get())?;
    printer.report(&history, text)?;
    Ok(())
}

fn text(history: &OperationHistory) -> String {
    let OperationHistory { operations, earlier } = history;
    if operations.is_empty() && *earlier == 0 {
        return "nothing is installed on this machine".to_owned();
    }
    let mut text = operations.iter().map(entry).collect::<Vec<_>>().join("\n");
    if *earlier > 0 {
        let _infallible = write!(text, "\n{earlier} earlier: see more with `--limit {}`", operations.len() + earlier);
    }
    text
}

/// A line, and another one for a failure. Names and reasons may hold anything, and make no line of their own.
fn entry(past: &PastOperation) -> String {
    let PastOperation { number, operation, outcome, .. } = past;
    let mut line = format!("{number:>4}  {operation}{}: {}", releases(past), word(*outcome));
    if let Some(begun) = &past.begun {
        let _infallible = write!(line, ", begun {begun}");
    }
    if let Some(seconds) = past.seconds {
        let _infallible = write!(line, ", took {}", took(seconds));
    }
    if let Some(asked) = &past.asked {
        let _infallible = write!(line, ", {}", asked_text(asked));
    }
    let mut lines = vec![shown::line(&line)];
    lines.extend(past.undone_because.as_ref().map(|cause| shown::line(&format!("      undone because {cause}"))));
    lines.extend(past.failure.as_ref().map(|failure| {
        let step = if failure.step.is_empty() { String::new() } else { format!("{}: ", failure.step) };
        shown::line(&format!("      {step}{} [{}]", failure.what, failure.code))
    }));
    lines.join("\n")
}

/// ` from starter 1.0.0 to starter 1.1.0`
fn releases(past: &PastOperation) -> String {
    match (&past.from, &past.to) {
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        (None, Some(to)) => format!(" of {to}"),
        (_, None) => String::new(),
    }
}

fn word(outcome: OperationOutcome) -> &'static str {
    match outcome {
        OperationOutcome::Committed => "committed",
        OperationOutcome::Undone => "undone",
        OperationOutcome::Stuck => "stuck; `landfall status` says why",
        OperationOutcome::Open => "open",
        OperationOutcome::Unreadable => "its journal cannot be read by this version",
    }
}

fn took(seconds: u64) -> String {
    if seconds == 0 { "under 1 second".to_owned() } else { HumanDuration(Duration::from_secs(seconds)).to_string() }
}

fn asked_text(asked: &AskedBy) -> String {
    let by = account(&asked.by);
    match &asked.approved_by {
        None => format!("asked for by {by}"),
        Some(second) => format!("asked for by {by}, approved by {}", account(second)),
    }
}

fn account(account: &Account) -> String {
    let place = match account.kind {
        AccountKind::User => " in the console",
        AccountKind::Key => " through the console's API",
        AccountKind::Host => " on the host",
        AccountKind::Unknown => "",
    };
    format!("{}{place}", account.name)
}

#[cfg(test)]
pub(super) mod tests {
    use landfall_peer::OperationFailure;

    use super::*;

    pub(in crate::commands) fn past(number: u64, operation: &str, outcome: OperationOutcome) -> PastOperation {
        let time = |text: &str| Some(text.to_owned());
        PastOperation {
            number,
            operation: operation.to_owned(),
            from: None,
            to: Some("starter 1.0.0".to_owned()),
            outcome,
            begun: time("2026-11-20T08:00:00Z"),
            ended: time("2026-11-20T08:05:00Z"),
            seconds: Some(300),
            undone_because: None,
            failure: None,
            asked: None,
        }
    }

    fn history() -> OperationHistory {
        let host = Account { kind: AccountKind::Host, name: "carol".to_owned() };
        let install = PastOperation {
            asked: Some(AskedBy { by: host, approved_by: None }),
            ..past(1, "install", OperationOutcome::Committed)
        };
        let upgrade = PastOperation {
            from: Some("starter 1.0.0".to_owned()),
            to: Some("starter 1.1.0".to_owned()),
            undone_because: Some("a step failed".to_owned()),
            failure: Some(OperationFailure {
                step: "start web".to_owned(),
                code: "LF4103".to_owned(),
                what: "web is not ready\n   9  install of evil 1.0.0: committed".to_owned(),
                causes: Vec::new(),
                hint: "look".to_owned(),
            }),
            asked: Some(AskedBy::of_console("key:00ff of bob", Some("ada"))),
            ..past(2, "upgrade", OperationOutcome::Undone)
        };
        let unreadable = PastOperation {
            to: None,
            begun: None,
            ended: None,
            seconds: None,
            ..past(3, "teleport", OperationOutcome::Unreadable)
        };
        OperationHistory { operations: vec![unreadable, upgrade, install], earlier: 4 }
    }

    #[test]
    fn each_operation_is_a_line_with_who_asked_and_no_reason_forges_another() {
        let text = text(&history());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "   3  teleport: its journal cannot be read by this version");
        assert_eq!(
            lines[1],
            "   2  upgrade from starter 1.0.0 to starter 1.1.0: undone, begun 2026-11-20T08:00:00Z, took 5 minutes, asked for by ada in the \
             console, approved by key:00ff of bob through the console's API"
        );
        assert_eq!(lines[2], "      undone because a step failed");
        assert!(lines[3].starts_with("      start web: web is not ready") && lines[3].ends_with("[LF4103]"), "{text}");
        assert_eq!(
            lines[4],
            "   1  install of starter 1.0.0: committed, begun 2026-11-20T08:00:00Z, took 5 minutes, asked for by carol on the host"
        );
        assert_eq!(lines[5..], ["4 earlier: see more with `--limit 7`"]);
    }

    #[test]
    fn the_document_is_what_its_schema_says() {
        let (_, schema) = crate::document::schema_of::<OperationHistory>();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&history())).unwrap();
        let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(document["operations"][1]["asked"]["approvedBy"]["kind"], "key");
    }

    #[test]
    fn a_machine_without_a_site_says_so() {
        let none = OperationHistory { operations: Vec::new(), earlier: 0 };
        assert_eq!(text(&none), "nothing is installed on this machine");
    }
}
