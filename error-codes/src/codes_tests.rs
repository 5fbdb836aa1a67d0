//! Every code is well formed, and neither a code nor a title occurs twice.

use std::collections::HashSet;

use crate::codes::ALL;

#[test]
fn codes_are_well_formed_and_unique() {
    let mut seen = HashSet::new();
    let mut titles = HashSet::new();
    for code in ALL.iter() {
        assert!(code.id.len() == 6 && code.id.starts_with("LF") && code.id[2..].bytes().all(|b| b.is_ascii_digit()));
        assert!(seen.insert(code.id), "{} occurs twice", code.id);
        assert!(titles.insert(code.title), "{} shares its title", code.id);
        assert!(!code.title.ends_with('.') && code.fix.ends_with('.'), "{}", code.id);
    }
}
