//! `landfall explain CODE`: explains an error code: meaning, cases, next step, and the handbook's section about it.

use std::cmp::Reverse;
use std::fmt::Write as _;

use landfall_error_codes::codes::{self, ALL};
use landfall_error_codes::{Code, ExitClass, Runbook, cases};
use landfall_handbook::Page;
use schemars::JsonSchema;
use serde::Serialize;

use super::errors;
use crate::cli::{self, ExplainArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Page of the handbook with all codes.
const ERRORS: &str = "ERRORS";

/// Maximum number of suggestions for an unknown code.
const NEAREST: usize = 3;

/// Explanation of a code.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    /// The code, such as `LF4408`.
    code: &'static str,
    /// Failure in a few words.
    title: &'static str,
    /// Subject area of the code.
    area: &'static str,
    /// Class of the exit code.
    #[schemars(with = "String")]
    class: ExitClass,
    /// Exit code of the process.
    exit_code: u8,
    /// Meaning of the exit code.
    meaning: &'static str,
    /// Cases with a next step of their own.
    cases: Vec<ExplainedCase>,
    /// Next step in all other cases.
    next: &'static str,
    /// Page of the handbook about the code, as `landfall handbook` prints it.
    page: &'static str,
    /// Instructions of the handbook for the code.
    runbook: Option<ShownRunbook>,
}

/// Case of a code.
#[derive(Serialize, JsonSchema)]
struct ExplainedCase {
    /// Condition of the case.
    when: &'static str,
    /// Next step in this case.
    next: &'static str,
}

/// Instructions of the handbook.
#[derive(Serialize, JsonSchema)]
struct ShownRunbook {
    /// Their heading.
    heading: &'static str,
    /// Their text, in Markdown.
    text: &'static str,
}

impl Document for Explanation {
    const KIND: &'static str = "explanation";
}

/// Prints the explanation of a code.
pub(crate) fn run(arguments: &ExplainArguments, printer: Printer) -> Result<(), Failure> {
    printer.report(&explanation(find_code(&arguments.code)?), text)
}

/// Finds a typed code, in any case and with or without `LF`.
fn find_code(typed: &str) -> Result<Code, Failure> {
    let upper = typed.trim().to_uppercase();
    let digits = upper.strip_prefix("LF").unwrap_or(&upper);
    if let Some(code) = ALL.iter().find(|code| &code.id[2..] == digits) {
        return Ok(*code);
    }
    let near: Vec<String> = nearest(digits).iter().map(|code| format!("{} ({})", code.id, code.title)).collect();
    let next = match near.as_slice() {
        [] => "A code is `LF` and four digits; `landfall errors` lists all.".to_owned(),
        near => format!("The nearest ones are {}; `landfall errors` lists all.", near.join(", ")),
    };
    Err(Failure::new(codes::BAD_ARGUMENT, format!("there is no code {typed}")).next(next))
}

/// Codes most similar to these digits: those with the most equal digits, then those with the nearest number.
fn nearest(digits: &str) -> Vec<Code> {
    let Some(number) = digits.parse::<u32>().ok().filter(|_| digits.len() <= 5) else { return Vec::new() };
    let mut all = ALL.clone();
    all.sort_by_key(|code| {
        let own = &code.id[2..];
        let equal = own.bytes().zip(digits.bytes()).filter(|(own, typed)| own == typed).count();
        (Reverse(equal), own.parse().unwrap_or(u32::MAX).abs_diff(number))
    });
    all.truncate(NEAREST);
    all
}

fn explanation(code: Code) -> Explanation {
    let of_code = cases::ALL.iter().filter(|case| case.codes.contains(&code));
    let runbook = code.runbook().and_then(|Runbook { page, heading }| {
        let text = section(Page::find(page)?.markdown(), heading)?;
        Some(ShownRunbook { heading, text })
    });
    Explanation {
        code: code.id,
        title: code.title,
        area: errors::area(code),
        class: code.class,
        exit_code: code.class.exit_code(),
        meaning: cli::meaning(code.class),
        cases: of_code.map(|case| ExplainedCase { when: case.when, next: case.next }).collect(),
        next: code.fix,
        page: code.runbook().map_or(ERRORS, |runbook| runbook.page),
        runbook,
    }
}

/// Text of the section with this heading, up to the next heading of the same level or above.
fn section<'a>(document: &'a str, heading: &str) -> Option<&'a str> {
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let mut start = None;
    let mut at = 0;
    for line in document.split_inclusive('\n') {
        match start {
            None if level(line) > 0 && line.trim_start_matches('#').trim() == heading => {
                start = Some((at + line.len(), level(line)));
            }
            Some((start, own)) if (1..=own).contains(&level(line)) => return Some(document[start..at].trim()),
            _ => {}
        }
        at += line.len();
    }
    start.map(|(start, _)| document[start..].trim())
}

fn text(explanation: &Explanation) -> String {
    let Explanation { code, title, area, exit_code, meaning, cases, next, page, runbook, .. } = explanation;
    let mut text = format!(
        "{code}: {title}\n\narea       {area}\nexit code  {exit_code}: {meaning}\nhandbook   landfall handbook {page}\n"
    );
    for ExplainedCase { when, next } in cases {
        let _infallible = write!(text, "\nif {when}:\n  {next}\n");
    }
    let otherwise = if cases.is_empty() { "what to do" } else { "otherwise" };
    let _infallible = write!(text, "\n{otherwise}:\n  {next}\n");
    if let Some(ShownRunbook { heading, text: section }) = runbook {
        let _infallible = write!(text, "\nfrom the handbook, *{heading}*:\n\n{section}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spellings_are_accepted() {
        for typed in ["LF4408", "lf4408", "4408", " Lf4408 "] {
            assert_eq!(find_code(typed).expect(typed), codes::ROLLBACK_NOWHERE);
        }
    }

    #[test]
    fn unknown_codes_name_nearest() {
        let refused = |typed| find_code(typed).expect_err(typed);
        let next = refused("LF4480").next_step().to_owned();
        assert!(next.starts_with("The nearest ones are LF44"), "{next}");
        assert_eq!(refused("LF4480").code(), codes::BAD_ARGUMENT);
        for typed in ["", "LF", "nope", "99999999999999999999"] {
            assert!(refused(typed).next_step().starts_with("A code is `LF` and four digits"), "{typed}");
        }
    }

    #[test]
    fn codes_are_explained() {
        for code in ALL.iter() {
            let explanation = explanation(*code);
            let text = text(&explanation);
            assert!(text.contains(code.title) && text.contains(code.fix), "{text}");
            assert!(!explanation.area.is_empty() && !explanation.meaning.is_empty(), "{text}");
            assert_eq!(explanation.runbook.is_some(), code.runbook().is_some(), "{text}");
            assert!(Page::find(explanation.page).is_some(), "{text}");
        }
        insta::assert_snapshot!(text(&explanation(codes::ROLLBACK_NOWHERE)));
        insta::assert_snapshot!(text(&explanation(codes::CLOCK_WRONG)));
    }

    #[test]
    fn sections_end_at_next_heading() {
        let document = "# One\n\ntext\n\n## Two\n\nmore\n\n### Deep\n\nstill\n\n## Three\nlast";
        assert_eq!(section(document, "Two"), Some("more\n\n### Deep\n\nstill"));
        assert_eq!(section(document, "Three"), Some("last"));
        assert_eq!(section(document, "Four"), None);
    }
}
