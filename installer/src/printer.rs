//! The only place that prints: data to standard output, everything else to standard error. Whatever is printed may hold
//! names that a stick made up, so all of it becomes plain text here ([`crate::shown`]).
//!
//! With `--json`, standard output carries one document, and standard error one document in each line, of the kinds
//! `progress`, `log` and `error`; an error is the last line. With `--quiet`, standard error carries errors alone.
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

/// Prints what commands report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

/// An event of progress, a note for the person among them, as a line of standard error.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ProgressLine<'a>(pub(crate) &'a Event);

impl Document for ProgressLine<'_> {
    const KIND: &'static str = "progress";
}

/// The failure of a write to standard output. A closed pipe (`landfall inspect … | head`) is the reader's choice, and no
/// failure.
pub(crate) fn received(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let next = "Free space where standard output goes, or choose another file. If the command only prints, run it \
                        again; a change that it made is complete.";
            Err(Failure::new(codes::NO_SPACE, "standard output took only a part of the result")
                .because(&error)
                .next(next))
        }
        _ => Ok(()),
    }
}

/// What a report comes to.
pub(crate) enum Verdict {
    /// The exit code of the process.
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
    /// A printer that writes reports as JSON, or as text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// The same; a quiet one prints neither progress nor notes.
    pub(crate) fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Whether everything that is printed is JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether progress and notes are left out.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether a person watches standard error.
    pub(crate) fn watched(self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// A report on standard output: `data` as one JSON document, or its `text`.
    pub(crate) fn report<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) -> Result<(), Failure> {
        let rendered = if self.json { document::pretty(data) } else { shown::block(&text(data)) };
        self.data(rendered.trim_end())
    }

    /// A report that a terminal shows laid out at its width, with these words in color.
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

    /// Text on standard output as it is; returns whether anyone reads it.
    pub(crate) fn is_read(self, text: &str) -> Result<bool, Failure> {
        match around(|| self.bytes(text.as_bytes())) {
            Ok(()) => Ok(true),
            Err(error) => received(Err(error)).map(|()| false),
        }
    }

    /// A report that ends with a verdict, which decides about the exit code even if the report could not be written whole.
    pub(crate) fn judged<D: Document>(
        self,
        data: &D,
        text: impl FnOnce(&D) -> String,
        verdict: impl Into<Verdict>,
    ) -> Result<ExitCode, Failure> {
        self.decided(self.report(data, text), verdict)
    }

    /// The verdict of a report, given what became of the report.
    pub(crate) fn decided(
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

    /// The same report, for what a person must have before anything else happens. A reader that left is an error here; a
    /// file that receives it is on the disk on return.
    pub(crate) fn deliver<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) -> io::Result<()> {
        let rendered = if self.json { document::pretty(data) } else { shown::block(&text(data)) };
        around(|| self.bytes(format!("{}\n", rendered.trim_end()).as_bytes()))?;
        match rustix::fs::fsync(io::stdout()) {
            // Pipes, terminals and devices have no disk.
            Err(Errno::INVAL | Errno::ROFS | Errno::NOTSUP) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A report on standard error, where standard output is the data itself.
    pub(crate) fn report_beside<D: Document>(self, data: &D, text: impl FnOnce(&D) -> String) {
        let rendered = if self.json { document::line(data) } else { shown::block(&text(data)) };
        around(|| eprintln!("{rendered}"));
    }

    /// Text on standard output as it is, such as shell completions.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        received(around(|| writeln!(output, "{text}").and_then(|()| output.flush())))
    }

    /// Bytes on standard output as they are; an error means that no one reads them any longer.
    pub(crate) fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(bytes).and_then(|()| output.flush())
    }

    /// Standard output for bytes that are the data themselves, such as a bundle; nothing else prints there meanwhile.
    pub(crate) fn stream(self) -> std::io::StdoutLock<'static> {
        std::io::stdout().lock()
    }

    /// A text for the person on standard error.
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

    /// A question to the person at the terminal, which even a quiet command must ask.
    pub(crate) fn question(self, text: &str) {
        self.quiet(false).note(text);
    }

    /// An event of progress as a line of JSON on standard error.
    pub(crate) fn event(self, event: &Event) {
        self.line(&ProgressLine(event));
    }

    /// The last error of a process that ends at once, whatever its other threads print: this waits for no bar.
    pub(crate) fn last_failure(self, failure: &Failure) {
        let rendered = if self.json { failure.json() } else { failure.text() };
        // If standard error is closed, nothing can be reported.
        let _ = writeln!(io::stderr(), "{rendered}");
    }

    /// A document in one line on standard error.
    pub(crate) fn line<D: Document>(self, document: &D) {
        eprintln!("{}", document::line(document));
    }

    /// An error on standard error: what, why, what next, and its code.
    pub(crate) fn failure(self, failure: &Failure) {
        let rendered = if self.json { failure.json() } else { failure.text() };
        around(|| eprintln!("{rendered}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_win_over_reports_that_were_not_written() {
        let printer = Printer::new(false);
        let unwritten = || Err(Failure::new(codes::NO_SPACE, "standard output is full"));
        let code = |done: Result<ExitCode, Failure>| match done {
            Ok(code) => format!("{code:?}"),
            Err(failure) => failure.code().id.to_owned(),
        };
        let [done, not_ready] = [ExitCode::SUCCESS, ExitCode::from(4)].map(|code| format!("{code:?}"));
        assert_eq!(code(printer.decided(Ok(()), 0_u8)), done);
        assert_eq!(code(printer.decided(unwritten(), 0_u8)), "LF1202");
        assert_eq!(code(printer.decided(Ok(()), 4_u8)), not_ready);
        assert_eq!(code(printer.decided(unwritten(), 4_u8)), not_ready);
        let damaged = || Some(Failure::new(codes::BACKUP_DAMAGED, "a file is damaged"));
        assert_eq!(code(printer.decided(unwritten(), damaged())), "LF4605");
        assert_eq!(code(printer.decided(Ok(()), None::<Failure>)), done);
    }
}
