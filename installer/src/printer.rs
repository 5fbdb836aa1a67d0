//! The only module that prints: data to standard output, everything else to standard error. Printed text may contain
//! arbitrary names from a stick, so all of it is converted to plain text here ([`crate::shown`]).
//!
//! With `--json`, standard output carries one document, and standard error one document per line, of the kinds
//! `progress`, `log` and `error`; an error is the last line. With `--quiet`, standard error carries only errors.
#![expect(clippy::print_stderr, reason = "this module is the printer")]
#![expect(clippy::unused_self, reason = "only the holder of a printer may print")]

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use landfall_error_codes::codes;
use landfall_media::progress::Event;
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::Serialize;

use crate::bar::around;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::shown;
use crate::terminal::{Terminal, Words};

/// Prints the output of commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

/// Event of progress, including notes for a person, as a line of standard error.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ProgressLine<'a>(pub(crate) &'a Event);

impl Document for ProgressLine<'_> {
    const KIND: &'static str = "progress";
}

/// Failure of a write to standard output. A closed pipe (`landfall inspect … | head`) is the reader's choice and not a
/// failure.
pub(crate) fn ignore_closed_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let next = "Free space where standard output goes, or choose another file. If the command only prints, run \
                it again; a change that it made is complete.";
            Err(Failure::new(codes::NO_SPACE, "standard output took only a part of the result")
                .because(&error)
                .next(next))
        }
        _ => Ok(()),
    }
}

/// Verdict of a report.
pub(crate) enum Verdict {
    /// Exit code of the process.
    Code(u8),
    /// An error, which is printed below the report.
    Refused(Failure),
}

impl From<u8> for Verdict {
    fn from(code: u8) -> Self {
        Self::Code(code)
    }
}

impl From<Option<Failure>> for Verdict {
    fn from(refusal: Option<Failure>) -> Self {
        refusal.map_or(Self::Code(0), Self::Refused)
    }
}

impl Printer {
    /// Creates a printer that writes reports as JSON or as text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// Sets quiet mode, in which neither progress nor notes are printed.
    pub(crate) fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Returns true if all output is JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Returns true if progress and notes are omitted.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Returns true if standard error is a terminal with visible progress.
    pub(crate) fn has_visible_progress(self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints a report on standard output: `data` as one JSON document, or its `text`.
    pub(crate) fn report<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) -> Result<(), Failure> {
        let rendered = if self.json { document::pretty(data) } else { shown::block(&text(data)) };
        self.data(rendered.trim_end())
    }

    /// Prints a report; on a terminal it is wrapped to the width, with these words in color.
    pub(crate) fn page<D: Document>(
        self,
        data: &D,
        text: impl FnOnce(&D) -> String,
        words: Words,
    ) -> Result<(), Failure> {
        let terminal = Terminal::of_stdout().filter(|_| !self.json);
        let Some(terminal) = terminal else { return self.report(data, text) };
        self.data(terminal.laid_out(&shown::block(&text(data)), words).trim_end())
    }

    /// Prints text on standard output unchanged; returns false if the reader has closed it.
    pub(crate) fn is_read(self, text: &str) -> Result<bool, Failure> {
        match around(|| self.bytes(text.as_bytes())) {
            Ok(()) => Ok(true),
            Err(error) => ignore_closed_pipe(Err(error)).map(|()| false),
        }
    }

    /// Prints a report with a verdict, which determines the exit code even if the report could not be written
    /// completely.
    pub(crate) fn report_verdict<D: Document>(
        self,
        data: &D,
        text: impl FnOnce(&D) -> String,
        verdict: impl Into<Verdict>,
    ) -> Result<ExitCode, Failure> {
        self.apply_verdict(self.report(data, text), verdict)
    }

    /// Applies the verdict of a report, given the result of printing it.
    pub(crate) fn apply_verdict(
        self,
        reported: Result<(), Failure>,
        verdict: impl Into<Verdict>,
    ) -> Result<ExitCode, Failure> {
        match (verdict.into(), reported) {
            (Verdict::Code(0), Ok(())) => Ok(ExitCode::SUCCESS),
            (Verdict::Code(0), Err(unwritten)) => Err(unwritten),
            (verdict, reported) => {
                if let Err(unwritten) = reported {
                    self.failure(&unwritten);
                }
                match verdict {
                    Verdict::Code(code) => Ok(ExitCode::from(code)),
                    Verdict::Refused(failure) => Err(failure),
                }
            }
        }
    }

