//! Proofs: a release's declarations by which any site can show that the release works, with the expected results.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod check;
#[cfg(test)]
mod tests;

/// A proof. It is repeatable: a site may run it at any time and any number of times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Name of the proof, a DNS label.
    pub name: String,
    /// Name of the component under test.
    pub component: String,
    /// Sentence for people that states what a pass shows.
    pub shows: String,
    /// Seconds until the proof counts as failed. This includes the wait for something that answers, and for the answer.
    pub limit_seconds: u64,
    /// Trial, with its expected result.
    pub trial: ProofTrial,
}

/// The trial of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofTrial {
    /// A program runs in a container of the component.
    Command(CommandProof),
    /// An HTTP request is sent to a Service of the component.
    Request(RequestProof),
}

/// A program that runs in a ready pod of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandProof {
    /// Workload of the pod.
    pub workload: Workload,
    /// Name of the container; by default, the pod's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and its arguments, without a shell.
    pub arguments: Vec<String>,
    /// Expected result.
    pub expect: CommandExpectation,
}

/// The expected result of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandExpectation {
    /// Exit code.
    pub exit_code: u8,
    /// Standard output, if it matters.
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
    /// Method of the request.
    pub method: RequestMethod,
    /// Path and query.
    pub path: String,
    /// Headers in addition to those of every request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Expected response.
    pub expect: ResponseExpectation,
}

/// The expected response to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseExpectation {
    /// Status code; redirections are not followed.
    pub status: u16,
    /// Body, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<TextExpectation>,
}

/// An expected text; white space at its end is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextExpectation {
    /// The text equals this one.
    Equals(String),
    /// The text contains this one.
    Contains(String),
    /// The text is a JSON document with these values, each at the place that a JSON Pointer (RFC 6901) names.
    Json(BTreeMap<String, Value>),
}

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Kind of the workload.
    pub kind: WorkloadKind,
    /// Name in the component's namespace.
    pub name: String,
}

impl fmt::Display for Workload {
    /// Formats the workload as `StatefulSet/postgres`.
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

    /// Name of the kind in Kubernetes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// An HTTP method.
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
    /// Name of the method in HTTP.
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

/// An invalid field of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFault {
    /// The field.
    pub field: ProofField,
    /// Description of the invalid value: `the path …`.
    pub what: String,
}

/// A field of a proof that may be invalid.
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
    /// The expected result.
    Expect,
}
