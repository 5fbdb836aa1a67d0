//! Schedules of `CronJob`s, with the API server's syntax.

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Named schedules.
const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// A field of a schedule: its minimum, its maximum, and names for the numbers from the minimum on.
type Field = (u32, u32, &'static [&'static str]);

/// Fields for minute, hour, day of the month, month, and day of the week.
const FIELDS: [Field; 5] = [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (0, 6, &DAYS)];

/// Returns true if the text is a schedule. Any duration after `@every` passes, because durations have Go's syntax.
pub(super) fn is_schedule(text: &str) -> bool {
    if let Some(every) = text.strip_prefix("@every ") {
        return every.starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter));
    }
    if text.starts_with('@') {
        return WORDS.contains(&text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    fields.len() == FIELDS.len() && fields.iter().zip(FIELDS).all(|(text, field)| is_field(text, field))
}

fn is_field(text: &str, field: Field) -> bool {
    text.split(',').filter(|range| !range.is_empty()).all(|range| is_range(range, field))
}

fn is_range(text: &str, (least, most, names): Field) -> bool {
    let (range, every) = text.split_once('/').unwrap_or((text, "1"));
    if !every.parse().is_ok_and(|every: u32| every > 0) {
        return false;
    }
    if matches!(range.split('-').next(), Some("*" | "?")) {
        return true;
    }
    let number_of = |word: &str| {
        let found = names.iter().zip(least..).find(|(name, _)| word.eq_ignore_ascii_case(name));
        found.map(|(_, number)| number).or_else(|| word.parse().ok())
    };
    let (first, second) = range.split_once('-').unwrap_or((range, range));
    matches!((number_of(first), number_of(second)), (Some(begin),
        Some(end)) if least <= begin && begin <= end && end <= most)
}

#[cfg(test)]
mod tests {
    use super::is_schedule;

    #[test]
    fn schedules_are_validated() {
        for schedule in [
            "* * * * *",
            "*/5 0 1-15 jan,JUN mon-fri",
            "0 0 ? * 0",
            "5/10 * * * *",
            "@daily",
            "@every 1h30m",
            "0  3 * * 6",
        ] {
            assert!(is_schedule(schedule), "{schedule}");
        }
        for other in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "*/0 * * * *",
            "5-1 * * * *",
            "@often",
            "@every day",
            "a * * * *",
        ] {
            assert!(!is_schedule(other), "{other}");
        }
    }
}
