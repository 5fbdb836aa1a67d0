//! `landfall approvals`: shows and sets if this host must approve the console's changes, and approves or refuses
//! waiting ones.

use std::fmt::Write as _;

use landfall_site::host_approvals::{HostApprovals, WaitingChange, Word};
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::ApprovalsCommand;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// Setting for approvals by this host, and waiting changes.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Approvals {
    /// True if changes that the console requests wait for a decision on this host.
    required: bool,
    /// Waiting changes.
    waiting: Vec<WaitingChange>,
}

/// Decision on a change.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Approval {
    /// Decision by root on the host.
    word: Word,
    /// Change that was decided.
    #[serde(flatten)]
    change: WaitingChange,
}

impl Document for Approvals {
    const KIND: &'static str = "approvals";
}

impl Document for Approval {
    const KIND: &'static str = "approval";
}

/// Runs the subcommand.
pub(crate) fn run(command: ApprovalsCommand, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let approvals = HostApprovals::of(&operations.paths);
    let (word, digest) = match command {
        ApprovalsCommand::List => {
            show(&approvals, printer)?;
            return Ok(());
        }
        ApprovalsCommand::Require => return set(&approvals, true, printer),
        ApprovalsCommand::Waive => return set(&approvals, false, printer),
        ApprovalsCommand::Approve { plan } => (Word::Approved, plan),
        ApprovalsCommand::Refuse { plan } => (Word::Refused, plan),
    };
    logging::keep(&operations.paths.logs(), "approvals");
    let change = approvals.say(word, &digest)?;
    tracing::info!(plan = change.plan, by = change.by, ?word, "a word on a change of the console");
    printer.report(&Approval { word, change }, |approval| {
        let said = if word == Word::Approved { "approved; it begins now" } else { "refused" };
        format!("{}: {said}", outline(&approval.change))
    })?;
    Ok(())
}

fn set(approvals: &HostApprovals, wanted: bool, printer: Printer) -> Result<(), Failure> {
    approvals.require(wanted)?;
    show(approvals, printer)
}

fn show(approvals: &HostApprovals, printer: Printer) -> Result<(), Failure> {
    let shown = Approvals { required: approvals.is_required(), waiting: approvals.waiting() };
    printer.report(&shown, text)
}

/// A waiting change in one line.
fn outline(waiting: &WaitingChange) -> String {
    let field = |name: &str| waiting.document[name].as_str();
    let mut text = waiting.change.verb().to_owned();
    for (word, name) in [("from", "from"), ("to", "to")] {
        if let Some(value) = field(name) {
            let _infallible = write!(text, " {word} {value}");
        }
    }
    let _infallible = write!(text, ", asked for by {}", waiting.first.as_ref().unwrap_or(&waiting.by));
    if waiting.first.is_some() {
        let _infallible = write!(text, ", approved by {}", waiting.by);
    }
    text
}

fn text(approvals: &Approvals) -> String {
    let mut text = if approvals.required {
        "changes that the console asks for begin once root has approved them on this host".to_owned()
    } else {
        "changes begin as soon as the console's users have approved them (`landfall approvals require` changes that)"
            .to_owned()
    };
    for waiting in &approvals.waiting {
        let _infallible = write!(text, "\n{}, until {}\n  plan {}", outline(waiting), waiting.until, waiting.plan);
    }
    if approvals.required && approvals.waiting.is_empty() {
        text.push_str("\nnothing waits");
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_documents::change::Change;
    use serde_json::json;

    use super::*;

    #[test]
    fn waiting_approvals_are_shown() {
        let waiting = WaitingChange {
            plan: format!("sha256:{}", "ab".repeat(32)),
            change: Change::Rollback { version: "1.0.0".to_owned(), data: None },
            by: "ada".to_owned(),
            first: Some("bob".to_owned()),
            until: "2026-11-27T12:15:00Z".to_owned(),
            document: json!({ "from": "starter 1.1.0", "to": "starter 1.0.0" }),
        };
        let alone = WaitingChange { first: None, document: json!({}), ..waiting.clone() };
        let shown = |required, waiting| text(&Approvals { required, waiting });
        insta::assert_snapshot!(
            [shown(true, vec![waiting, alone]), shown(true, vec![]), shown(false, vec![])].join("\n\n")
        );
    }
}
