//! Checks that a run prints and leaves only harmless data, whatever a stick contains.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_error_codes::{ExitClass, codes};

use crate::vendor::outcome::Outcome;

/// Text that shows that a string reached the terminal at all, in harmless form.
pub const MARK: &str = "hostile";

/// Characters with effects on a terminal. They set the window's title, clear the screen, return to the line's start,
/// color (in two ways), delete, tab, and ring. They change direction (in four ways), hide, separate, tag, and begin a
/// new line.
pub const ESCAPES: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}31m\u{1b}[32m\u{8}\u{7f}\t\u{b}\u{85}\u{90}\
    \u{202e}\u{2067}\u{61c}\u{200f}\u{200b}\u{ad}\u{feff}\u{2028}\u{e0041}\nerror[LF0000]: forged";

/// Maximum length of a line of human-readable output, in bytes: 1,000 characters of 10 bytes each, escaped, and the
/// surrounding text.
const LINE_BYTES: usize = 16 << 10;

/// Maximum length of the human-readable output of one run, in bytes.
const TEXT_BYTES: usize = 1 << 20;

/// Maximum bytes of JSON per byte of a head: six for a control character, and the indentation around it.
const JSON_GROWTH: usize = 12;

/// Fails if the output could affect a terminal, forge a line or flood the screen. Also fails if the program ended with
/// anything but success or a registered error. `head_bytes` is the size of the stick's texts.
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

/// Fails unless the program succeeded, or its error is registered and its exit code is that of the error.
fn expect_code(what: &str, outcome: &Outcome) -> Result<()> {
    if outcome.code == 0 {
        return Ok(());
    }
    // A preflight that found blockers has succeeded: its findings are the result.
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

/// Fails unless a report of findings ended with the blockers' exit code, and names registered errors.
fn expect_findings(what: &str, outcome: &Outcome) -> Result<()> {
    let report = outcome.text()?;
    let blockers = ExitClass::NotReady.exit_code();
    ensure!(i32::from(blockers) == outcome.code, "{what} ended with {} and no error", outcome.code);
    ensure!(codes::ALL.iter().any(|code| report.contains(code.id)), "{what} found nothing, and ended with {blockers}");
    ensure!(!report.contains(codes::BUG.id), "{what} took a stick's text for a bug: {report:.2000}");
    Ok(())
}

/// Returns true if a terminal or a reader would not simply show a character: controls including C1, changes of
/// direction, zero-width characters, line separators, tags.
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

/// Returns everything below some folders by path, with its modification time and size. A missing folder has no entries.
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
