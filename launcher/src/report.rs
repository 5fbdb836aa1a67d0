//! Output for people, on stderr. Stdout is reserved for the command that follows.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::checks::Finding;

/// Prints one line. Errors of stderr are ignored: if it is closed, only messages are lost.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Returns a report of everything that is missing, with the commands that help.
pub fn missing(findings: &[Finding]) -> String {
    let mut text = match findings.len() {
        1 => "error: one thing is missing on this machine\n".to_owned(),
        count => format!("error: {count} things are missing on this machine\n"),
    };
    for (index, finding) in findings.iter().enumerate() {
        let _ = write!(text, "\n{}. {}\n", index + 1, finding.what);
        for help in &finding.help {
            let _ = writeln!(text, "       {help}");
        }
    }
    text + "\nNothing of the project was compiled, and nothing was changed."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Remedy;

    #[test]
    fn findings_are_reported_with_help() {
        let finding =
            |what: &str| Finding { what: what.to_owned(), help: vec![format!("get {what}")], remedy: Remedy::Person };
        let text = missing(&[finding("one"), finding("two")]);
        assert!(text.starts_with("error: 2 things are missing"), "{text}");
        assert!(text.contains("1. one\n       get one\n") && text.contains("2. two\n       get two\n"), "{text}");
    }
}
