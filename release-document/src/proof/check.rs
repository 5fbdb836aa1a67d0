//! What a proof means, beyond its fields. A vendor's mistake is found here at build time, with its line; a site trusts no
//! vendor's program and checks the same again.

use landfall_bundle_spec::names::is_dns_label;

use super::{CommandProof, Proof, ProofFault, ProofField, ProofTrial, RequestProof, TextExpectation};

/// Longest sentence about a proof, in bytes.
const SHOWS_BYTES: usize = 200;

/// Longest time that a proof may take, in seconds.
const LIMIT_SECONDS: u64 = 600;

/// Maximum number of a command's arguments, and of the bytes of all of them: they travel in the address of a request.
const ARGUMENTS: usize = 64;
const ARGUMENT_BYTES: usize = 16 << 10;

/// Maximum bytes of a path with its query.
const PATH_BYTES: usize = 2048;

/// Maximum number of headers, and of the bytes of a header's value.
const HEADERS: usize = 16;
const HEADER_BYTES: usize = 1024;

/// Headers that follow from the request itself.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// Maximum bytes of a body.
const BODY_BYTES: usize = 64 << 10;

/// Maximum bytes of a text that is expected, and maximum places of a JSON document.
const TEXT_BYTES: usize = 4096;
const PLACES: usize = 32;

type Checked = Result<(), ProofFault>;

impl Proof {
    /// Says what is wrong with the first field that is not what it claims to be. Whether the component is there, and has
    /// the workload or Service, is not known here.
    pub fn check(&self) -> Checked {
        require(is_dns_label(&self.name), ProofField::Name, || {
            format!("the name `{}`, which is no DNS label", shown(&self.name))
        })?;
        require(is_dns_label(&self.component), ProofField::Component, || {
            format!("the component `{}`, which is no DNS label", shown(&self.component))
        })?;
        let plain = !self.shows.trim().is_empty() && !self.shows.chars().any(char::is_control);
        require(plain && self.shows.len() <= SHOWS_BYTES, ProofField::Shows, || {
            format!("the sentence `{}`, where one line of 1 to {SHOWS_BYTES} bytes belongs", shown(&self.shows))
        })?;
        require((1..=LIMIT_SECONDS).contains(&self.limit_seconds), ProofField::Limit, || {
            format!("a limit of {} seconds, where 1 to {LIMIT_SECONDS} belong", self.limit_seconds)
        })?;
        match &self.trial {
            ProofTrial::Command(command) => check_command(command),
            ProofTrial::Request(request) => check_request(request),
        }
    }
}

fn check_command(command: &CommandProof) -> Checked {
    require(is_subdomain(&command.workload.name), ProofField::Workload, || {
        format!("the workload `{}`, which is no name of an object", shown(&command.workload.name))
    })?;
    let container = command.container.as_deref();
    require(container.is_none_or(is_dns_label), ProofField::Container, || {
        format!("the container `{}`, which is no DNS label", shown(container.unwrap_or_default()))
    })?;
    let arguments = &command.arguments;
    require(arguments.first().is_some_and(|program| !program.is_empty()), ProofField::Arguments, || {
        "no program to run".to_owned()
    })?;
    let bytes: usize = arguments.iter().map(String::len).sum();
    require(arguments.len() <= ARGUMENTS && bytes <= ARGUMENT_BYTES, ProofField::Arguments, || {
        format!(
            "{} arguments of {bytes} bytes, where up to {ARGUMENTS} of {ARGUMENT_BYTES} bytes belong",
            arguments.len()
        )
    })?;
    let is_passed_on = arguments.iter().all(|argument| !argument.contains('\0'));
    require(is_passed_on, ProofField::Arguments, || "an argument with a zero byte".to_owned())?;
    command.expect.stdout.as_ref().map_or(Ok(()), check_text)
}

fn check_request(request: &RequestProof) -> Checked {
    require(is_dns_label(&request.service), ProofField::Service, || {
        format!("the Service `{}`, which is no DNS label", shown(&request.service))
    })?;
    let path = &request.path;
    let right = path.starts_with('/') && path.len() <= PATH_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic());
    require(right && !path.contains('#'), ProofField::Path, || {
        format!("the path `{}`, which is not `/` and visible ASCII", shown(path))
    })?;
    require(request.headers.len() <= HEADERS, ProofField::Headers, || {
        format!("{} headers, where up to {HEADERS} belong", request.headers.len())
    })?;
    for (name, value) in &request.headers {
        require(is_header_name(name), ProofField::Headers, || {
            format!("the header `{}`, which is no header that can be set", shown(name))
        })?;
        let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let right = value.len() <= HEADER_BYTES && value.bytes().all(is_visible) && value.trim() == value;
        require(right, ProofField::Headers, || format!("a value of the header `{}` that HTTP forbids", shown(name)))?;
    }
    require(request.body.len() <= BODY_BYTES, ProofField::Body, || {
        format!("a body of {} bytes, where up to {BODY_BYTES} belong", request.body.len())
    })?;
    let expect = &request.expect;
    require((200..=599).contains(&expect.status), ProofField::Expect, || {
        format!("the status {}, where 200 to 599 belong", expect.status)
    })?;
    expect.body.as_ref().map_or(Ok(()), check_text)
}

fn check_text(text: &TextExpectation) -> Checked {
    let fault = |right, what: &str| require(right, ProofField::Expect, || what.to_owned());
    match text {
        TextExpectation::Equals(text) => fault(text.len() <= TEXT_BYTES, "an expected text that is too long"),
        TextExpectation::Contains(text) => {
            fault((1..=TEXT_BYTES).contains(&text.len()), "an expected part that is empty or too long")
        }
        TextExpectation::Json(places) => {
            fault((1..=PLACES).contains(&places.len()), "no expected value, or too many")?;
            places.iter().try_for_each(|(pointer, value)| {
                let right = pointer.is_empty() || pointer.starts_with('/');
                let right = right && pointer.len() <= PATH_BYTES && !pointer.chars().any(char::is_control);
                require(right, ProofField::Expect, || format!("`{}`, which is no JSON Pointer", shown(pointer)))?;
                fault(value.to_string().len() <= TEXT_BYTES, "an expected value that is too long")
            })
        }
    }
}

/// A token that names a header and leaves the request's own headers alone.
fn is_header_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len())
        && name.bytes().all(inner)
        && !OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn require(right: bool, field: ProofField, what: impl FnOnce() -> String) -> Checked {
    if right { Ok(()) } else { Err(ProofFault { field, what: what() }) }
}

/// A text that may be anything, short and visible.
fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_default().to_string()
}
