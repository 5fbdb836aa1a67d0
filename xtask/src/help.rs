//! Parsing of the program's help.

use std::collections::BTreeSet;

/// Returns the names of the commands in a help text, each once.
pub fn commands(help: &str) -> BTreeSet<String> {
    let is_below = |line: &&str| ["Options:", "Global options:", "Examples:"].contains(line);
    let lines = help.lines().skip_while(|line| !line.starts_with("Usage:")).take_while(|line| !is_below(line));
    let lines = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with(char::is_lowercase));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}
