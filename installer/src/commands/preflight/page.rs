//! The findings as a self-contained page, for e-mail, a printer or a phone.

use askama::Template;
use landfall_documents::warning::AcceptedBy;
use landfall_lifecycle::operations::PreflightReport;
use landfall_site::findings::{Finding, Severity};

use super::{by_topic, counts, verdict};
use crate::commands::pages::render_page;
use crate::failure::Failure;
use crate::shown;

/// The page. All text is escaped, and invisible characters are spelled out.
#[derive(Template)]
#[template(path = "preflight.html")]
struct Page {
    title: String,
    host: String,
    collected: String,
    bundle: String,
    verified: bool,
    development: bool,
    ready: bool,
    verdict: &'static str,
    counts: String,
    topics: Vec<Section>,
}

struct Section {
    title: &'static str,
    items: Vec<Item>,
}

impl Section {
    fn has_passed(&self) -> bool {
        self.items.iter().any(Item::is_passed)
    }
}

struct Item {
    number: usize,
    kind: &'static str,
    label: &'static str,
    code: String,
    name: String,
    message: String,
    measured: String,
    threshold: String,
    accepted: &'static str,
    fix: String,
    commands: Vec<String>,
}

impl Item {
    fn is_passed(&self) -> bool {
        self.kind == "passed"
    }
}

/// Makes the page of a report.
pub(super) fn page(report: &PreflightReport) -> Result<String, Failure> {
    let topics = by_topic(&report.findings).into_iter().map(|(topic, findings)| Section {
        title: topic.title(),
        items: findings.into_iter().map(|(number, finding)| item(number, finding)).collect(),
    });
    let page = Page {
        title: shown::line(&format!("{} {}", report.release, report.version)),
        host: shown::line(&format!("{} ({})", report.host, report.operating_system)),
        collected: shown::line(&report.collected_at),
        bundle: report.bundle.clone(),
        verified: report.verified,
        development: report.development,
        ready: report.ready,
        verdict: verdict(report),
        counts: counts(report),
        topics: topics.collect(),
    };
    render_page(&page)
}

fn item(number: usize, finding: &Finding) -> Item {
    let (kind, label) = match finding.severity {
        Severity::Blocker => ("blocker", "Blocker"),
        Severity::Warning if finding.is_unaccepted() => ("warning", "Warning, to be accepted"),
        Severity::Warning => ("warning", "Warning"),
        Severity::Unknown => ("unknown", "Not known"),
        Severity::Passed => ("passed", "Passed"),
    };
    Item {
        number,
        kind,
        label,
        code: finding.code.to_string(),
        name: shown::line(&finding.name),
        message: shown::line(&finding.message),
        measured: shown::line(&finding.measured),
        threshold: shown::line(&finding.threshold),
        accepted: finding.accepted.map_or("", AcceptedBy::title),
        fix: shown::line(&finding.next()),
        commands: finding.commands.iter().map(|command| shown::line(command)).collect(),
    }
}
