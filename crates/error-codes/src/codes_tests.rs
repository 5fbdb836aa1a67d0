//! Tests of the registry: every code is well formed, codes and titles are unique, and the handbook for vendors lists
//! the codes that a vendor meets.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use crate::codes::ALL;

#[test]
fn codes_are_unique() {
    let mut seen = HashSet::new();
    let mut titles = HashSet::new();
    for code in ALL.iter() {
        assert!(code.id.len() == 6 && code.id.starts_with("LF") && code.id[2..].bytes().all(|b| b.is_ascii_digit()));
        assert!(seen.insert(code.id), "{} occurs twice", code.id);
        assert!(titles.insert(code.title), "{} shares its title", code.id);
        assert!(!code.title.ends_with('.') && code.fix.ends_with('.'), "{}", code.id);
    }
}

/// Parts of the handbook for vendors.
const VENDOR: [&str; 2] = ["docs/start", "docs/vendor"];

/// All pages for vendors, as one text.
fn vendor_guide() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = VENDOR.into_iter().flat_map(|folder| root.join(folder).read_dir().expect(folder));
    folders.map(|page| std::fs::read_to_string(page.expect("a page").path()).expect("text")).collect()
}

/// Codes in a text.
fn codes_in(text: &str) -> HashSet<&str> {
    let is_code = |word: &&str| word.len() == 6 && word[2..].bytes().all(|byte| byte.is_ascii_digit());
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.starts_with("LF"))
        .filter(is_code)
        .collect()
}

#[test]
fn vendor_guide_covers_its_codes() {
    let guide = vendor_guide();
    let named = codes_in(&guide);
    let ids: HashSet<&str> = ALL.iter().map(|code| code.id).collect();
    let is_of_vendors = |id: &&str| id.starts_with("LF20") || id.starts_with("LF21");
    let missing: BTreeSet<_> = ids.iter().copied().filter(is_of_vendors).filter(|id| !named.contains(id)).collect();
    assert!(missing.is_empty(), "docs/vendor does not say what {missing:?} mean");
    let unknown: BTreeSet<_> = named.difference(&ids).collect();
    assert!(unknown.is_empty(), "docs/vendor names {unknown:?}, which are no codes");
}
