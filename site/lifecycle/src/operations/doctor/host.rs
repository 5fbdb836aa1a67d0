//! Problems of the host below a site: what preflight finds there that status does not report itself.

use landfall_engine::journal::RecordedError;

use super::{Problem, ProblemSeverity};
use crate::operations::status::StatusReport;
use crate::preflight::{Finding, Severity};

/// The problems. Why the host cannot be judged is one as well; a warning that a person has accepted is none.
pub(super) fn problems(host: &Result<Vec<Finding>, String>, report: &StatusReport) -> Vec<Problem> {
    match host {
        Ok(findings) => findings.iter().filter_map(|finding| of_finding(finding, report)).collect(),
        Err(reason) => {
            let next = "Correct what the message names; `landfall facts` shows what can be found out about this host.";
            vec![Problem::warning("host", format!("the host cannot be judged: {reason}"), next)]
        }
    }
}

fn of_finding(finding: &Finding, report: &StatusReport) -> Option<Problem> {
    let severity = match finding.severity {
        Severity::Blocker => ProblemSeverity::Blocker,
        Severity::Warning | Severity::Unknown => ProblemSeverity::Warning,
        Severity::Passed => return None,
    };
    let was_accepted = report.accepted.iter().any(|one| one.name == finding.name && one.measured == finding.measured);
    if finding.accepted.is_some() || was_accepted {
        return None;
    }
    let why = finding.why();
    let what = if why.is_empty() { finding.message.clone() } else { format!("{}: {why}", finding.message) };
    Some(Problem {
        severity,
        name: finding.name.clone(),
        code: Some(finding.code.to_owned()),
        what,
        next: finding.next(),
        commands: finding.commands.clone(),
    })
}

/// A problem that an operation recorded, with the next step that it recorded.
pub(super) fn of_recorded(name: &str, recorded: &RecordedError) -> Problem {
    let what: Vec<&str> = [&recorded.what].into_iter().chain(&recorded.causes).map(String::as_str).collect();
    let problem = Problem::blocker(name, what.join(": "), &recorded.hint);
    Problem { code: Some(recorded.code.clone()), ..problem }
}
