//! `landfall history`: what was done to this site, and what came of it.

use std::time::Duration;

use indicatif::HumanDuration;
use landfall_lifecycle::operations::{Operations, PastOperation};
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::HistoryArguments;
use crate::count::counted;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// The operations of a site.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationHistory {
    /// The operations, newest first.
    operations: Vec<PastOperation>,
    /// How many earlier ones are left out.
    earlier: usize,
}

impl OperationHistory {
    /// The operations of this host, of which at most `limit` are listed.
    pub(crate) fn of(operations: &Operations, limit: Option<usize>) -> Result<Self, Failure> {
        Ok(Self::limited(operations.past_operations()?, limit))
    }

    fn limited(mut operations: Vec<PastOperation>, limit: Option<usize>) -> Self {
        let earlier = limit.map_or(0, |limit| operations.len().saturating_sub(limit));
        operations.truncate(operations.len() - earlier);
        Self { operations, earlier }
    }
}

impl Document for OperationHistory {
    const KIND: &'static str = "history";
}

/// Prints them.
pub(crate) fn run(arguments: &HistoryArguments, printer: Printer) -> Result<(), Failure> {
    let limit = arguments.limit.map(std::num::NonZeroUsize::get);
    let history = OperationHistory::of(&operations_of_root(printer)?, limit)?;
    printer.report(&history, text);
    Ok(())
}

/// Names of the columns.
const COLUMNS: [&str; 6] = ["number", "began", "operation", "release", "outcome", "duration"];

fn text(history: &OperationHistory) -> String {
    if history.operations.is_empty() {
        return "nothing is installed on this machine".to_owned();
    }
    let rows = history.operations.iter().map(cells);
    let rows: Vec<_> = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut lines: Vec<_> = rows.iter().map(|row| line(row, &widths)).collect();
    if history.earlier > 0 {
        lines.push(format!("{} not shown", counted(history.earlier, "earlier operation")));
    }
    lines.join("\n")
}

fn cells(operation: &PastOperation) -> [String; 6] {
    let PastOperation { number, operation: kind, from, to, began, duration_seconds, outcome, .. } = operation;
    let before = from.as_ref().filter(|from| *from != to);
    let release = match before {
        Some(from) if from.name == to.name => format!("{} {} to {}", to.name, from.version, to.version),
        Some(from) => format!("{} {} to {} {}", from.name, from.version, to.name, to.version),
        None => format!("{} {}", to.name, to.version),
    };
    let duration = duration_seconds.map(|seconds| HumanDuration(Duration::from_secs(seconds)).to_string());
    [
        number.to_string(),
        began.clone(),
        kind.name().to_owned(),
        release,
        outcome.name().to_owned(),
        duration.unwrap_or_default(),
    ]
}

fn line(row: &[String; 6], widths: &[usize; 6]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, &width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use landfall_engine::plan::Operation;
    use landfall_lifecycle::operations::{OperationOutcome, PastRelease};

    use super::*;

    fn release(version: &str, counter: u64) -> PastRelease {
        PastRelease { name: "starter".to_owned(), version: version.to_owned(), counter }
    }

    /// An install, an upgrade that went back by itself, and one that is open; newest first.
    fn operations() -> Vec<PastOperation> {
        let upgrade = |number, day: &str, outcome, duration_seconds: Option<u64>| PastOperation {
            number,
            operation: Operation::Upgrade,
            from: Some(release("1.0.0", 1)),
            to: release("1.1.0", 2),
            began: format!("{day}T08:00:00Z"),
            ended: duration_seconds.map(|_| format!("{day}T08:03:00Z")),
            duration_seconds,
            outcome,
        };
        vec![
            upgrade(3, "2026-11-22", OperationOutcome::Open, None),
            upgrade(2, "2026-11-21", OperationOutcome::Undone, Some(180)),
            PastOperation {
                number: 1,
                operation: Operation::Install,
                from: None,
                to: release("1.0.0", 1),
                began: "2026-11-20T08:00:00Z".to_owned(),
                ended: Some("2026-11-20T08:05:00Z".to_owned()),
                duration_seconds: Some(300),
                outcome: OperationOutcome::Committed,
            },
        ]
    }

    #[test]
    fn a_table_has_a_line_for_each_operation_and_says_how_many_it_leaves_out() {
        let none = OperationHistory::limited(Vec::new(), None);
        assert_eq!(text(&none), "nothing is installed on this machine");
        insta::assert_snapshot!(text(&OperationHistory::limited(operations(), None)), @"
        number  began                 operation  release                 outcome    duration
        3       2026-11-22T08:00:00Z  upgrade    starter 1.0.0 to 1.1.0  open
        2       2026-11-21T08:00:00Z  upgrade    starter 1.0.0 to 1.1.0  undone     3 minutes
        1       2026-11-20T08:00:00Z  install    starter 1.0.0           committed  5 minutes
        ");
        insta::assert_snapshot!(text(&OperationHistory::limited(operations(), Some(1))), @"
        number  began                 operation  release                 outcome  duration
        3       2026-11-22T08:00:00Z  upgrade    starter 1.0.0 to 1.1.0  open
        2 earlier operations not shown
        ");
    }

    #[test]
    fn a_limit_keeps_the_newest_and_one_that_is_larger_than_the_history_leaves_nothing_out() {
        for (limit, kept, earlier) in [(Some(2), 2, 1), (Some(3), 3, 0), (Some(100), 3, 0), (None, 3, 0)] {
            let history = OperationHistory::limited(operations(), limit);
            assert_eq!((history.operations.len(), history.earlier), (kept, earlier), "{limit:?}");
            assert_eq!(history.operations[0].number, 3);
        }
    }
}
