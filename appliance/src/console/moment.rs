//! Times, exact and relative.

use std::borrow::Borrow;
use std::fmt;

use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};

/// A time, with the time of viewing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    at: Timestamp,
    now: Timestamp,
}

impl Moment {
    /// Creates a moment viewed now.
    pub fn new(at: Timestamp) -> Self {
        Self { at, now: Timestamp::now() }
    }

    /// Parses a time of a document; `None` if it is missing or malformed.
    pub fn read(text: Option<&str>) -> Option<Self> {
        text?.parse().ok().map(Self::new)
    }

    /// Returns its age; negative in the future.
    pub fn age(&self) -> SignedDuration {
        self.now.duration_since(self.at)
    }

    /// Returns its day, as in `2026-11-20`.
    pub fn day(&self) -> String {
        self.at.strftime("%Y-%m-%d").to_string()
    }

    /// Returns it in the format of a form field, in UTC: `2026-11-20T08:00:00`.
    pub fn field(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// Returns it in relative form: `3 hours ago`, `in 12 days`.
    pub fn relative(&self) -> String {
        let seconds = self.age().as_secs();
        if (-10..10).contains(&seconds) {
            return "just now".to_owned();
        }
        if seconds < 0 {
            format!("in {}", ahead(seconds.unsigned_abs()))
        } else {
            format!("{} ago", length(seconds.unsigned_abs()))
        }
    }
}

/// Formats the time until an event in its largest unit. Days are rounded up, as the license counts them.
fn ahead(seconds: u64) -> String {
    if seconds < 172_800 { length(seconds) } else { length(seconds.next_multiple_of(86_400)) }
}

/// Formats a duration in its largest unit: `3 hours`.
pub fn length(seconds: impl Borrow<u64>) -> String {
    let seconds = *seconds.borrow();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact, at) = (self.at.strftime("%Y-%m-%d %H:%M"), self.at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let relative = self.relative();
        write!(
            formatter,
            r#"<span class="when"><time datetime="{at}">{exact} UTC</time> <span class="ago">{relative}</span></span>"#
        )
    }
}

// It contains only digits and the program's own words.
impl HtmlSafe for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_use_plain_words() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let said = |at: &str| Moment { at: at.parse().unwrap(), now }.relative();
        assert_eq!(said("2026-11-20T07:59:55Z"), "just now");
        assert_eq!(said("2026-11-20T07:59:00Z"), "1 minute ago");
        assert_eq!(said("2026-11-20T01:40:00Z"), "6 hours ago");
        assert_eq!(said("2026-11-01T08:00:00Z"), "19 days ago");
        assert_eq!(said("2026-12-01T08:00:00Z"), "in 11 days");
        assert_eq!(said("2026-11-30T09:00:00Z"), "in 11 days", "the count differs from the license's");
        let shown = Moment { at: "2026-11-20T01:40:00Z".parse().unwrap(), now }.to_string();
        let time = r#"<time datetime="2026-11-20T01:40:00Z">2026-11-20 01:40 UTC</time>"#;
        assert_eq!(shown, format!(r#"<span class="when">{time} <span class="ago">6 hours ago</span></span>"#));
        assert_eq!(Moment::read(Some("yesterday")), None);
    }
}
