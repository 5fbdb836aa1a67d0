//! Validation of proofs beyond their fields. A vendor's mistake is found at build time, with its line; a site does not
//! trust the vendor's program and repeats the check.

use landfall_bundle_spec::names::is_dns_label;

use super::{CommandProof, Proof, ProofFault, ProofField, ProofTrial, RequestProof};
use crate::fields::{
    self, check_arguments, check_container, check_sentence, check_text, check_workload, escape_shortened,
};

/// Maximum limit of a proof in seconds.
const LIMIT_SECONDS: u64 = 600;

/// Maximum size of a path with its query in bytes.
const PATH_BYTES: usize = 2048;

/// Maximum number of headers, and maximum bytes of a header's value.
const HEADERS: usize = 16;
const HEADER_BYTES: usize = 1024;

/// Headers that the request sets itself.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// Maximum size of a body in bytes.
const BODY_BYTES: usize = 64 << 10;

type ProofCheckResult = Result<(), ProofFault>;

impl Proof {
    /// Returns an error for the first invalid field. This check does not know whether the component exists and has the
    /// workload or Service.
    pub fn check(&self) -> ProofCheckResult {
        require(is_dns_label(&self.name), ProofField::Name, || {
            format!("the name `{}`, which is not a DNS label", escape_shortened(&self.name))
        })?;
        require(is_dns_label(&self.component), ProofField::Component, || {
            format!("the component `{}`, which is not a DNS label", escape_shortened(&self.component))
        })?;
        within(ProofField::Shows, check_sentence(&self.shows))?;
        require((1..=LIMIT_SECONDS).contains(&self.limit_seconds), ProofField::Limit, || {
            format!("a limit of {} seconds, where 1 to {LIMIT_SECONDS} are allowed", self.limit_seconds)
        })?;
        match &self.trial {
            ProofTrial::Command(command) => check_command(command),
            ProofTrial::Request(request) => check_request(request),
        }
    }
}

fn check_command(command: &CommandProof) -> ProofCheckResult {
    within(ProofField::Workload, check_workload(&command.workload))?;
    within(ProofField::Container, check_container(command.container.as_deref()))?;
    within(ProofField::Arguments, check_arguments(&command.arguments))?;
    within(ProofField::Expect, command.expect.stdout.as_ref().map_or(Ok(()), check_text))
}

fn check_request(request: &RequestProof) -> ProofCheckResult {
    require(is_dns_label(&request.service), ProofField::Service, || {
        format!("the Service `{}`, which is not a DNS label", escape_shortened(&request.service))
    })?;
    let path = &request.path;
    let right = path.starts_with('/') && path.len() <= PATH_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic());
    require(right && !path.contains('#'), ProofField::Path, || {
        format!("the path `{}`, which is not `/` and visible ASCII", escape_shortened(path))
    })?;
    require(request.headers.len() <= HEADERS, ProofField::Headers, || {
        format!("{} headers, where up to {HEADERS} are allowed", request.headers.len())
    })?;
    for (name, value) in &request.headers {
        require(is_header_name(name), ProofField::Headers, || {
            format!("the header `{}`, which is not a header that can be set", escape_shortened(name))
        })?;
        let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let right = value.len() <= HEADER_BYTES && value.bytes().all(is_visible) && value.trim() == value;
        require(right, ProofField::Headers, || {
            format!("a value of the header `{}` that HTTP forbids", escape_shortened(name))
        })?;
    }
    require(request.body.len() <= BODY_BYTES, ProofField::Body, || {
        format!("a body of {} bytes, where up to {BODY_BYTES} are allowed", request.body.len())
    })?;
    let expect = &request.expect;
    require((200..=599).contains(&expect.status), ProofField::Expect, || {
        format!("the status {}, where 200 to 599 are allowed", expect.status)
    })?;
    within(ProofField::Expect, expect.body.as_ref().map_or(Ok(()), check_text))
}

/// Returns true for a token that names a header other than the request's own.
fn is_header_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len())
        && name.bytes().all(inner)
        && !OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn require(right: bool, field: ProofField, what: impl FnOnce() -> String) -> ProofCheckResult {
    within(field, fields::require(right, what))
}

fn within(field: ProofField, checked: fields::CheckResult) -> ProofCheckResult {
    checked.map_err(|what| ProofFault { field, what })
}
