//! The findings as text, by topic.

use std::fmt::Write;

use landfall_lifecycle::operations::PreflightReport;
use landfall_site::findings::{Finding, Severity};

use super::super::site::DEVELOPMENT_NOTE;
use super::{by_topic, counts, verdict};
use crate::shown;

/// Text for a terminal.
pub(super) fn text(report: &PreflightReport) -> String {
    let PreflightReport { release, version, host, operating_system, collected_at, .. } = report;
    let line = |text: &String| shown::line(text);
    let [release, version, host, system, collected] =
        [release, version, host, operating_system, collected_at].map(line);
    let mut text = format!("preflight: {release} {version} on {host} ({system}), as of {collected}\n");
    if !report.verified {
        text.push_str("NOT VERIFIED: this believes what the bundle says about itself; `--trust` checks it\n");
    }
    if report.development {
        let _infallible = writeln!(text, "{DEVELOPMENT_NOTE}");
    }
    let _infallible = writeln!(text, "{}: {}; nothing was changed", counts(report), verdict(report));
    for (topic, findings) in by_topic(&report.findings) {
        let _infallible = writeln!(text, "\n{}", topic.title());
        for (number, finding) in findings {
            finding_text(&mut text, number, finding);
        }
    }
    text
}

fn finding_text(text: &mut String, number: usize, finding: &Finding) {
    // A fact may contain anything: its further lines must not resemble lines of this report.
    let field = |text: &str| shown::paragraph(text);
    let (message, why) = (field(&finding.message), field(&finding.why()));
    let label = match finding.severity {
        Severity::Passed => {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            let _infallible = writeln!(text, "  passed   {message}{why}");
            return;
        }
        Severity::Blocker => "BLOCKER",
        Severity::Warning if finding.is_unaccepted() => "ACCEPT?",
        Severity::Warning => "warning",
        Severity::Unknown => "unknown",
    };
    let name = shown::line(&finding.name);
    let _infallible = writeln!(text, "  {label:<7}  {number}. {message} [{} {name}]", finding.code);
    let accepted = finding.accepted.map(|by| format!("accepted {}", by.title())).unwrap_or_default();
    for more in [why, accepted, field(&finding.next())].iter().filter(|more| !more.is_empty()) {
        let _infallible = writeln!(text, "           {more}");
    }
    for command in &finding.commands {
        let _infallible = writeln!(text, "           $ {}", field(command));
    }
}
