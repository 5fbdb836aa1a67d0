//! Placeholders in a definition for values that a user must fill in.

/// Placeholder for a value that a user must fill in.
pub const FILL_IN: &str = "FILL-IN";

/// Lines with a field to fill in, counted from 1. Comments may contain the placeholder.
pub fn unfinished_lines(text: &str) -> Vec<(usize, &str)> {
    let has_field = |line: &str| line.split(" #").next().is_some_and(|fields| fields.contains(FILL_IN));
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let lines = text.lines().enumerate().filter(|(_, line)| has_field(line) && !is_comment(line));
    lines.map(|(index, line)| (index + 1, line.trim())).collect()
}
