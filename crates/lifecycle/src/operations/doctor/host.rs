//! Problems of a site's host: preflight findings that the status does not report.

use landfall_documents::failure::Failure;
use landfall_documents::status::StatusReport;

use super::{Problem, ProblemSeverity};
use landfall_site::findings::{Finding, Severity};

/// Returns the problems. A host that cannot be judged is a problem, and a warning that a person has accepted is not.
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
        code: Some(finding.code.clone()),
        what,
        next: finding.next(),
        commands: finding.commands.clone(),
    })
}

/// Returns the problem for a recorded error of an operation, with its recorded next step.
pub(super) fn of_recorded(name: &str, recorded: &Failure) -> Problem {
    let what: Vec<&str> = [&recorded.what].into_iter().chain(&recorded.causes).map(String::as_str).collect();
    let problem = Problem::blocker(name, what.join(": "), &recorded.hint);
    Problem { code: Some(recorded.code.clone()), ..problem }
}
