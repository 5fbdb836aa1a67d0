//! Ages, as short as a table has them.

/// `42s`, `5m`, `3h`, `4d`: whole units of the largest that there is one of.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn age_has_one_unit() {
        let ages = [0, 59, 60, 3599, 3600, 86_399, 86_400, 40 * 86_400].map(|seconds| super::age(seconds));
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "40d"]);
    }
}
