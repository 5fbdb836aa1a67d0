//! Charts of the last 24 hours as SVG, drawn on the server. One unit to the right is a minute; all coordinates are
//! integers.

use jiff::Timestamp;

use crate::console::moment::Moment;
use crate::trend::{PERIOD, SPAN};

/// Width: the minutes of a day.
const WIDTH: u64 = 1440;
/// Height.
const HEIGHT: u64 = 240;
/// Distance above which two points have a gap between them: a single late point is not yet a gap.
const GAP: u64 = 12;

/// A value at a minute; `None` if unknown.
pub type Value = (u64, Option<u64>);

/// Returns the minute of a time within the 24 hours before `now`; `None` outside of them.
pub fn minute(at: Timestamp, now: Timestamp) -> Option<u64> {
    let minutes = at.duration_since(now - SPAN).as_mins();
    u64::try_from(minutes).ok().filter(|minute| *minute <= WIDTH)
}

/// Subject of a chart.
pub struct Subject {
    /// ID within the page.
    pub id: &'static str,
    pub title: &'static str,
    /// Description in a sentence.
    pub about: &'static str,
    /// Formats a value for people.
    pub write: fn(u64) -> String,
}

impl Subject {
    pub fn new(id: &'static str, title: &'static str, about: &'static str, write: fn(u64) -> String) -> Self {
        Self { id, title, about, write }
    }
}

/// Line chart of the values of a day.
pub struct Chart {
    pub subject: Subject,
    /// Latest value, if current.
    pub now: String,
    /// Minimum and maximum.
    pub range: String,
    /// Value at the upper edge.
    pub top: String,
    /// Vertices of each line without a gap, in SVG form.
    pub lines: Vec<String>,
    /// Points without a neighbor.
    pub dots: Vec<(u64, u64)>,
}

impl Chart {
    /// Draws values, earliest first, with an upper limit; `None` if no value is known.
    pub fn new(subject: Subject, greatest: u64, values: &[Value]) -> Option<Self> {
        let known = || values.iter().filter_map(|(_, value)| *value);
        let (lowest, highest) = (known().min()?, known().max()?);
        let greatest = greatest.max(highest).max(1);
        let write = subject.write;
        let range = if lowest == highest {
            format!("always {}", write(lowest))
        } else {
            format!("{} to {}", write(lowest), write(highest))
        };
        let last = values.last().filter(|(minute, _)| minute + GAP >= WIDTH);
        let now = last.and_then(|(_, value)| *value).map_or_else(|| "unknown".to_owned(), write);
        let (mut lines, mut dots) = (Vec::new(), Vec::new());
        for run in runs(values) {
            match run.as_slice() {
                [(minute, value)] => dots.push((*minute, height(*value, greatest))),
                several => {
                    let corner = |(minute, value): &(u64, u64)| format!("{minute},{}", height(*value, greatest));
                    lines.push(several.iter().map(corner).collect::<Vec<_>>().join(" "));
                }
            }
        }
        Some(Self { subject, now, range, top: write(greatest), lines, dots })
    }

    /// Returns the text alternative of the picture.
    pub fn label(&self) -> String {
        format!("{} in the last 24 hours: {}, now {}", self.subject.title, self.range, self.now)
    }
}

fn height(value: u64, greatest: u64) -> u64 {
    let from_below = u128::from(value) * u128::from(HEIGHT) / u128::from(greatest);
    HEIGHT.saturating_sub(u64::try_from(from_below).unwrap_or(HEIGHT))
}

/// Splits values into runs without a gap.
fn runs(values: &[Value]) -> Vec<Vec<(u64, u64)>> {
    let mut runs: Vec<Vec<(u64, u64)>> = Vec::new();
    let mut is_open = false;
    for (minute, value) in values {
        let Some(value) = *value else {
            is_open = false;
            continue;
        };
        match runs.last_mut().filter(|run| is_open && run.last().is_some_and(|(last, _)| minute - last <= GAP)) {
            Some(run) => run.push((*minute, value)),
            None => runs.push(vec![(*minute, value)]),
        }
        is_open = true;
    }
    runs
}

/// Period during which a condition held.
pub struct Spell {
    pub name: String,
    pub from: Moment,
    pub until: Moment,
}

