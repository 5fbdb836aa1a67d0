//! `landfall status --watch`: repeats the status until an interrupt. A terminal shows the latest one; a pipe gets a
//! line for each change; with `--json`, a pipe gets one document per line each time.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use landfall_documents::status::StatusReport;
use landfall_error_codes::codes;
use landfall_lifecycle::operations::Operations;

use super::status;
use crate::document;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::printer::Printer;
use crate::terminal::Terminal;

/// Pause between two queries of the status.
const INTERVAL: Duration = Duration::from_secs(3);

/// Clears a terminal and moves the cursor to the top.
const CLEARED: &str = "\u{1b}[H\u{1b}[2J";

/// Shows the status until an interrupt, or until the reader closes standard output.
pub(super) fn run(operations: &Operations, printer: Printer) -> Result<ExitCode, Failure> {
    let interrupts = Interrupts::capture()
        .map_err(|error| Failure::new(codes::BUG, "interrupts cannot be waited for").because(&error))?;
    let mut shown = ShownText::default();
    loop {
        let report = operations.status()?;
        let text = shown.next(&report, printer, Terminal::of_stdout());
        if let Some(text) = text
            && !printer.is_read(&text)?
        {
            return Ok(ExitCode::SUCCESS);
        }
        if interrupts.wait(INTERVAL) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Last shown text.
#[derive(Default)]
struct ShownText(String);

impl ShownText {
    /// Text to print for a report, if any.
    fn next(&mut self, report: &StatusReport, printer: Printer, terminal: Option<Terminal>) -> Option<String> {
        let now = Timestamp::now();
        if printer.is_json() {
            return Some(format!("{}\n", document::line(report)));
        }
        if let Some(terminal) = terminal {
            return Some(screen(&status::laid_out(report, &terminal), terminal.rows));
        }
        let line = status::summary(report);
        let is_news = self.0 != line;
        self.0.clone_from(&line);
        is_news.then(|| format!("{now:.0}  {line}\n"))
    }
}

/// The part of a text that fits on a terminal.
fn screen(text: &str, rows: usize) -> String {
    let (all, room) = (text.lines().count(), rows.saturating_sub(1));
    let shown: Vec<&str> = text.lines().take(if all > room { room.saturating_sub(1) } else { all }).collect();
    let left = all - shown.len();
    let more = if left > 0 { format!("\n… {left} more lines: `landfall status`") } else { String::new() };
    format!("{CLEARED}{}{more}\n", shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use landfall_documents::status::Verdict;
    use landfall_lifecycle::operations::status::sample::installed_status;

    use super::*;

    #[test]
    fn pipe_gets_line_per_change() {
        let (mut shown, printer) = (ShownText::default(), Printer::new(false));
        let mut report = installed_status();
        let first = shown.next(&report, printer, None).unwrap();
        assert!(first.ends_with("Z  starter 1.0.0 is installed, and everything is ready\n"), "{first}");
        assert_eq!(shown.next(&report, printer, None), None);
        (report.ready, report.verdict) = (false, Verdict::NotReady);
        report.nodes[0].ready = false;
        let second = shown.next(&report, printer, None).unwrap();
        assert!(second.ends_with("not everything is ready: node node-1\n"), "{second}");
    }

    #[test]
    fn program_gets_document_per_update() {
        let (mut shown, printer) = (ShownText::default(), Printer::new(true));
        for _ in 0..2 {
            let line = shown.next(&installed_status(), printer, None).unwrap();
            assert_eq!(line.lines().count(), 1);
            let document: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(document["kind"], "status");
        }
    }

    #[test]
    fn screen_is_truncated_to_height() {
        assert_eq!(screen("a\nb\nc", 4), format!("{CLEARED}a\nb\nc\n"));
        assert_eq!(screen("a\nb\nc\nd", 4), format!("{CLEARED}a\nb\n… 2 more lines: `landfall status`\n"));
    }
}
