//! The only place that prints: data to standard output, everything else to standard error.
#![expect(clippy::print_stderr, reason = "this module is the printer")]
#![expect(clippy::unused_self, reason = "who holds a printer may print, and nobody else")]

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

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
            serde_json::to_string_pretty(data).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
        } else {
            text(data)
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

    /// A line for the person on standard error.
    pub(crate) fn note(self, text: &str) {
        eprintln!("{text}");
    }

    /// An error on standard error: what, why, what next, and its code.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let document = serde_json::json!({
                "code": failure.code().id,
                "class": failure.code().class,
                "what": failure.what(),
                "causes": failure.causes(),
                "blockers": failure.blockers(),
                "next": failure.next_step(),
            });
            eprintln!("{document}");
            return;
        }
        eprintln!("error[{}]: {}", failure.code().id, failure.what());
        for (blocker, number) in failure.blockers().iter().zip(1..) {
            eprintln!("  {number}. [{}] {}: {}\n     {}", blocker.code, blocker.what, blocker.why, blocker.next);
        }
        for cause in failure.causes() {
            eprintln!("  because: {cause}");
        }
        eprintln!("  next: {}", failure.next_step());
    }
}
