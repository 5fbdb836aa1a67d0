//! The program's help, as its text lists commands.

use std::collections::BTreeSet;

/// Names of the commands that a help text lists, each once.
pub fn commands(help: &str) -> BTreeSet<String> {
    let is_below = |line: &&str| ["Options:", "Global options:", "Examples:"].contains(line);
    let lines = help.lines().skip_while(|line| !line.starts_with("Usage:")).take_while(|line| !is_below(line));
    let lines = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with(char::is_lowercase));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}
