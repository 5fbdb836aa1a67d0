//! The only place that prints: data to standard output, everything else to standard error. Whatever is printed may hold
//! names that a stick made up, so all of it becomes plain text here ([`crate::shown`]).
#![expect(clippy::print_stderr, reason = "this module is the printer")]
#![expect(clippy::unused_self, reason = "who holds a printer may print, and nobody else")]

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::shown;

/// Prints what commands report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    /// A printer that writes reports as JSON, or as text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a person watches standard error.
    pub(crate) fn watched(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// A report on standard output: `data` as one JSON document, or its `text`.
    pub(crate) fn report<D: Serialize>(self, data: &D, text: impl FnOnce(&D) -> String) {
        let rendered = if self.json {
            let text = serde_json::to_string_pretty(data);
            shown::json(&text.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}")))
        } else {
            shown::block(&text(data))
        };
        self.data(rendered.trim_end());
    }

    /// Text on standard output as it is, such as shell completions.
    pub(crate) fn data(self, text: &str) {
        // A closed pipe (`landfall inspect … | head`) is the reader's choice, not an error.
        let mut output = std::io::stdout().lock();
        let _closed = writeln!(output, "{text}").and_then(|()| output.flush());
    }

    /// Standard output for bytes that are the data themselves, such as a bundle; nobody else prints there meanwhile.
    pub(crate) fn stream(self) -> std::io::StdoutLock<'static> {
        std::io::stdout().lock()
    }

    /// A text for the person on standard error.
    pub(crate) fn note(self, text: &str) {
        eprintln!("{}", shown::block(text));
    }

    /// An error on standard error: what, why, what next, and its code.
    pub(crate) fn failure(self, failure: &Failure) {
        eprintln!("{}", if self.json { failure_json(failure) } else { failure_text(failure) });
    }
}

pub(crate) fn failure_json(failure: &Failure) -> String {
    let document = serde_json::json!({
        "code": failure.code().id,
        "class": failure.code().class,
        "what": failure.what(),
        "causes": failure.causes(),
        "blockers": failure.blockers(),
        "next": failure.next_step(),
    });
    shown::json(&document.to_string())
}

pub(crate) fn failure_text(failure: &Failure) -> String {
    let mut lines = vec![format!("error[{}]: {}", failure.code().id, shown::paragraph(failure.what()))];
    for (blocker, number) in failure.blockers().iter().zip(1..) {
        let [what, why, next] = [blocker.what, &blocker.why, &blocker.next].map(shown::paragraph);
        lines.push(format!("  {number}. [{}] {what}: {why}\n     {next}", blocker.code));
    }
    lines.extend(failure.causes().iter().map(|cause| format!("  because: {}", shown::paragraph(cause))));
    lines.push(format!("  next: {}", shown::paragraph(failure.next_step())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;

    use super::*;

    #[test]
    fn an_error_that_quotes_a_stick_prints_neither_escape_codes_nor_lines_of_its_own() {
        let fake = "x\u{1b}[2K\u{1b}[32mverified\u{1b}[0m\nverified: shop 1.0\u{202e}";
        let failure = Failure::new(codes::NOT_A_BUNDLE, fake).because(&std::io::Error::other(fake)).next(fake);
        let text = failure_text(&failure);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("verified")), "{text}");
        let json = failure_json(&failure);
        assert!(json.is_ascii() && !json.contains('\u{1b}'), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["what"], fake, "nothing is lost for a program");
        let huge = Failure::new(codes::NOT_A_BUNDLE, "a".repeat(1 << 20));
        assert!(failure_text(&huge).len() < 8192);
    }
}