impl Spell {
    /// Returns the periods of a series of times, earliest first, each with the condition at that time. A period lasts
    /// until the next time, and at most one interval beyond its last one.
    pub fn all(times: &[(Timestamp, Option<String>)], now: Timestamp) -> Vec<Self> {
        let mut spells: Vec<(String, Timestamp, Timestamp)> = Vec::new();
        let mut is_open = false;
        for (at, name) in times {
            let Some(name) = name else {
                is_open = false;
                continue;
            };
            let until = (*at + PERIOD).min(now);
            let lasts = |last: &String, end: Timestamp| is_open && last == name && at.duration_since(end) < PERIOD;
            match spells.last_mut().filter(|(last, _, end)| lasts(last, *end)) {
                Some((_, _, end)) => *end = until,
                None => spells.push((name.clone(), *at, until)),
            }
            is_open = true;
        }
        let spell = |(name, from, until)| Self { name, from: Moment::new(from), until: Moment::new(until) };
        spells.into_iter().map(spell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::new("disk", "Disk used", "", |value| format!("{value} %"))
    }

    #[test]
    fn chart_lines_break_at_gaps() {
        let values =
            [(1368, Some(0)), (1373, Some(50)), (1378, None), (1383, Some(100)), (1428, Some(25)), (1440, Some(25))];
        let chart = Chart::new(subject(), 100, &values).unwrap();
        assert_eq!(chart.lines, ["1368,240 1373,120", "1428,180 1440,180"]);
        assert_eq!(chart.dots, [(1383, 0)]);
        assert_eq!((chart.now.as_str(), chart.range.as_str(), chart.top.as_str()), ("25 %", "0 % to 100 %", "100 %"));
        assert_eq!(chart.label(), "Disk used in the last 24 hours: 0 % to 100 %, now 25 %");
    }

    #[test]
    fn high_value_stretches_scale() {
        let chart = Chart::new(subject(), 10, &[(0, Some(40)), (5, Some(20)), (10, None)]).unwrap();
        assert_eq!((chart.lines.as_slice(), chart.top.as_str()), (&["0,0 5,120".to_owned()][..], "40 %"));
        assert_eq!(chart.now, "unknown");
        let flat = Chart::new(subject(), 0, &[(0, Some(0))]).unwrap();
        assert_eq!((flat.dots.as_slice(), flat.range.as_str()), (&[(0, 240)][..], "always 0 %"));
        assert!(Chart::new(subject(), 10, &[(0, None)]).is_none());
        assert!(Chart::new(subject(), 10, &[]).is_none());
    }

    #[test]
    fn old_last_point_is_unknown() {
        let now = |minute: u64| Chart::new(subject(), 100, &[(minute, Some(25))]).unwrap().now;
        assert_eq!((now(1428).as_str(), now(1427).as_str(), now(0).as_str()), ("25 %", "unknown", "unknown"));
    }

    #[test]
    fn chart_minutes_start_yesterday() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let of = |text: &str| minute(text.parse().unwrap(), now);
        assert_eq!(of("2026-11-19T08:00:30Z"), Some(0));
        assert_eq!(of("2026-11-20T07:55:00Z"), Some(1435));
        assert_eq!((of("2026-11-19T07:00:00Z"), of("2026-11-20T09:00:00Z")), (None, None));
    }

    #[test]
    fn adjacent_spells_are_joined() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let at = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
        let named = |minutes, name: Option<&str>| (at(minutes), name.map(str::to_owned));
        let times = [
            named(60, Some("backup")),
            named(55, Some("backup")),
            named(50, None),
            named(45, Some("backup")),
            named(5, Some("upgrade")),
            named(2, Some("upgrade")),
        ];
        let spells = Spell::all(&times, now);
        let found = spells.iter().map(|spell| (spell.name.as_str(), spell.from.field(), spell.until.field()));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                ("backup", "2026-11-20T07:00:00".to_owned(), "2026-11-20T07:10:00".to_owned()),
                ("backup", "2026-11-20T07:15:00".to_owned(), "2026-11-20T07:20:00".to_owned()),
                ("upgrade", "2026-11-20T07:55:00".to_owned(), "2026-11-20T08:00:00".to_owned()),
            ]
        );
    }
}