    /// Prints a report that a person must receive before anything else happens. A closed pipe is an error here; a file
    /// is synced to disk on return.
    pub(crate) fn deliver<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) -> io::Result<()> {
        let rendered = if self.json { document::pretty(data) } else { shown::block(&text(data)) };
        around(|| self.bytes(format!("{}\n", rendered.trim_end()).as_bytes()))?;
        match rustix::fs::fsync(io::stdout()) {
            // Pipes, terminals and devices cannot be synced.
            Err(Errno::INVAL | Errno::ROFS | Errno::NOTSUP) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Prints a report on standard error, because standard output carries the data itself.
    pub(crate) fn report_beside<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) {
        let rendered = if self.json { document::line(data) } else { shown::block(&text(data)) };
        around(|| eprintln!("{rendered}"));
    }

    /// Prints text on standard output unchanged, such as shell completions.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        ignore_closed_pipe(around(|| writeln!(output, "{text}").and_then(|()| output.flush())))
    }

    /// Writes bytes to standard output unchanged. An error means that they are no longer read.
    pub(crate) fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(bytes).and_then(|()| output.flush())
    }

    /// Locks standard output for data such as a bundle; no other output can go there in the meantime.
    pub(crate) fn stream(self) -> std::io::StdoutLock<'static> {
        std::io::stdout().lock()
    }

    /// Prints a note for a person on standard error.
    pub(crate) fn note(self, text: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            self.event(&Event::Note(text.to_owned()));
        } else {
            around(|| eprintln!("{}", shown::block(text)));
        }
    }

    /// Prints a question at the terminal, even in quiet mode.
    pub(crate) fn question(self, text: &str) {
        self.quiet(false).note(text);
    }

    /// Prints a progress event as a line of JSON on standard error.
    pub(crate) fn event(self, event: &Event) {
        self.line(&ProgressLine(event));
    }

    /// Prints the last error of a process that exits at once, without waiting for a progress bar.
    pub(crate) fn last_failure(self, failure: &Failure) {
        let rendered = if self.json { failure.json() } else { failure.text() };
        // If standard error is closed, nothing can be reported.
        let _ = writeln!(io::stderr(), "{rendered}");
    }

    /// Prints a document as one line on standard error.
    pub(crate) fn line<D: Document>(self, document: &D) {
        eprintln!("{}", document::line(document));
    }

    /// Prints an error on standard error: what failed, why, what to do next, and its code.
    pub(crate) fn failure(self, failure: &Failure) {
        let rendered = if self.json { failure.json() } else { failure.text() };
        around(|| eprintln!("{rendered}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_wins_over_unwritten_report() {
        let printer = Printer::new(false);
        let unwritten = || Err(Failure::new(codes::NO_SPACE, "standard output is full"));
        let code = |done: Result<ExitCode, Failure>| match done {
            Ok(code) => format!("{code:?}"),
            Err(failure) => failure.code().id.to_owned(),
        };
        let [done, not_ready] = [ExitCode::SUCCESS, ExitCode::from(4)].map(|code| format!("{code:?}"));
        assert_eq!(code(printer.apply_verdict(Ok(()), 0_u8)), done);
        assert_eq!(code(printer.apply_verdict(unwritten(), 0_u8)), "LF1202");
        assert_eq!(code(printer.apply_verdict(Ok(()), 4_u8)), not_ready);
        assert_eq!(code(printer.apply_verdict(unwritten(), 4_u8)), not_ready);
        let damaged = || Some(Failure::new(codes::BACKUP_DAMAGED, "a file is damaged"));
        assert_eq!(code(printer.apply_verdict(unwritten(), damaged())), "LF4605");
        assert_eq!(code(printer.apply_verdict(Ok(()), None::<Failure>)), done);
    }
}
