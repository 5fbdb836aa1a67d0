//! Performance of the console in the release profile: response times under load and of the first page, memory, and
//! processor use.

use std::path::PathBuf;

use super::{Figure, Unit};
use crate::workspace;

/// Name of the test that measures. Part `figures` runs only this test, with the program that ships.
pub const MEASUREMENT: &str = "the_console_is_measured";

/// Name of a figure that has a limit.
pub const ANSWERS: &str = "95 of 100 answers at 500 requests a second";
/// See [`ANSWERS`].
pub const MEMORY_UNDER_LOAD: &str = "memory at its peak under that load";
/// See [`ANSWERS`].
pub const ANSWERS_WITH_POSTGRESQL: &str = "95 of 100 answers at that rate, with PostgreSQL";
/// See [`ANSWERS`].
pub const MEMORY_WITH_POSTGRESQL: &str = "memory at its peak under that load, with PostgreSQL";
/// See [`ANSWERS`].
pub const MEMORY_OF_LISTENERS: &str = "memory at its peak with 500 listeners";
/// See [`ANSWERS`].
pub const IDLE_MEMORY: &str = "memory when idle";
/// See [`ANSWERS`].
pub const IDLE_PROCESSOR: &str = "of a processor when idle";
/// See [`ANSWERS`].
pub const IDLE_MEMORY_AFTER_SIGN_IN: &str = "memory when idle, a minute after a sign-in";
/// See [`ANSWERS`].
pub const FIRST_PAGE: &str = "first page with its style, 95 of 100";

/// Pages whose first paint is measured, each with its figure. See [`ANSWERS`].
pub const FIRST_PAINTS: [(&str, &str); 3] = [
    ("/", "first paint of the overview, 95 of 100"),
    ("/upgrade", "first paint of the page of upgrades, 95 of 100"),
    ("/audit", "first paint of the audit log, 95 of 100"),
];

/// The limit of one figure.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Name of the figure.
    pub figure: &'static str,
    /// Largest allowed value, in the unit of the figure.
    pub at_most: f64,
}

const MIB: f64 = 1024.0 * 1024.0;

/// Longest allowed time until the first paint of any page.
const FIRST_PAINT_MILLISECONDS: f64 = 100.0;

/// All limits. The limit with listeners is half of the pod's limit; the others are the console's targets.
pub const LIMITS: [Limit; 12] = [
    Limit { figure: ANSWERS, at_most: 20.0 },
    Limit { figure: MEMORY_UNDER_LOAD, at_most: 64.0 * MIB },
    Limit { figure: ANSWERS_WITH_POSTGRESQL, at_most: 20.0 },
    Limit { figure: MEMORY_WITH_POSTGRESQL, at_most: 64.0 * MIB },
    Limit { figure: MEMORY_OF_LISTENERS, at_most: LISTENERS_BYTES },
    Limit { figure: IDLE_MEMORY, at_most: 40.0 * MIB },
    Limit { figure: IDLE_MEMORY_AFTER_SIGN_IN, at_most: 40.0 * MIB },
    Limit { figure: IDLE_PROCESSOR, at_most: 0.01 },
    Limit { figure: FIRST_PAGE, at_most: 100.0 },
    Limit { figure: FIRST_PAINTS[0].1, at_most: FIRST_PAINT_MILLISECONDS },
    Limit { figure: FIRST_PAINTS[1].1, at_most: FIRST_PAINT_MILLISECONDS },
    Limit { figure: FIRST_PAINTS[2].1, at_most: FIRST_PAINT_MILLISECONDS },
];

/// Largest memory allowed with 500 listeners.
pub const LISTENERS_BYTES: f64 = 128.0 * MIB;

/// Returns a figure, with its limit if it has one.
pub fn figure(name: &'static str, value: f64, unit: Unit) -> Figure {
    let figure = Figure::new(name, value, unit);
    match LIMITS.iter().find(|limit| limit.figure == name) {
        Some(limit) => figure.at_most(limit.at_most),
        None => figure,
    }
}

/// Returns the path of the file with the measured rows.
pub fn table() -> PathBuf {
    workspace::root().join("target/console.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_limits() {
        assert!(figure(ANSWERS, 20.1, Unit::Milliseconds).is_missed());
        assert!(!figure(ANSWERS, 20.0, Unit::Milliseconds).is_missed());
        assert_eq!(figure("requests", 10_000.0, Unit::Share).at_most, None);
        for (page, name) in FIRST_PAINTS {
            assert_eq!(figure(name, 99.0, Unit::Milliseconds).at_most, Some(FIRST_PAINT_MILLISECONDS), "{page}");
        }
    }
}
