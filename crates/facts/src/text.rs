//! The facts of a host as text for a terminal.

use landfall_facts::{rows, shown};
use landfall_host::facts::Facts;

/// Formats the facts by topic, one per line. Invisible characters are spelled out, so that no name on the host looks
/// like a separate line.
pub(crate) fn text(facts: &Facts) -> String {
    let mut lines = vec![format!("{}, {}", shown::line(&facts.hostname), shown::line(&facts.collected_at))];
    if !facts.root {
        lines.push("Collected without root: the packet filter and programs of other users are unknown.".to_owned());
    }
    for (topic, rows) in rows::groups(facts) {
        lines.extend([String::new(), topic.title().to_owned()]);
        lines.extend(rows.iter().map(|row| format!("  {}: {}", shown::line(&row.name), shown::line(&row.value))));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::sample::sample;

    use super::*;

    #[test]
    fn facts_take_one_line() {
        let text = text(&sample());
        assert!(text.starts_with("node-1, 2026-01-01T00:00:00Z\n\nMachine\n  Platform: linux/amd64\n"), "{text}");
        for shown in ["\n\nStorage\n", "\n  Processor cores: 4\n", "\n  Memory: 16.00 GiB\n", "\n\nNetwork\n"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        let facts: usize = rows::groups(&sample()).iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(text.lines().filter(|line| line.starts_with("  ")).count(), facts);
    }

    #[test]
    fn missing_root_is_noted() {
        assert!(!text(&sample()).contains("without root"));
        assert!(text(&Facts { root: false, ..sample() }).contains("\nCollected without root: "));
    }

    #[test]
    fn hostile_name_forges_no_line() {
        let evil = "x\u{1b}[2J\n  Memory: 1 TiB\u{202e}".to_owned();
        let facts = Facts { hostname: evil.clone(), leftovers: vec![evil.clone()], kernel: evil, ..sample() };
        let text = text(&facts);
        assert!(!text.lines().any(|line| line.starts_with("  Memory: 1 TiB")), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }
}
