//! Fields that proofs and backup rules share: sentences, workloads, containers, programs and expected texts. Each check
//! describes a fault as a noun phrase, so that a message can begin with "it has".

use landfall_bundle_spec::names::{is_dns_label, is_file_name};

use crate::{TextExpectation, Workload};

/// Maximum size of a sentence for people in bytes.
const SENTENCE_BYTES: usize = 200;

/// Maximum number of a program's arguments, and their maximum total bytes: they are sent in the URL of a request.
const ARGUMENTS: usize = 64;
const ARGUMENT_BYTES: usize = 16 << 10;

/// Maximum bytes of an expected text, maximum number of places in a JSON document, and maximum bytes of a place.
const TEXT_BYTES: usize = 4096;
const PLACES: usize = 32;
const PLACE_BYTES: usize = 2048;

pub(crate) type CheckResult = Result<(), String>;

/// Checks a sentence: one line for people.
pub(crate) fn check_sentence(shows: &str) -> CheckResult {
    let plain = !shows.trim().is_empty() && !shows.chars().any(char::is_control);
    require(plain && shows.len() <= SENTENCE_BYTES, || {
        format!("the sentence `{}`, where one line of 1 to {SENTENCE_BYTES} bytes is required", escape_shortened(shows))
    })
}

/// Checks that a workload's name is valid for an object.
pub(crate) fn check_workload(workload: &Workload) -> CheckResult {
    let name = &workload.name;
    require(is_subdomain(name), || {
        format!("the workload `{}`, which is not the name of an object", escape_shortened(name))
    })
}

/// Checks that a container's name, if given, is a DNS label.
pub(crate) fn check_container(container: Option<&str>) -> CheckResult {
    require(container.is_none_or(is_dns_label), || {
        format!("the container `{}`, which is not a DNS label", escape_shortened(container.unwrap_or_default()))
    })
}

/// Checks a program and its arguments against the limits of a request.
pub(crate) fn check_arguments(arguments: &[String]) -> CheckResult {
    require(arguments.first().is_some_and(|program| !program.is_empty()), || "no program to run".to_owned())?;
    let bytes: usize = arguments.iter().map(String::len).sum();
    require(arguments.len() <= ARGUMENTS && bytes <= ARGUMENT_BYTES, || {
        format!(
            "{} arguments of {bytes} bytes, where up to {ARGUMENTS} of {ARGUMENT_BYTES} bytes are allowed",
            arguments.len()
        )
    })?;
    let is_passed_on = arguments.iter().all(|argument| !argument.contains('\0'));
    require(is_passed_on, || "an argument with a zero byte".to_owned())
}

/// Checks an expected text against its limits.
pub(crate) fn check_text(text: &TextExpectation) -> CheckResult {
    let fault = |right, what: &str| require(right, || what.to_owned());
    match text {
        TextExpectation::Equals(text) => fault(text.len() <= TEXT_BYTES, "an expected text that is too long"),
        TextExpectation::Contains(text) => {
            fault((1..=TEXT_BYTES).contains(&text.len()), "an expected part that is empty or too long")
        }
        TextExpectation::Json(places) => {
            fault((1..=PLACES).contains(&places.len()), "no expected value, or too many")?;
            places.iter().try_for_each(|(pointer, value)| {
                let right = pointer.is_empty() || pointer.starts_with('/');
                let right = right && pointer.len() <= PLACE_BYTES && !pointer.chars().any(char::is_control);
                require(right, || format!("`{}`, which is not a JSON Pointer", escape_shortened(pointer)))?;
                fault(value.to_string().len() <= TEXT_BYTES, "an expected value that is too long")
            })
        }
    }
}

/// Returns true for DNS labels joined by dots, like the names of most Kubernetes objects.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Returns true for a valid key of a Secret, by Kubernetes' rules.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&key.len()) && key.bytes().all(inner) && is_file_name(key)
}

pub(crate) fn require(right: bool, what: impl FnOnce() -> String) -> CheckResult {
    if right { Ok(()) } else { Err(what()) }
}

/// Returns an arbitrary text in a short, escaped form.
pub(crate) fn escape_shortened(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_default().to_string()
}
