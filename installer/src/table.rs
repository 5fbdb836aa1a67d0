//! Tables for people: aligned columns, times to the second, and ages.

use std::time::Duration;

use jiff::Timestamp;

use crate::shown;

/// Space between columns.
const GAP: &str = "  ";

/// Formats rows below their headings, with columns as wide as their widest cell. Cells may contain anything, but cannot
/// create lines of their own.
pub(crate) fn format_table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let headings = headings.map(str::to_uppercase);
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| shown::line(&cell))).collect();
    let all = || std::iter::once(&headings).chain(&rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

/// Formats a time of a document without fractions of a second; returns an invalid time unchanged.
pub(crate) fn to_the_second(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |time| format!("{time:.0}"))
}

/// Formats the age of a time in a document, in its largest unit; empty for an invalid time.
pub(crate) fn age(time: &str, now: Timestamp) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return String::new() };
    let age = Duration::try_from(now.duration_since(time));
    age.map_or_else(|_| "in the future".to_owned(), |age| crate::age::age(age.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["1", "a longer one", ""]), row(["22", "b\nforged", "last"])];
        insta::assert_snapshot!(format_table(["id", "what", "end"], rows), @r"
        ID  WHAT          END
        1   a longer one
        22  b\u{a}forged  last
        ");
    }

    #[test]
    fn ages_use_largest_unit() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (time, shown) in [
            ("2026-11-22T09:59:59.9Z", "0 s"),
            ("2026-11-22T09:59:18Z", "42 s"),
            ("2026-11-22T09:01:00Z", "59 min"),
            ("2026-11-20T11:00:00Z", "47 h"),
            ("2026-11-20T10:00:00Z", "2 d"),
            ("2025-11-20T10:00:00Z", "367 d"),
            ("2026-11-23T10:00:00Z", "in the future"),
            ("yesterday", ""),
        ] {
            assert_eq!(age(time, now), shown, "{time}");
        }
        assert_eq!(to_the_second("2026-11-22T02:00:31.250000001Z"), "2026-11-22T02:00:31Z");
        assert_eq!(to_the_second("soon"), "soon");
    }
}
