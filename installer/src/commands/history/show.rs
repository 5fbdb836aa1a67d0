//! `landfall history show`: prints an operation with its steps.

use std::fmt::Write;

use jiff::Timestamp;
use landfall_documents::failure::StepFailure;
use landfall_lifecycle::operations::{OperationDetails, PastStep};

use super::{REASON, table};
use crate::cli::HistoryShowArguments;
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::{format_table, to_the_second};
use crate::terminal::{Tone, Words};

const WORDS: Words = &[("failed", Tone::Bad), ("not undone", Tone::Bad), ("stuck", Tone::Bad)];

impl Document for OperationDetails {
    const KIND: &'static str = "operation";
}

/// Prints the operation.
pub(super) fn run(arguments: &HistoryShowArguments, printer: Printer) -> Result<(), Failure> {
    let details = operations_of_root(printer)?.operation_details(arguments.operation)?;
    printer.page(&details, |details| text(details, Timestamp::now()), WORDS)
}

fn text(details: &OperationDetails, now: Timestamp) -> String {
    let mut text = table(std::slice::from_ref(&details.operation), now);
    if details.steps.is_empty() {
        return text;
    }
    let steps = format_table(["no", "state", "begun", "took", "step"], details.steps.iter().map(row));
    let mut lines = steps.lines();
    let _infallible = write!(text, "\n\n{}", lines.next().unwrap_or_default());
    for (line, step) in lines.zip(&details.steps) {
        let _infallible = write!(text, "\n{line}");
        for reason in reasons(step) {
            let _infallible = write!(text, "\n{:REASON$}{}", "", shown::line(&reason));
        }
    }
    text
}

fn row(step: &PastStep) -> [String; 5] {
    let PastStep { number, id, title, status, begun, seconds, attempts, undone, .. } = step;
    let again = if *attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
    let undone = undone.as_ref().map(|at| format!(", undone {}", to_the_second(at))).unwrap_or_default();
    [
        number.to_string(),
        (*status).to_owned(),
        begun.as_deref().map(to_the_second).unwrap_or_default(),
        seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default(),
        format!("{id}: {title}{again}{undone}"),
    ]
}

/// Reasons why a step failed, or why its undo left something. They may contain anything.
fn reasons(step: &PastStep) -> Vec<String> {
    let failed = step.failures.iter().map(|StepFailure { failure, .. }| {
        let what = [&failure.what].into_iter().chain(&failure.causes).map(String::as_str).collect::<Vec<_>>();
        format!("failed: {} [{}]", what.join(": "), failure.code)
    });
    failed.chain(step.blocked.as_ref().map(|found| format!("found what is not Landfall's: {found}"))).collect()
}

#[cfg(test)]
mod tests {
    use landfall_documents::failure::StepFailure;
    use landfall_documents::history::OperationOutcome;

    use super::*;
    use crate::commands::history::tests::past;

    fn details() -> OperationDetails {
        let stage = PastStep {
            number: 1,
            id: "stage".to_owned(),
            title: "copy the release".to_owned(),
            status: "done",
            begun: Some("2026-11-20T08:00:00Z".to_owned()),
            done: Some("2026-11-20T08:01:30Z".to_owned()),
            seconds: Some(90),
            attempts: 1,
            undone: None,
            failures: Vec::new(),
            blocked: None,
        };
        let failure = StepFailure {
            step: "start web".to_owned(),
            failure: landfall_documents::failure::Failure {
                code: "LF4103".into(),
                what: "web is not ready\n   3  done        forged".to_owned(),
                causes: vec!["no answer".to_owned()],
                hint: "look".to_owned(),
            },
        };
        let web = PastStep {
            number: 2,
            id: "component/web".to_owned(),
            status: "undone",
            seconds: None,
            attempts: 2,
            undone: Some("2026-11-20T08:05:00Z".to_owned()),
            failures: vec![failure],
            ..stage.clone()
        };
        OperationDetails { operation: past(2, "upgrade", OperationOutcome::Undone), steps: vec![stage, web] }
    }

    #[test]
    fn steps_take_one_line() {
        let text = text(&details(), "2026-11-22T08:00:00Z".parse().unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("2   upgrade"), "{text}");
        assert_eq!(lines[4], "1   done    2026-11-20T08:00:00Z  90 s  stage: copy the release");
        assert!(
            lines[5].ends_with("component/web: copy the release, 2 attempts, undone 2026-11-20T08:05:00Z"),
            "{text}"
        );
        assert!(lines[6].starts_with("      failed: web is not ready") && lines[6].ends_with(": no answer [LF4103]"));
        assert_eq!(lines.len(), 7, "no reason forges a step");
    }

    #[test]
    fn document_matches_schema() {
        let (_, schema) = crate::document::schema_of::<OperationDetails>();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&details())).unwrap();
        assert!(jsonschema::is_valid(&schema, &document));
    }
}
