//! What a run may print and leave, whatever a stick says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_error_codes::{ExitClass, codes};

use crate::vendor::outcome::Outcome;

/// What shows that a string reached the terminal at all, in a form without effect.
pub const MARK: &str = "hostile";

/// Sets the window's title, clears the screen, returns to the line's start, colors (in two ways), deletes, tabs, rings, changes
/// direction (in four ways), hides, separates, tags, and begins a line of its own.
pub const ESCAPES: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}31m\u{1b}[32m\u{8}\u{7f}\t\u{b}\u{85}\u{90}\u{202e}\u{2067}\
                           \u{61c}\u{200f}\u{200b}\u{ad}\u{feff}\u{2028}\u{e0041}\nerror[LF0000]: forged";

/// Maximum length of a line for a person, in bytes: 1,000 characters of 10 bytes each, escaped, and what surrounds them.
const LINE_BYTES: usize = 16 << 10;

/// Maximum length of everything that one run prints for a person, in bytes.
const TEXT_BYTES: usize = 1 << 20;

/// How many bytes of JSON one byte of a head can become, at most: six for a control character, and the indentation around it.
const JSON_GROWTH: usize = 12;

/// Fails if what was printed can do anything to a terminal, forges a line or floods the screen, or if the program ended in any way
/// but success or an error of the registry. `head_bytes` is how much the stick said.
pub fn expect(what: &str, outcome: &Outcome, head_bytes: usize) -> Result<()> {
    let (stdout, stderr) = (outcome.text()?, outcome.stderr.as_str());
    let is_document = what.ends_with("--json");
    let (printed, limit) = (stdout.len() + stderr.len(), if is_document { JSON_GROWTH * head_bytes } else { 0 });
    ensure!(printed <= TEXT_BYTES + limit, "{what} printed {printed} bytes");
    for line in stdout.lines().chain(stderr.lines()) {
        let active = line.chars().find(|letter| is_active(*letter));
        ensure!(active.is_none(), "{what} printed {active:?}: {line:.2000?}");
        ensure!(!line.starts_with("error[LF0000]"), "{what} printed a forged line: {line:.2000?}");
        ensure!(is_document || line.len() <= LINE_BYTES, "{what} printed a line of {} bytes", line.len());
    }
    expect_code(what, outcome)
}

/// Fails unless the program succeeded, or its error is one of the registry and its exit code is that of the error.
fn expect_code(what: &str, outcome: &Outcome) -> Result<()> {
    if outcome.code == 0 {
        return Ok(());
    }
    // A preflight that found blockers has answered: its findings are its report.
    if what.starts_with("preflight ") && outcome.stderr.is_empty() {
        return expect_findings(what, outcome);
    }
    let last = outcome.stderr.lines().last().unwrap_or_default();
    let of_document = || serde_json::from_str::<serde_json::Value>(last).ok()?["code"].as_str().map(str::to_owned);
    let id = outcome.error().map(str::to_owned).or_else(of_document);
    let id = id.with_context(|| format!("{what} ended with {} and no code: {:.2000}", outcome.code, outcome.stderr))?;
    let known = codes::ALL.iter().find(|code| code.id == id);
    let known = known.with_context(|| format!("{what} ended with {id}, which is not registered"))?;
    ensure!(i32::from(known.class.exit_code()) == outcome.code, "{what} ended with {} for {id}", outcome.code);
    ensure!(id != codes::BUG.id, "{what} took a stick's text for a bug: {:.2000}", outcome.stderr);
    Ok(())
}

/// Fails unless a report of findings ended with the code of blockers, and names some of the registry.
fn expect_findings(what: &str, outcome: &Outcome) -> Result<()> {
    let report = outcome.text()?;
    let blockers = ExitClass::NotReady.exit_code();
    ensure!(i32::from(blockers) == outcome.code, "{what} ended with {} and no error", outcome.code);
    ensure!(codes::ALL.iter().any(|code| report.contains(code.id)), "{what} found nothing, and ended with {blockers}");
    ensure!(!report.contains(codes::BUG.id), "{what} took a stick's text for a bug: {report:.2000}");
    Ok(())
}

/// Whether a terminal, or a reader's eye, does something else with a character than seeing it: controls, C1 included, changes of
/// direction, what has no width, separators of lines, tags.
fn is_active(letter: char) -> bool {
    let ranges = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    letter.is_control()
        || ['\u{ad}', '\u{61c}', '\u{feff}'].contains(&letter)
        || ranges.iter().any(|range| range.contains(&letter))
}

/// Everything below some folders by path, with the time of its last change and its size; a folder that is missing has nothing.
pub fn listing(folders: &[&Path]) -> Result<BTreeMap<String, String>> {
    let existing = folders.iter().filter(|folder| folder.exists());
    let mut find = Command::new("find");
    find.args(existing).args(["-printf", "%p\\0%y %s %T@\\0"]);
    if folders.iter().all(|folder| !folder.exists()) {
        return Ok(BTreeMap::new());
    }
    let found = Outcome::success(&mut find)?;
    let fields: Vec<_> = found.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    Ok(fields.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect())
}
