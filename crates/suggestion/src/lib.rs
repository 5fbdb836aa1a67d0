//! Known names that are similar to a wrong one, for suggestions.

/// Edit distance between a wrong name and a known one, if it is small enough for a typing error. That is at most a
/// third of the known name's characters plus one, and fewer than the wrong name has.
pub fn distance(wrong: &str, name: &str) -> Option<usize> {
    let distance = strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    (distance <= name.chars().count() / 3 + 1 && distance < wrong.chars().count()).then_some(distance)
}

/// The known name that is most similar to a wrong one, if it is similar enough.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().filter_map(|name| Some((distance(wrong, name)?, name)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The end of a message about a wrong name: the most similar known name, or nothing.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typos_are_recognized() {
        let names = ["postgres", "network", "dns"];
        assert_eq!(nearest("netwrok", names), Some("network"));
        assert_eq!(nearest("postgers", names), Some("postgres"));
        assert_eq!(nearest("storage", names), None);
        assert_eq!(nearest("copy", ["copies"]), Some("copies"));
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
