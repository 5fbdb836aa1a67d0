//! Short forms of ages for tables.

/// Formats an age as `42 s`, `5 min`, `47 h` or `4 d`: whole units; hours up to two days.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn age_has_one_unit() {
        let ages = [0, 59, 60, 3599, 3600, 172_799, 172_800, 40 * 86_400].map(super::age);
        assert_eq!(ages, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d", "40 d"]);
    }
}
