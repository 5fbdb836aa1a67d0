//! The fixes as a shell script for a person to read: it runs nothing unless a fix is named.

use std::fmt::Write;

use landfall_lifecycle::operations::PreflightReport;
use landfall_site::findings::{Finding, Severity, quote};

use super::counts;
use crate::shown;

/// A command that ends all other processes of a host: the script runs it once, after all fixes.
const REBOOT: &str = "systemctl reboot";

/// The script. All text from facts or from a release is in a comment or in quotes.
pub(super) fn script(report: &PreflightReport) -> String {
    let mut text = String::from("#!/bin/sh\n");
    let PreflightReport { release, version, host, .. } = report;
    comment(&mut text, "", &format!("Fixes for {release} {version} on {host}: {}.", counts(report)));
    text.push_str(
        "# Read it before you use it. It runs only what you name:\n#   sh FILE        lists the fixes\n#   sh FILE 1 \
         3    runs the fixes 1 and 3, as root\nset -eu\nreboot=no\n\nrun() \
         {\n    printf '+ %s\\n' \"$1\"\n    sh -c \"$1\"\n}\n",
    );
    let open: Vec<(usize, &Finding)> =
        (1..).zip(&report.findings).filter(|(_, finding)| finding.severity != Severity::Passed).collect();
    for (number, finding) in &open {
        fix(&mut text, *number, finding);
    }
    choice(&mut text, &open);
    text
}

/// Writes comments, and a function if the fix has commands.
fn fix(text: &mut String, number: usize, finding: &Finding) {
    text.push('\n');
    let title = format!("{number}. [{} {}] {}", finding.code, finding.name, finding.message);
    comment(text, "", &title);
    for more in [finding.why(), finding.next()].iter().filter(|more| !more.is_empty()) {
        comment(text, "   ", more);
    }
    if finding.commands.is_empty() {
        text.push_str("#    No command does this.\n");
        return;
    }
    let _infallible = writeln!(text, "fix_{number}() {{");
    for command in &finding.commands {
        if command == REBOOT {
            text.push_str("    reboot=yes\n");
        } else if shown::is_plain(command) {
            let _infallible = writeln!(text, "    run {}", quote_command(command));
        } else {
            // A command with invisible characters cannot be reviewed.
            comment(text, "", &format!("    left out, because it holds invisible characters: {command}"));
            text.push_str("    false\n");
        }
    }
    text.push_str("}\n");
}

/// Writes the end of the script, which lists the fixes or runs the named ones.
fn choice(text: &mut String, open: &[(usize, &Finding)]) {
    text.push_str("\nif [ $# -eq 0 ]; then\n");
    for (number, finding) in open {
        let none = if finding.commands.is_empty() { " (no command)" } else { "" };
        let line = shown::line(&format!("{number}. {}{none}", finding.message));
        let _infallible = writeln!(text, "    printf '%s\\n' {}", quote_command(&line));
    }
    text.push_str("fi\nfor number in \"$@\"; do\n    case \"$number\" in\n");
    for (number, _) in open.iter().filter(|(_, finding)| !finding.commands.is_empty()) {
        let _infallible = writeln!(text, "    {number}) fix_{number} ;;");
    }
    text.push_str("    *) printf 'there is no command for %s\\n' \"$number\" >&2; exit 2 ;;\n    esac\ndone\n");
    let _infallible = writeln!(text, "if [ \"$reboot\" = yes ]; then\n    run {}\nfi", quote_command(REBOOT));
}

/// Writes a comment as one line, whatever it quotes.
fn comment(text: &mut String, indent: &str, what: &str) {
    let _infallible = writeln!(text, "# {indent}{}", shown::line(what));
}

/// Quotes a command, even if it needs no quotes, so that a reader sees where it ends.
fn quote_command(command: &str) -> String {
    let quoted = quote(command);
    if quoted.starts_with('\'') { quoted } else { format!("'{quoted}'") }
}
