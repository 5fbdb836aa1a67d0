//! The error of a command: a code, what failed, the causes, and the next step.

use std::error::Error;
use std::path::Path;

use landfall_documents::failure::{self as documents, Blocker, ErrorDocument};
use landfall_error_codes::cases::Case;
use landfall_error_codes::{Code, CodedError};

use crate::{printed, shown};

/// Kind of a printed failure, in the field `kind` and in the name of its schema.
pub const KIND: &str = "error";

/// Schema of that document.
pub const SCHEMA: u32 = 1;

/// An error to be shown to the person who ran the command.
#[derive(Debug)]
pub struct Failure(Box<Parts>);

/// The parts of a failure, boxed so that a result with a failure stays small.
#[derive(Debug)]
struct Parts {
    code: Code,
    failure: documents::Failure,
    blockers: Vec<Blocker>,
}

impl Failure {
    /// Creates a failure that the command line itself detected.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        let (what, hint) = (what.into(), code.fix.to_owned());
        let failure = documents::Failure { code: code.into(), what, causes: Vec::new(), hint };
        Self(Box::new(Parts { code, failure, blockers: Vec::new() }))
    }

    /// Creates the failure of a case, with the case's next step.
    pub fn in_case(case: Case, what: impl Into<String>) -> Self {
        Self::new(case.code(), what).next(case.next)
    }

    /// Creates the failure of a file that did not pass its check because of this error.
    pub fn not_passed(file: &Path, error: &impl CodedError) -> Self {
        Self::new(error.code(), format!("{} does not pass", file.display())).because(error)
    }

    /// Adds the error and its causes, outermost first.
    #[must_use]
    pub fn because(mut self, source: &dyn Error) -> Self {
        let mut cause = Some(source);
        while let Some(error) = cause {
            self.0.failure.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// Sets the next step, if it is better known than in the registry of codes.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.0.failure.hint = next.into();
        self
    }

    /// Sets the blockers.
    #[must_use]
    pub fn blocked_by(mut self, blockers: Vec<Blocker>) -> Self {
        self.0.blockers = blockers;
        self
    }

    /// Entry in the registry of codes.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Description of what failed, and on what.
    pub fn what(&self) -> &str {
        &self.0.failure.what
    }

    /// Causes, the outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0.failure.causes
    }

    /// All blockers, if there are several.
    pub fn blockers(&self) -> &[Blocker] {
        &self.0.blockers
    }

    /// Next step for the person.
    pub fn next_step(&self) -> &str {
        &self.0.failure.hint
    }

    /// Formats the failure for a person: what failed, why, the next step, and its code. Quoted text is made safe.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("error[{}]: {}", self.code().id, shown::paragraph(self.what()))];
        for (blocker, number) in self.blockers().iter().zip(1..) {
            let [what, why, next] = [&blocker.what, &blocker.why, &blocker.next].map(|text| shown::paragraph(text));
            lines.push(format!("  {number}. [{}] {what}: {why}\n     {next}", blocker.code));
        }
        lines.extend(self.causes().iter().map(|cause| format!("  because: {}", shown::paragraph(cause))));
        lines.push(format!("  next: {}", shown::paragraph(self.next_step())));
        lines.join("\n")
    }

    /// Returns the failure in the form of `--json`.
    pub fn document(&self) -> ErrorDocument {
        let code = self.code();
        ErrorDocument {
            code: code.into(),
            class: code.class.name().to_owned(),
            exit_code: code.class.exit_code(),
            what: self.what().to_owned(),
            causes: self.causes().to_owned(),
            blockers: self.blockers().to_owned(),
            next: self.next_step().to_owned(),
        }
    }

    /// Returns the document in one line.
    pub fn json(&self) -> String {
        printed::line(KIND, SCHEMA, &self.document())
    }
}

impl<E: CodedError + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let next = error.hint().unwrap_or_else(|| error.code().fix.to_owned());
        let failure = Self::new(error.code(), error.to_string()).next(next);
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;

    use super::*;

    #[test]
    fn error_text_is_escaped() {
        let fake = "x\u{1b}[2K\u{1b}[32mverified\u{1b}[0m\nverified: shop 1.0\u{202e}";
        let failure = Failure::new(codes::NOT_A_BUNDLE, fake).because(&std::io::Error::other(fake)).next(fake);
        let text = failure.text();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("verified")), "{text}");
        let json = failure.json();
        assert!(json.is_ascii() && !json.contains('\u{1b}'), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["what"], fake, "nothing is lost for a program");
        let huge = Failure::new(codes::NOT_A_BUNDLE, "a".repeat(1 << 20));
        assert!(huge.text().len() < 8192);
    }
}
