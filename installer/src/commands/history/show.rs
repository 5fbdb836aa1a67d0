//! `landfall history show`: one operation with its steps.

use std::fmt::Write;

use landfall_lifecycle::operations::{OperationDetails, PastStep};

use super::entry;
use crate::cli::HistoryShowArguments;
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::terminal::{Tone, Words};

const WORDS: Words = &[("failed", Tone::Bad), ("not undone", Tone::Bad), ("stuck", Tone::Bad)];

impl Document for OperationDetails {
    const KIND: &'static str = "operation";
}

/// Prints it.
pub(super) fn run(arguments: &HistoryShowArguments, printer: Printer) -> Result<(), Failure> {
    let details = operations_of_root(printer)?.operation_details(arguments.operation)?;
    printer.page(&details, text, WORDS)
}

fn text(details: &OperationDetails) -> String {
    let mut text = entry(&details.operation);
    if !details.steps.is_empty() {
        let _infallible = write!(text, "\n\n{:>4}  {:<11} {:<20} {:>9}  step", "", "state", "begun", "took");
    }
    for step in &details.steps {
        step_text(&mut text, step);
    }
    text
}

/// A line, and others for what went wrong. Titles and reasons may hold anything, and make no line of their own.
fn step_text(text: &mut String, step: &PastStep) {
    let PastStep { number, id, title, status, begun, seconds, attempts, undone, failures, blocked, .. } = step;
    let begun = begun.as_deref().unwrap_or("-");
    let took = seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
    let again = if *attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
    let undone = undone.as_ref().map(|at| format!(", undone {at}")).unwrap_or_default();
    let line = format!("{number:>4}  {status:<11} {begun:<20} {took:>9}  {id}: {title}{again}{undone}");
    let _infallible = write!(text, "\n{}", shown::line(&line));
    for failure in failures {
        let causes: String = failure.causes.iter().map(|cause| format!(": {cause}")).collect();
        let line = format!("      failed: {}{causes} [{}]", failure.what, failure.code);
        let _infallible = write!(text, "\n{}", shown::line(&line));
    }
    if let Some(found) = blocked {
        let _infallible = write!(text, "\n{}", shown::line(&format!("      found what is not Landfall's: {found}")));
    }
}

#[cfg(test)]
mod tests {
    use landfall_lifecycle::operations::OperationOutcome;
    use landfall_peer::OperationFailure;

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
        let failure = OperationFailure {
            step: "start web".to_owned(),
            code: "LF4103".to_owned(),
            what: "web is not ready\n   3  done        forged".to_owned(),
            causes: vec!["no answer".to_owned()],
            hint: "look".to_owned(),
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
    fn each_step_is_a_line_with_its_times() {
        let text = text(&details());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("   2  upgrade of starter 1.0.0: undone"), "{text}");
        assert_eq!(lines[3], "   1  done        2026-11-20T08:00:00Z      90 s  stage: copy the release");
        assert!(
            lines[4].ends_with("component/web: copy the release, 2 attempts, undone 2026-11-20T08:05:00Z"),
            "{text}"
        );
        assert!(lines[5].starts_with("      failed: web is not ready") && lines[5].ends_with(": no answer [LF4103]"));
        assert_eq!(lines.len(), 6, "no reason forges a step");
    }

    #[test]
    fn document_is_what_its_schema_says() {
        let (_, schema) = crate::document::schema_of::<OperationDetails>();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&details())).unwrap();
        assert!(jsonschema::is_valid(&schema, &document));
    }
}
