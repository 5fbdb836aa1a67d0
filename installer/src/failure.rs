//! The error of a command: a code, what failed, why, and what to do next.

use std::error::Error;
use std::path::Path;

use landfall_error_codes::{Code, Coded, ExitClass};
use schemars::JsonSchema;
use serde::Serialize;

use crate::document::Document;

/// An error on its way to the person at the keyboard.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

/// One of several blockers that were found at once.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Blocking {
    /// Entry of the registry of codes.
    pub(crate) code: &'static str,
    /// What it is, in a few words.
    pub(crate) what: String,
    /// What was found, and what is needed.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) next: String,
}

/// A failure as it is printed with `--json`: the last line of standard error.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDocument<'a> {
    /// Entry of the registry of codes, such as `LF1001`; docs/ERRORS.md lists them.
    code: &'static str,
    /// What it means for the process.
    #[schemars(with = "String")]
    class: ExitClass,
    /// Exit code of the process.
    exit_code: u8,
    /// What failed, and on what.
    what: &'a str,
    /// Why, outermost cause first.
    causes: &'a [String],
    /// Every blocker, where there are several.
    blockers: &'a [Blocking],
    /// What to do next.
    next: &'a str,
}

impl<'a> ErrorDocument<'a> {
    /// The document of a failure.
    pub(crate) fn of(failure: &'a Failure) -> Self {
        let code = failure.code();
        Self {
            code: code.id,
            class: code.class,
            exit_code: code.class.exit_code(),
            what: failure.what(),
            causes: failure.causes(),
            blockers: failure.blockers(),
            next: failure.next_step(),
        }
    }
}

impl Document for ErrorDocument<'_> {
    const KIND: &'static str = "error";
}

/// Boxed, so that a result which carries a failure stays small.
#[derive(Debug)]
struct Parts {
    code: Code,
    what: String,
    causes: Vec<String>,
    blockers: Vec<Blocking>,
    next: String,
}

impl Failure {
    /// A failure that the command line itself found.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            what: what.into(),
            causes: Vec::new(),
            blockers: Vec::new(),
            next: code.fix.to_owned(),
        }))
    }

    /// That of a file which this error keeps from passing its check.
    pub(crate) fn not_passed(file: &Path, error: &impl Coded) -> Self {
        Self::new(error.code(), format!("{} does not pass", file.display())).because(error)
    }

    /// The same with its causes, outermost first.
    pub(crate) fn because(mut self, source: &dyn Error) -> Self {
        let mut cause = Some(source);
        while let Some(error) = cause {
            self.0.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// The same with what to do next, where that is better known than in the registry of codes.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = next.into();
        self
    }

    /// The same with its blockers.
    pub(crate) fn blocked_by(mut self, blockers: Vec<Blocking>) -> Self {
        self.0.blockers = blockers;
        self
    }

    /// The entry of the registry.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// What failed, and on what.
    pub(crate) fn what(&self) -> &str {
        &self.0.what
    }

    /// Why, outermost cause first.
    pub(crate) fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// Every blocker, where there are several.
    pub(crate) fn blockers(&self) -> &[Blocking] {
        &self.0.blockers
    }

    /// What to do next.
    pub(crate) fn next_step(&self) -> &str {
        &self.0.next
    }
}

impl<E: Coded + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let next = error.hint().unwrap_or_else(|| error.code().fix.to_owned());
        let failure = Self::new(error.code(), error.to_string()).next(next);
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
