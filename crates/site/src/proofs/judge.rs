//! Judgment of answers by a proof's expectation. Pure, with explanations for people.

use landfall_cluster::{Answer, Output, ProgramResult};
use landfall_release_document::{CommandExpectation, ProofTrial, ResponseExpectation, TextExpectation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Maximum number of characters of an output that a report quotes.
const QUOTED_CHARACTERS: usize = 500;

/// Expected and actual result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// Expected result.
    pub expected: String,
    /// Actual result.
    pub found: String,
}

/// Describes a proof's expectation.
pub(super) fn expectation(trial: &ProofTrial) -> String {
    match trial {
        ProofTrial::Command(command) => command_expectation(&command.expect),
        ProofTrial::Request(request) => {
            with_text(format!("status {}", request.expect.status), "a body", request.expect.body.as_ref())
        }
    }
}

/// Describes a command's expectation.
pub(crate) fn command_expectation(expect: &CommandExpectation) -> String {
    with_text(format!("exit code {}", expect.exit_code), "standard output", expect.stdout.as_ref())
}

fn with_text(must: String, of: &str, text: Option<&TextExpectation>) -> String {
    match text {
        None => must,
        Some(text) => format!("{must}, and {of} {}", text_in_words(text)),
    }
}

fn text_in_words(text: &TextExpectation) -> String {
    match text {
        TextExpectation::Equals(text) if text.is_empty() => "that is empty".to_owned(),
        TextExpectation::Equals(text) => format!("that is `{}`", beginning(text)),
        TextExpectation::Contains(text) => format!("that contains `{}`", beginning(text)),
        TextExpectation::Json(places) => {
            let places: Vec<_> =
                places.iter().map(|(pointer, value)| format!("{} is {value}", place(pointer))).collect();
            format!("of JSON in which {}", places.join(" and "))
        }
    }
}

/// Judges the result of a command; fails with a description of it.
pub(crate) fn command(expect: &CommandExpectation, executed: &ProgramResult) -> Result<(), String> {
    let ProgramResult { exit_code, stdout, stderr } = executed;
    let wrong = match &expect.stdout {
        _ if *exit_code != i32::from(expect.exit_code) => None,
        None => return Ok(()),
        Some(text) => match holds(text, stdout) {
            Ok(()) => return Ok(()),
            Err(wrong) => wrong,
        },
    };
    let mut found = vec![format!("exit code {exit_code}")];
    found.extend(wrong);
    found.push(quote_output("standard output", &beginning(&stdout.text), stdout));
    found.extend((!stderr.text.is_empty()).then(|| quote_output("standard error", &end(&stderr.text), stderr)));
    Err(found.join("; "))
}

/// Judges a response; fails with a description of it.
pub(super) fn response(expect: &ResponseExpectation, answer: &Answer) -> Result<(), String> {
    let wrong = match &expect.body {
        _ if answer.status != expect.status => None,
        None => return Ok(()),
        Some(text) => match holds(text, &answer.body) {
            Ok(()) => return Ok(()),
            Err(wrong) => wrong,
        },
    };
    let mut found = vec![format!("status {}", answer.status)];
    found.extend(wrong);
    found.push(quote_output("body", &beginning(&answer.body.text), &answer.body));
    Err(found.join("; "))
}

fn quote_output(what: &str, text: &str, output: &Output) -> String {
    match (output.text.trim_end().is_empty(), output.dropped_bytes) {
        (true, _) => format!("no {what}"),
        (false, 0) => format!("{what} `{text}`"),
        (false, dropped) => format!("{what} `{text}` and at least {dropped} bytes more"),
    }
}

/// Judges an output; fails with the part of the problem that the output itself does not show, if any.
fn holds(expect: &TextExpectation, output: &Output) -> Result<(), Option<String>> {
    let right = match expect {
        TextExpectation::Equals(text) => output.dropped_bytes == 0 && output.text.trim_end() == text.trim_end(),
        TextExpectation::Contains(text) => output.text.contains(text.as_str()),
        TextExpectation::Json(places) => {
            let document: Value =
                serde_json::from_str(&output.text).map_err(|error| Some(format!("it is not JSON ({error})")))?;
            for (pointer, expected) in places {
                match document.pointer(pointer) {
                    Some(found) if found == expected => {}
                    Some(found) => {
                        return Err(Some(format!("{} is {}", place(pointer), beginning(&found.to_string()))));
                    }
                    None => return Err(Some(format!("{} is missing", place(pointer)))),
                }
            }
            true
        }
    };
    if right { Ok(()) } else { Err(None) }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole" } else { pointer }
}

/// Returns the beginning of a text, without trailing white space.
fn beginning(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// Returns the end of a text, in which programs usually explain a failure.
fn end(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().rev().nth(QUOTED_CHARACTERS) {
        Some((cut, letter)) => format!("…{}", &text[cut + letter.len_utf8()..]),
        None => text.to_owned(),
    }
}
