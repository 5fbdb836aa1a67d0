//! Errors of streams that did not arrive completely.

use std::io;
use std::time::Duration;

use crate::no_answer::NoAnswer;
use crate::output::Output;

/// Number of characters of a program's standard error that an error quotes.
const QUOTED_CHARACTERS: usize = 1000;

/// Reason why a stream is incomplete. The caller knows the program and the pod.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection was not established, or broke off.
    #[error(transparent)]
    NoAnswer(NoAnswer),
    /// The program did not end in time.
    #[error("the program did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The trailer after the output is missing.
    #[error(
        "the program's output was cut off, although its success was reported: the connection to its container broke off"
    )]
    CutOff,
    /// The program ended before its standard input did.
    #[error("the program ended with exit code {exit_code} before it was given all of its input{}", stderr_tail(stderr))]
    EndedEarly {
        /// Its exit code.
        exit_code: i32,
        /// Its standard error.
        stderr: Output,
    },
    /// The program failed, and its output must not be used.
    #[error("the program ended with exit code {exit_code}{}", stderr_tail(stderr))]
    Failed {
        /// Its exit code, not 0.
        exit_code: i32,
        /// Its standard error.
        stderr: Output,
    },
    /// The program's output could not be written to its destination.
    #[error("cannot write the program's output")]
    Writing(#[source] io::Error),
    /// The program's input could not be read from its source.
    #[error("cannot read the program's input")]
    Reading(#[source] io::Error),
}

impl From<NoAnswer> for StreamError {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::TimedOut(limit) => Self::TimedOut(limit),
            other => Self::NoAnswer(other),
        }
    }
}

/// Returns the end of a program's standard error on one line.
fn stderr_tail(stderr: &Output) -> String {
    let said = stderr.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ");
    if said.is_empty() {
        return String::new();
    }
    let surplus = said.chars().count().saturating_sub(QUOTED_CHARACTERS);
    let end: String = said.chars().skip(surplus).collect();
    format!(": {}{end}", if surplus > 0 { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_quotes_end_of_output() {
        let failed = |text: &str| {
            let stderr = Output { text: text.to_owned(), dropped_bytes: 0 };
            StreamError::Failed { exit_code: 1, stderr }.to_string()
        };
        assert_eq!(failed("\n"), "the program ended with exit code 1");
        assert_eq!(failed("no room\n\nleft\n"), "the program ended with exit code 1: no room | left");
        let long = failed(&format!("{}end", "ä".repeat(2000)));
        assert!(long.contains(": …ä") && long.ends_with("äend"), "{long}");
        assert_eq!(long.matches('ä').count(), QUOTED_CHARACTERS - 3);
    }
}
