//! The name that a misspelled one probably means.

/// The name that is nearest to a wrong one, where one is near enough.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    let found = names.into_iter().min_by_key(distance)?;
    (distance(&found) <= wrong.chars().count() / 3).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognized_and_another_name_is_not() {
        let names = ["postgres", "network", "dns"];
        assert_eq!(nearest("netwrok", names), Some("network"));
        assert_eq!(nearest("postgers", names), Some("postgres"));
        assert_eq!(nearest("storage", names), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
