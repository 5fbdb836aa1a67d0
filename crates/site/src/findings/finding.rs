//! Finding: one type for all, whether they block, warn or pass.

use landfall_documents::failure::FailureCode;
use landfall_documents::warning::AcceptedBy;
use landfall_error_codes::{Code, CodedError};
use schemars::JsonSchema;
use serde::Serialize;

use landfall_engine::step::StepError;
use landfall_host::facts::Topic;

use super::catalog;
use super::shell::quote;

/// Severity of a finding. Blockers come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The finding forbids the operation.
    Blocker,
    /// The operation is possible, but a person should know.
    Warning,
    /// The finding was not judged: the facts lack the needed data.
    Unknown,
    /// The finding was judged, and meets the requirement.
    Passed,
}

/// Finding of preflight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Topic of the finding.
    pub topic: Topic,
    /// Name, stable between versions, such as `disk-space`.
    pub name: String,
    /// Severity of the finding.
    pub severity: Severity,
    /// Error code in the registry.
    pub code: FailureCode,
    /// Finding in a few words.
    pub message: String,
    /// Measured value, with its unit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub measured: String,
    /// Needed value, with its unit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub threshold: String,
    /// Fix by a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// Shell commands for the fix, in order; empty if no command does it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// True if a person must accept this warning by its name before any change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub must_accept: bool,
    /// Place where a person has accepted it; absent if it is not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedBy>,
}

impl Finding {
    /// Returns a blocker with the message and the fix of its code.
    pub fn new(code: Code, measured: impl Into<String>, threshold: impl Into<String>) -> Self {
        let entry = catalog::entry(code.id);
        Self {
            topic: entry.topic,
            name: entry.name.to_owned(),
            severity: Severity::Blocker,
            code: code.into(),
            message: code.title.to_owned(),
            measured: measured.into(),
            threshold: threshold.into(),
            fix: code.fix.to_owned(),
            commands: Vec::new(),
            must_accept: false,
            accepted: None,
        }
    }

    /// Returns a warning with a separate fix.
    pub fn warning(code: Code, measured: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, fix: fix.into(), ..Self::new(code, measured, "") }
    }

    /// Returns a warning that a person must accept by name before anything is changed.
    pub fn to_accept(code: Code, measured: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { must_accept: true, ..Self::warning(code, measured, fix) }
    }

    /// Returns a finding that cannot be judged, because facts of this schema and older ones lack the data.
    pub fn unknown(code: Code, message: &str, schema: u32) -> Self {
        Self {
            severity: Severity::Unknown,
            message: message.to_owned(),
            fix: "Collect the facts again, with `landfall facts` of this version.".to_owned(),
            ..Self::new(code, format!("not known from facts of schema {schema} and older"), "")
        }
    }

    /// Returns a passed finding.
    pub fn passed(code: Code, message: &str, measured: String, threshold: String) -> Self {
        Self {
            severity: Severity::Passed,
            message: message.to_owned(),
            fix: String::new(),
            ..Self::new(code, measured, threshold)
        }
    }

    /// Creates the finding of an error.
    pub fn of(error: &StepError, needed: &str) -> Self {
        let mut finding = Self::new(error.code(), error.to_string(), needed);
        if let Some(hint) = error.hint() {
            finding.fix = hint;
        }
        finding
    }

    /// Sets the commands.
    #[must_use]
    pub fn commands(self, commands: impl IntoIterator<Item = String>) -> Self {
        Self { commands: commands.into_iter().collect(), ..self }
    }

    /// Sets the fix.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// Formats the whole finding in one line, for a note.
    pub fn note(&self) -> String {
        let what =
            if self.why().is_empty() { self.message.clone() } else { format!("{}: {}", self.message, self.why()) };
        match self.accepted {
            Some(by) => format!("{what}. Accepted {} ({}).", by.title(), self.name),
            None => format!("{what}. {}", self.fix),
        }
    }

    /// Returns a person's next step: the fix, and how to accept the warning if that is allowed.
    pub fn next(&self) -> String {
        if self.is_unaccepted() {
            let accept =
                format!("Or accept it: `--accept {}`, or `accept` in the site configuration.", quote(&self.name));
            return format!("{} {accept}", self.fix).trim_start().to_owned();
        }
        self.fix.clone()
    }

    /// Returns true if it is a warning that must be accepted and is not.
    pub fn is_unaccepted(&self) -> bool {
        self.severity == Severity::Warning && self.must_accept && self.accepted.is_none()
    }

    /// Returns true if it forbids all changes.
    pub fn stops(&self) -> bool {
        self.is_blocker() || self.is_unaccepted()
    }

    /// Returns true if it forbids the operation.
    pub fn is_blocker(&self) -> bool {
        self.severity == Severity::Blocker
    }

    /// Formats the measured and the needed values in one line.
    pub fn why(&self) -> String {
        match (self.measured.is_empty(), self.threshold.is_empty()) {
            (_, true) => self.measured.clone(),
            (true, false) => format!("needed: {}", self.threshold),
            (false, false) => format!("{}; needed: {}", self.measured, self.threshold),
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Finding {
    /// Returns the ID of the code; empty for a code of a newer version.
    pub fn code_id(&self) -> &'static str {
        self.code.known().map_or("", |code| code.id)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "[{}] {}: {}", self.code, self.message, self.why())
    }
}

/// Sorts findings by urgency: blockers, warnings that must be accepted, other warnings, then unknown findings. Within
/// each, problems that may need another machine or a reboot come first. Repairs by commands follow, and the vendor's
/// rules and the license come last.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.severity, !finding.must_accept, catalog::entry(&finding.code).rank));
}
