//! `landfall history`: lists the operations of this site, newest first, with their requesters.

mod show;

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanDuration;
use jiff::Timestamp;
use landfall_documents::history::{Account, AccountKind, AskedBy, OperationHistory, OperationOutcome, PastOperation};
use landfall_lifecycle::operations::{OperationError, Operations};

use super::site::operations_of_root;
use crate::cli::{HistoryArguments, HistoryCommand};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::{age, format_table, to_the_second};

/// Number of operations that the console shows.
const SHOWN: usize = 100;

/// Reads the latest operations of this host, as many as the console shows.
pub(crate) fn operation_history(operations: &Operations) -> Result<OperationHistory, Failure> {
    Ok(operations.past_operations(SHOWN)?)
}

impl Document for OperationHistory {
    const KIND: &'static str = "history";
}

/// Prints the history.
pub(crate) fn run(arguments: &HistoryArguments, printer: Printer) -> Result<(), Failure> {
    if let Some(HistoryCommand::Show(arguments)) = &arguments.command {
        return show::run(arguments, printer);
    }
    let history = operations_of_root(printer)?.past_operations(arguments.limit.get())?;
    if history.operations.is_empty() && history.earlier == 0 {
        return Err(OperationError::NotInstalled.into());
    }
    printer.report(&history, |history| text(history, Timestamp::now()))
}

/// The table, and a hint about omitted operations.
fn text(history: &OperationHistory, now: Timestamp) -> String {
    let OperationHistory { operations, earlier } = history;
    let mut text = table(operations, now);
    if *earlier > 0 {
        let _infallible = write!(text, "\n{earlier} earlier: see more with `--limit {}`", operations.len() + earlier);
    }
    text
}

/// A row for each operation, followed by reasons for a failure or an undo.
fn table(operations: &[PastOperation], now: Timestamp) -> String {
    let headings = ["no", "operation", "release", "outcome", "begun", "age", "took", "asked by"];
    let table = format_table(headings, operations.iter().map(|past| row(past, now)));
    let mut lines = table.lines();
    let mut text = lines.next().unwrap_or_default().to_owned();
    for (line, past) in lines.zip(operations) {
        let _infallible = write!(text, "\n{line}");
        for reason in reasons(past) {
            let _infallible = write!(text, "\n{:REASON$}{}", "", shown::line(&reason));
        }
    }
    text
}

/// Indentation of reasons below their operation.
const REASON: usize = 6;

fn row(past: &PastOperation, now: Timestamp) -> [String; 8] {
    let begun = past.begun.as_deref().unwrap_or_default();
    [
        past.number.to_string(),
        past.operation.clone(),
        releases(past),
        word(past.outcome).to_owned(),
        to_the_second(begun),
        age(begun, now),
        past.seconds.map(took).unwrap_or_default(),
        past.asked.as_ref().map(asked_text).unwrap_or_default(),
    ]
}

/// Reasons for the outcome of an operation. Names and reasons may contain anything, but cannot create lines of their
/// own.
fn reasons(past: &PastOperation) -> Vec<String> {
    let hint = match past.outcome {
        OperationOutcome::Stuck => Some("`landfall status` says why"),
        OperationOutcome::Unreadable => Some("its journal cannot be read by this version"),
        _ => None,
    };
    let undone = past.undone_because.as_ref().map(|cause| format!("undone because {cause}"));
    let failure = past.failure.as_ref().map(|failure| {
        let step = if failure.step.is_empty() { String::new() } else { format!("{}: ", failure.step) };
        format!("{step}{} [{}]", failure.failure.what, failure.failure.code)
    });
    hint.map(str::to_owned).into_iter().chain(undone).chain(failure).collect()
}

/// Formats releases, such as `starter 1.0.0 to starter 1.1.0`.
fn releases(past: &PastOperation) -> String {
    match (&past.from, &past.to) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (None, Some(to)) => to.clone(),
        (_, None) => String::new(),
    }
}

fn word(outcome: OperationOutcome) -> &'static str {
    match outcome {
        OperationOutcome::Committed => "committed",
        OperationOutcome::Undone => "undone",
        OperationOutcome::Stuck => "stuck",
        OperationOutcome::Open => "open",
        OperationOutcome::Unreadable => "unreadable",
        OperationOutcome::Unknown => "unknown",
    }
}

fn took(seconds: u64) -> String {
    if seconds == 0 { "under 1 second".to_owned() } else { HumanDuration(Duration::from_secs(seconds)).to_string() }
}

fn asked_text(asked: &AskedBy) -> String {
    let by = account(&asked.by);
    match &asked.approved_by {
        None => by,
        Some(second) => format!("{by}, approved by {}", account(second)),
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
    use landfall_documents::failure::StepFailure;

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
            failure: Some(StepFailure {
                step: "start web".to_owned(),
                failure: landfall_documents::failure::Failure {
                    code: "LF4103".into(),
                    what: "web is not ready\n   9  install of evil 1.0.0: committed".to_owned(),
                    causes: Vec::new(),
                    hint: "look".to_owned(),
                },
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
    fn operations_take_one_row() {
        insta::assert_snapshot!(text(&history(), "2026-11-22T09:00:00Z".parse().unwrap()));
    }

    #[test]
    fn document_matches_schema() {
        let (_, schema) = crate::document::schema_of::<OperationHistory>();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&history())).unwrap();
        let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(document["operations"][1]["asked"]["approvedBy"]["kind"], "key");
    }
}
