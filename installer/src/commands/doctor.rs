//! `landfall doctor`: lists all problems of an installed site and its host, most severe first.

use std::fmt::Write;
use std::process::ExitCode;

use landfall_lifecycle::operations::{Diagnosis, Problem, ProblemSeverity};

use super::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::terminal::{Tone, Words};

const WORDS: Words = &[("BLOCKER", Tone::Bad), ("warning", Tone::Attention), ("nothing is wrong", Tone::Good)];

impl Document for Diagnosis {
    const KIND: &'static str = "doctor";
}

/// Prints the problems; the exit code shows if any of them must be fixed.
pub(crate) fn run(printer: Printer) -> Result<ExitCode, Failure> {
    let diagnosis = operations_of_root(printer)?.diagnose()?;
    printer.page(&diagnosis, text, WORDS)?;
    Ok(ExitCode::from(diagnosis.exit_code()))
}

fn text(diagnosis: &Diagnosis) -> String {
    let Diagnosis { at, release, blockers, warnings, problems, .. } = diagnosis;
    let release = shown::line(release.as_deref().unwrap_or("this machine"));
    if problems.is_empty() {
        return format!("{release}: nothing is wrong, as of {at}");
    }
    let (blockers, warnings) = (format_count(*blockers, "blocker"), format_count(*warnings, "warning"));
    let mut text = format!("{release}: {blockers}, {warnings}, as of {at}; nothing was changed");
    for (problem, number) in problems.iter().zip(1..) {
        problem_text(&mut text, number, problem);
    }
    text
}

fn problem_text(text: &mut String, number: usize, problem: &Problem) {
    let Problem { severity, name, code, what, next, commands } = problem;
    let label = match severity {
        ProblemSeverity::Blocker => "BLOCKER",
        ProblemSeverity::Warning => "warning",
    };
    let code = code.as_ref().map(|code| format!("{code} ")).unwrap_or_default();
    // These texts may contain anything, but cannot create lines of their own.
    let [name, what, next] = [name, what, next].map(|field| shown::line(field));
    let _infallible = write!(text, "\n\n{label}  {number}. {what} [{code}{name}]");
    let _infallible = write!(text, "\n   next: {next}");
    for command in commands {
        let _infallible = write!(text, "\n   $ {}", shown::line(command));
    }
}

#[cfg(test)]
mod tests {
    use landfall_documents::status::Verdict;

    use super::*;

    fn diagnosis() -> Diagnosis {
        let disk = Problem {
            severity: ProblemSeverity::Blocker,
            name: "disk-space".to_owned(),
            code: Some("LF3006".into()),
            what: "Too little space: 1 GiB\nBLOCKER  9. forged".to_owned(),
            next: "Free space.".to_owned(),
            commands: vec!["journalctl --vacuum-size=200M".to_owned()],
        };
        let backups = Problem {
            severity: ProblemSeverity::Warning,
            name: "backups".to_owned(),
            code: None,
            what: "no backup exists".to_owned(),
            next: "Run `landfall backup run`.".to_owned(),
            commands: Vec::new(),
        };
        Diagnosis {
            at: "2026-11-20T08:00:00Z".to_owned(),
            release: Some("starter 1.0.0".to_owned()),
            verdict: Verdict::Ready,
            ready: false,
            blockers: 1,
            warnings: 1,
            problems: vec![disk, backups],
        }
    }

    #[test]
    fn problems_show_next_steps() {
        let text = text(&diagnosis());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "starter 1.0.0: 1 blocker, 1 warning, as of 2026-11-20T08:00:00Z; nothing was changed");
        assert!(
            lines[2].starts_with("BLOCKER  1. Too little space: 1 GiB") && lines[2].ends_with("[LF3006 disk-space]")
        );
        assert_eq!(lines[3..5], ["   next: Free space.", "   $ journalctl --vacuum-size=200M"]);
        assert_eq!(lines[6..], ["warning  2. no backup exists [backups]", "   next: Run `landfall backup run`."]);
        assert_eq!(diagnosis().exit_code(), 4);
    }

    #[test]
    fn healthy_site_says_so() {
        let well = Diagnosis { problems: Vec::new(), blockers: 0, warnings: 0, ready: true, ..diagnosis() };
        assert_eq!(text(&well), "starter 1.0.0: nothing is wrong, as of 2026-11-20T08:00:00Z");
        assert_eq!(well.exit_code(), 0);
    }

    #[test]
    fn document_matches_schema() {
        let (_, schema) = crate::document::schema_of::<Diagnosis>();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&diagnosis())).unwrap();
        assert!(jsonschema::is_valid(&schema, &document));
    }
}
