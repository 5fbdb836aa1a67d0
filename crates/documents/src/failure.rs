//! Failures: an error with its code, its causes and the next step.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use landfall_error_codes::{Code, CodedError, ExitClass, codes};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Code of a failure: an entry of the registry. In documents, and as text, it is the entry's ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FailureCode {
    /// An entry of this version's registry.
    Known(&'static Code),
    /// ID of an entry of a newer version.
    Newer(String),
}

impl FailureCode {
    /// Returns the entry of the registry; `None` for one of a newer version.
    pub const fn known(&self) -> Option<Code> {
        match self {
            Self::Known(code) => Some(**code),
            Self::Newer(_) => None,
        }
    }

    /// Returns the class of the error; `None` for a code of a newer version.
    pub fn class(&self) -> Option<ExitClass> {
        self.known().map(|code| code.class)
    }
}

impl Deref for FailureCode {
    type Target = str;

    /// Returns the ID.
    fn deref(&self) -> &str {
        match self {
            Self::Known(code) => code.id,
            Self::Newer(id) => id,
        }
    }
}

impl AsRef<str> for FailureCode {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}

impl From<Code> for FailureCode {
    fn from(code: Code) -> Self {
        Self::from(code.id)
    }
}

impl From<&str> for FailureCode {
    fn from(id: &str) -> Self {
        codes::find(id).map_or_else(|| Self::Newer(id.to_owned()), Self::Known)
    }
}

impl From<String> for FailureCode {
    fn from(id: String) -> Self {
        Self::from(&*id)
    }
}

impl From<FailureCode> for String {
    fn from(code: FailureCode) -> Self {
        (*code).to_owned()
    }
}

impl PartialEq<Code> for FailureCode {
    fn eq(&self, code: &Code) -> bool {
        self.known() == Some(*code)
    }
}

impl JsonSchema for FailureCode {
    fn inline_schema() -> bool {
        String::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Error as the journal stores it, and as reports show it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordedError")]
pub struct Failure {
    /// Error code: `LF` and four digits.
    pub code: FailureCode,
    /// Failure, and the object that it concerns.
    pub what: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// Next step for a person.
    pub hint: String,
}

impl Failure {
    /// Records an error with all its causes.
    pub fn from_error<E: CodedError>(error: &E) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self {
            code: error.code().into(),
            what: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            hint: error.hint().unwrap_or_else(|| error.code().fix.to_owned()),
        }
    }
}

impl fmt::Display for Failure {
    /// Writes the failure, its code and its causes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, what, causes, .. } = self;
        write!(formatter, "{what} [{code}]{}{}", if causes.is_empty() { "" } else { ": " }, causes.join(": "))
    }
}

impl std::error::Error for Failure {}

/// Blocker among several that were found together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// Error code in the registry.
    pub code: FailureCode,
    /// Blocker in a few words.
    pub what: String,
    /// Found value, and needed value.
    pub why: String,
    /// Next step for a person.
    pub next: String,
}

/// Name of a blocker in the schema of a command's error.
enum BlockerSummary {}

impl JsonSchema for BlockerSummary {
    fn schema_name() -> Cow<'static, str> {
        "BlockerSummary".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Blocker::json_schema(generator)
    }
}

/// Failure in the form of `--json`: the last line of standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDocument {
    /// Error code in the registry, such as `LF1001`; docs/ERRORS.md lists all codes.
    pub code: FailureCode,
    /// Class of the exit code.
    pub class: String,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Failure, and the object that it concerns.
    pub what: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// All blockers, if there are several.
    #[schemars(with = "Vec<BlockerSummary>")]
    pub blockers: Vec<Blocker>,
    /// Next step for a person.
    pub next: String,
}

/// Failure of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OperationFailure", transform = describe_step_failure)]
pub struct StepFailure {
    /// Title of the step.
    pub step: String,
    /// Failure of the step.
    #[serde(flatten)]
    pub failure: Failure,
}

/// Adapts the schema of a failure, which journals read strictly, to its place beside the step.
fn describe_step_failure(schema: &mut Schema) {
    schema.remove("additionalProperties");
    if let Some(properties) = schema.get_mut("properties") {
        properties["code"]["description"] = json!("Error code.");
        properties["what"]["description"] = json!("Failure in words.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_newer_versions_keep_their_id() {
        let read = |text: &str| serde_json::from_value::<FailureCode>(json!(text)).unwrap();
        assert_eq!(read("LF4006"), codes::SITE_BUSY);
        assert_eq!(read("LF4006").class(), Some(codes::SITE_BUSY.class));
        let newer = read("LF9999");
        assert_eq!((newer.known(), newer.class()), (None, None));
        for code in [read("LF4006"), newer] {
            assert_eq!(serde_json::to_value(&code).unwrap(), json!(*code));
        }
    }
}
