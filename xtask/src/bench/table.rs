//! The table as text and as JSON. Each subject has figures of any kind, some of which have a goal.

use std::fmt::Write;

use serde::Serialize;

use super::Ratio;

/// One subject: a verb, or an operation of a site.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `build`, `verify`, `stage`, `upgrade` …
    pub name: &'static str,
    /// Measured figures.
    pub figures: Vec<Figure>,
    /// Ratios of its time to the rivals' times.
    pub ratios: Vec<Ratio>,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Short description of the measured quantity.
    pub name: &'static str,
    /// Value, in the figure's unit.
    pub value: f64,
    /// Unit of the value.
    pub unit: Unit,
    /// The goal, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// Unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes; shown in MiB.
    Bytes,
    /// Bytes per second; shown in MB/s.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A share or multiple of the whole that the name states.
    Share,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Bytes => format!("{:.0} MiB", value / f64::from(1 << 20)),
            Self::BytesPerSecond => format!("{:.0} MB/s", value / 1e6),
            Self::Seconds => format!("{value:.0} s"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Share => format!("{value:.3}"),
        }
    }
}

impl Figure {
    /// Creates a figure without a goal.
    pub fn new(name: &'static str, value: f64, unit: Unit) -> Self {
        Self { name, value, unit, at_most: None }
    }

    /// Creates a figure in bytes.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn bytes(name: &'static str, bytes: u64) -> Self {
        Self::new(name, bytes as f64, Unit::Bytes)
    }

    /// Creates a figure of a part relative to its whole.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of three decimals")]
    pub fn share(name: &'static str, part: u64, whole: u64) -> Self {
        Self::new(name, part as f64 / whole.max(1) as f64, Unit::Share)
    }

    /// Adds a goal.
    #[must_use]
    pub fn at_most(self, goal: f64) -> Self {
        Self { at_most: Some(goal), ..self }
    }

    /// Returns true if the figure has a goal and exceeds it.
    pub fn is_missed(&self) -> bool {
        self.at_most.is_some_and(|goal| self.value > goal)
    }

    fn line(&self) -> String {
        let shown = self.unit.show(self.value);
        let goal = self.at_most.map(|goal| {
            let missed = if self.is_missed() { ", MISSED" } else { "" };
            format!("   at most {}{missed}", self.unit.show(goal))
        });
        format!("  {:<44} {shown:>12}{}", self.name, goal.unwrap_or_default())
    }
}

/// Returns every missed goal, with its row.
pub fn missed_goals(rows: &[Row]) -> Vec<String> {
    let of_row = |row: &Row| {
        let missed = row.figures.iter().filter(|figure| figure.is_missed());
        missed.map(|figure| format!("{}:{}", row.name, figure.line())).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

/// Formats the table for people.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { name, figures, ratios } in rows {
        let _infallible = writeln!(text, "{name}");
        for figure in figures {
            let _infallible = writeln!(text, "{}", figure.line());
        }
        for Ratio { rival, minimum, median, maximum, pairs, cold, limit, met } in ratios {
            let warm = if *cold { "" } else { ", warm cache" };
            let verdict = if *met == Some(true) { "met" } else { "NOT MET" };
            let limit = limit.map(|limit| format!(", limit {limit:.2} {verdict}")).unwrap_or_default();
            let over = format!("time over {rival}");
            let _infallible = writeln!(
                text,
                "  {over:<44} {median:>12.2}   [{minimum:.2}–{maximum:.2}], pairs: {pairs}{warm}{limit}"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_goal_names_row() {
        let seconds = |value| Figure::new("until it is committed", value, Unit::Seconds).at_most(900.0);
        let row =
            |name, value| Row { name, figures: vec![seconds(value), Figure::bytes("memory", 3 << 20)], ratios: vec![] };
        let rows = [row("upgrade", 900.0), row("undo", 900.6)];
        let found = missed_goals(&rows);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("undo:") && found[0].ends_with("901 s   at most 900 s, MISSED"), "{found:?}");
        let text = render(&rows);
        assert!(text.starts_with("upgrade\n  until it is committed ") && text.contains(" 3 MiB\n"), "{text}");
        let json = serde_json::to_value(&rows[0]).unwrap();
        assert_eq!(json["figures"][0]["at_most"], 900.0);
        assert_eq!(json["figures"][1]["unit"], "bytes");
        assert!(Figure::new("answer", 12.34, Unit::Milliseconds).line().ends_with(" 12.3 ms"));
        assert!(Figure::share("part", 1, 4).at_most(0.25).line().contains("0.250   at most 0.250"));
    }
}
