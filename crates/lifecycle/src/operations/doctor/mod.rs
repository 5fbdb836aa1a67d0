//! Diagnosis of an installed site: all problems, the worst first, each with a next step. Combines the status of
//! everything that runs with preflight's findings on the host.

mod host;
mod parts;

use jiff::Timestamp;
use landfall_documents::failure::FailureCode;
use landfall_documents::status::{SiteState, StatusReport, Verdict};
use landfall_engine::causes::with_causes;
use landfall_error_codes::ExitClass;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::error::Result;
use landfall_site::findings::Finding;

/// Severity of a problem. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProblemSeverity {
    /// Something does not work, or the next change of the site would be refused.
    Blocker,
    /// Everything works, but something may be lost or fail later.
    Warning,
}

/// Problem of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Severity of the problem.
    pub severity: ProblemSeverity,
    /// Name, stable between versions: a part of the site, such as `disk`, or a finding of preflight, such as
    /// `disk-space`.
    pub name: String,
    /// Error code in the registry, if it has one.
    pub code: Option<FailureCode>,
    /// Problem, and the object that it concerns.
    pub what: String,
    /// Next step for a person.
    pub next: String,
    /// Shell commands for the next step, in order; empty if no command does it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// Problems of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Time of the diagnosis, RFC 3339 in UTC.
    pub at: String,
    /// Name and version of the release, installed or in progress.
    pub release: Option<String>,
    /// Verdict of the site's status.
    pub verdict: Verdict,
    /// True if there is no blocker.
    pub ready: bool,
    /// Number of blockers.
    pub blockers: usize,
    /// Number of warnings.
    pub warnings: usize,
    /// Problems, the worst first; within a severity, causes precede their effects.
    pub problems: Vec<Problem>,
}

impl Operations {
    /// Examines the site and its host. Changes nothing, and takes no lock.
    pub fn diagnose(&self) -> Result<Diagnosis> {
        let report = self.status()?;
        let host = (report.state == SiteState::Installed).then(|| self.findings_now());
        let host = host.unwrap_or_else(|| Ok(Vec::new())).map_err(|error| with_causes(&error));
        Ok(Diagnosis::of(&report, &host))
    }
}

impl Diagnosis {
    fn of(report: &StatusReport, host: &std::result::Result<Vec<Finding>, String>) -> Self {
        let mut problems = parts::problems(report);
        problems.extend(host::problems(host, report));
        problems.sort_by_key(|problem| problem.severity);
        let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
        let blockers = count(ProblemSeverity::Blocker);
        Self {
            at: format!("{:.0}", Timestamp::now()),
            release: report.release.as_ref().map(|release| format!("{} {}", release.name, release.version)),
            verdict: report.verdict,
            ready: blockers == 0,
            blockers,
            warnings: count(ProblemSeverity::Warning),
            problems,
        }
    }

    /// Returns the exit code of a process that ends with this diagnosis: the status's own. If everything runs but the
    /// host has a blocker, it is 4.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Ready if self.ready => 0,
            Verdict::Ready => ExitClass::NotReady.exit_code(),
            verdict => verdict.exit_code(),
        }
    }
}

impl Problem {
    fn blocker(name: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            severity: ProblemSeverity::Blocker,
            name: name.to_owned(),
            code: None,
            what: what.into(),
            next: next.into(),
            commands: Vec::new(),
        }
    }

    fn warning(name: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { severity: ProblemSeverity::Warning, ..Self::blocker(name, what, next) }
    }
}

#[cfg(test)]
mod tests;
