//! Proofs: what a release declares so that any site can show that it is of use, and by what each is judged.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod check;
#[cfg(test)]
mod tests;

/// One proof. It is repeatable: a site may run it at any time and as often as it likes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Name, a DNS label.
    pub name: String,
    /// Name of the component that is put to use.
    pub component: String,
    /// What a pass shows, in a sentence for people.
    pub shows: String,
    /// Seconds until the proof counts as failed: it waits that long for something that answers, and for the answer.
    pub limit_seconds: u64,
    /// What is done, and what must come of it.
    pub trial: ProofTrial,
}

/// What a proof does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofTrial {
    /// A program runs in a container of the component.
    Command(CommandProof),
    /// A Service of the component is asked over HTTP.
    Request(RequestProof),
}

/// A program that runs in a ready pod of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandProof {
    /// Whose pod.
    pub workload: Workload,
    /// Which container; the pod's first where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The program and its arguments, as they are: no shell reads them.
    pub arguments: Vec<String>,
    /// What must come of it.
    pub expect: CommandExpectation,
}

/// What a command must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandExpectation {
    /// Its exit code.
    pub exit_code: u8,
    /// Its standard output, where it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<TextExpectation>,
}

/// An HTTP request to the address of a Service within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestProof {
    /// Name of the Service in the component's namespace.
    pub service: String,
    /// Port of the Service.
    pub port: NonZeroU16,
    /// Method.
    pub method: RequestMethod,
    /// Path and query.
    pub path: String,
    /// Headers beside those that every request has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// What must come of it.
    pub expect: ResponseExpectation,
}

/// What a response must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseExpectation {
    /// Its status code; redirections are not followed.
    pub status: u16,
    /// Its body, where it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<TextExpectation>,
}

/// What a text must be, white space at its end apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextExpectation {
    /// The same as this one.
    Equals(String),
    /// One that holds this one.
    Contains(String),
    /// A JSON document with these values, each at the place that a JSON Pointer (RFC 6901) names.
    Json(BTreeMap<String, Value>),
}

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Name in the component's namespace.
    pub name: String,
}

impl fmt::Display for Workload {
    /// As `StatefulSet/postgres`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.name(), self.name)
    }
}

/// A kind of object that keeps pods running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` `StatefulSet`.
    StatefulSet,
    /// `apps/v1` `DaemonSet`.
    DaemonSet,
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The kind as Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RequestMethod {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl RequestMethod {
    /// The method as HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What is wrong with a proof, and in which field of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFault {
    /// The field.
    pub field: ProofField,
    /// What it has: `the path …`.
    pub what: String,
}

/// A field of a proof that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofField {
    /// `name`.
    Name,
    /// `component`.
    Component,
    /// `shows`.
    Shows,
    /// The limit.
    Limit,
    /// Workload of a command.
    Workload,
    /// Container of a command.
    Container,
    /// Arguments of a command.
    Arguments,
    /// Service of a request.
    Service,
    /// Path of a request.
    Path,
    /// Headers of a request.
    Headers,
    /// Body of a request.
    Body,
    /// What must come of it.
    Expect,
}
