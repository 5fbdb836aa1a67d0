//! Proofs as a vendor writes them in `release.yaml`.

use std::collections::BTreeMap;

use landfall_release_document::{CommandExpectation, RequestMethod, TextExpectation};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

/// A proof as a vendor writes it: a command or a request, never both.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProofDefinition {
    /// Name, a DNS label.
    pub name: Spanned<String>,
    /// Name of the component that is tried; in a component's own file, that component.
    #[serde(default = "super::component_file::unwritten")]
    pub component: Spanned<String>,
    /// One sentence that states what a pass shows.
    pub shows: Spanned<String>,
    /// Time limit in seconds, after which the proof fails.
    #[serde(default)]
    pub limit_seconds: Option<Spanned<u64>>,
    /// A program in a container of the component.
    #[serde(default)]
    pub command: Option<CommandDefinition>,
    /// An HTTP request to a Service of the component.
    #[serde(default)]
    pub request: Option<RequestDefinition>,
}

/// A program that runs in a pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandDefinition {
    /// Workload whose pod runs it, such as `StatefulSet/postgres`.
    pub workload: Spanned<String>,
    /// Name of the container; by default the pod's first one.
    #[serde(default)]
    pub container: Option<Spanned<String>>,
    /// The program and its arguments.
    pub arguments: Spanned<Vec<String>>,
    /// The required result.
    #[serde(default)]
    pub expect: Option<Spanned<CommandExpectationDefinition>>,
}

/// Expected result of a command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandExpectationDefinition {
    /// Exit code.
    #[serde(default)]
    pub exit_code: u8,
    /// Standard output; if absent, any output passes.
    #[serde(default)]
    pub stdout: Option<TextDefinition>,
}

impl CommandExpectationDefinition {
    /// Converts it to the form of the release document; `None` if its text is described in no way or in several ways
    /// ([`ONE_WAY`]).
    pub(crate) fn expectation(&self) -> Option<CommandExpectation> {
        let stdout = match &self.stdout {
            None => None,
            Some(text) => Some(text.expectation()?),
        };
        Some(CommandExpectation { exit_code: self.exit_code, stdout })
    }
}

/// An HTTP request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestDefinition {
    /// Name of the Service.
    pub service: Spanned<String>,
    /// Port of the Service.
    pub port: Spanned<u16>,
    /// HTTP method.
    #[serde(default = "get")]
    pub method: RequestMethod,
    /// Path and query of the URL.
    pub path: Spanned<String>,
    /// Headers in addition to those of every request.
    #[serde(default)]
    pub headers: Option<Spanned<BTreeMap<String, String>>>,
    /// Body of the request.
    #[serde(default)]
    pub body: Option<Spanned<String>>,
    /// The required result.
    #[serde(default)]
    pub expect: Option<Spanned<ResponseExpectationDefinition>>,
}

const fn get() -> RequestMethod {
    RequestMethod::Get
}

/// Expected response.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResponseExpectationDefinition {
    /// Status code.
    #[serde(default = "ok")]
    pub status: u16,
    /// Body of the response; if absent, any body passes.
    #[serde(default)]
    pub body: Option<TextDefinition>,
}

impl ResponseExpectationDefinition {
    /// Default status code.
    pub(crate) const STATUS: u16 = 200;
}

const fn ok() -> u16 {
    ResponseExpectationDefinition::STATUS
}

/// An expected text, described in exactly one of three ways.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TextDefinition {
    /// The exact text.
    #[serde(default)]
    pub equals: Option<String>,
    /// A text that must occur.
    #[serde(default)]
    pub contains: Option<String>,
    /// Values in a JSON document, by JSON Pointer.
    #[serde(default)]
    pub json: Option<BTreeMap<String, Value>>,
}

/// Error text for an expected text that is not described in exactly one way.
pub(crate) const ONE_WAY: &str = "an expected text must have exactly one of `equals`, `contains` and `json`";

impl TextDefinition {
    /// Converts it to the form of the release document; `None` unless the text is described in exactly one way.
    pub(crate) fn expectation(&self) -> Option<TextExpectation> {
        match (self.equals.clone(), self.contains.clone(), self.json.clone()) {
            (Some(text), None, None) => Some(TextExpectation::Equals(text)),
            (None, Some(text), None) => Some(TextExpectation::Contains(text)),
            (None, None, Some(places)) => Some(TextExpectation::Json(places)),
            _ => None,
        }
    }
}
