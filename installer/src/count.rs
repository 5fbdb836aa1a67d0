//! A number with its noun.

use std::fmt::Display;

/// Formats a count, such as `1 file`, `2 files` or `2 entries`.
pub(crate) fn format_count<N: Copy + Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    match what.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if count == N::from(1) => format!("{count} {what}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {what}s"),
    }
}
