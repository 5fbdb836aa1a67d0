//! Checks `docs/ASVS.md` against the item numbers of the standard, and against the tests that it names.

use std::collections::BTreeSet;
use std::path::Path;

use crate::workspace;

/// The items of level 1 and 2 of OWASP's ASVS 5.0.0, by section.
const ITEMS: [(&str, &[u8]); 75] = [
    ("1.1", &[1, 2]),
    ("1.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("1.3", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("1.4", &[1, 2, 3]),
    ("1.5", &[1, 2]),
    ("2.1", &[1, 2, 3]),
    ("2.2", &[1, 2, 3]),
    ("2.3", &[1, 2, 3, 4]),
    ("2.4", &[1]),
    ("3.2", &[1, 2]),
    ("3.3", &[1, 2, 3, 4]),
    ("3.4", &[1, 2, 3, 4, 5, 6]),
    ("3.5", &[1, 2, 3, 4, 5]),
    ("3.7", &[1, 2]),
    ("4.1", &[1, 2, 3]),
    ("4.2", &[1]),
    ("4.3", &[1, 2]),
    ("4.4", &[1, 2, 3, 4]),
    ("5.1", &[1]),
    ("5.2", &[1, 2, 3]),
    ("5.3", &[1, 2]),
    ("5.4", &[1, 2, 3]),
    ("6.1", &[1, 2, 3]),
    ("6.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("6.3", &[1, 2, 3, 4]),
    ("6.4", &[1, 2, 3, 4]),
    ("6.5", &[1, 2, 3, 4, 5]),
    ("6.6", &[1, 2, 3]),
    ("6.8", &[1, 2, 3, 4]),
    ("7.1", &[1, 2, 3]),
    ("7.2", &[1, 2, 3, 4]),
    ("7.3", &[1, 2]),
    ("7.4", &[1, 2, 3, 4, 5]),
    ("7.5", &[1, 2]),
    ("7.6", &[1, 2]),
    ("8.1", &[1, 2]),
    ("8.2", &[1, 2, 3]),
    ("8.3", &[1]),
    ("8.4", &[1]),
    ("9.1", &[1, 2, 3]),
    ("9.2", &[1, 2, 3, 4]),
    ("10.1", &[1, 2]),
    ("10.2", &[1, 2]),
    ("10.3", &[1, 2, 3, 4]),
    ("10.4", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("10.5", &[1, 2, 3, 4, 5]),
    ("10.6", &[1, 2]),
    ("10.7", &[1, 2, 3]),
    ("11.1", &[1, 2]),
    ("11.2", &[1, 2, 3]),
    ("11.3", &[1, 2, 3]),
    ("11.4", &[1, 2, 3, 4]),
    ("11.5", &[1]),
    ("11.6", &[1]),
    ("12.1", &[1, 2, 3]),
    ("12.2", &[1, 2]),
    ("12.3", &[1, 2, 3, 4]),
    ("13.1", &[1]),
    ("13.2", &[1, 2, 3, 4, 5]),
    ("13.3", &[1, 2]),
    ("13.4", &[1, 2, 3, 4, 5]),
    ("14.1", &[1, 2]),
    ("14.2", &[1, 2, 3, 4]),
    ("14.3", &[1, 2, 3]),
    ("15.1", &[1, 2, 3]),
    ("15.2", &[1, 2, 3]),
    ("15.3", &[1, 2, 3, 4, 5, 6, 7]),
    ("16.1", &[1]),
    ("16.2", &[1, 2, 3, 4, 5]),
    ("16.3", &[1, 2, 3, 4]),
    ("16.4", &[1, 2, 3]),
    ("16.5", &[1, 2, 3]),
    ("17.1", &[1]),
    ("17.2", &[1, 2, 3, 4]),
    ("17.3", &[1, 2]),
];

/// Prefixes of rows that name no test.
const REASONS: [&str; 4] = ["by construction: ", "document: ", "not applicable: ", "open: "];

/// Suffixes of open items: the party that decides whether the existing protection is enough.
const DECIDES: [&str; 5] = [
    ". Landfall decides",
    ". The vendor decides",
    ". The site decides",
    ". The vendor and the site decide",
    ". Landfall and the site decide",
];

/// A row: its items, and the evidence for them.
struct Row {
    items: Vec<String>,
    shown: String,
}

fn rows() -> Vec<Row> {
    let path = workspace::root().join("docs/ASVS.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let is_item = |cells: &Vec<&str>| cells[0].starts_with(|letter: char| letter.is_ascii_digit());
    cells.filter(is_item).map(|cells| Row { items: items(cells[0]), shown: cells[2..].join(" | ") }).collect()
}

/// Parses the items of a cell: `2.1.1`, or all of `2.1.1 to 2.1.3`.
fn items(cell: &str) -> Vec<String> {
    let (first, last) = cell.split_once(" to ").unwrap_or((cell, cell));
    let parts = |item: &str| {
        let (section, number) = item.rsplit_once('.').unwrap_or_else(|| panic!("{cell} is no item"));
        (section.to_owned(), number.parse::<u8>().unwrap_or_else(|error| panic!("{cell}: {error}")))
    };
    let ((section, from), (end, to)) = (parts(first), parts(last));
    assert!(section == end && from <= to, "{cell} are no items of one section");
    (from..=to).map(|number| format!("{section}.{number}")).collect()
}

/// Returns the texts between backticks that name a test file and a function.
fn tests_of(shown: &str) -> impl Iterator<Item = (&str, &str)> {
    shown
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once("::"))
        .filter(|(file, _)| Path::new(file).extension().is_some_and(|extension| extension == "rs"))
}

#[test]
fn standard_items_appear_once() {
    let expected = ITEMS.iter().flat_map(|(section, numbers)| numbers.iter().map(move |n| format!("{section}.{n}")));
    let found: Vec<String> = rows().into_iter().flat_map(|row| row.items).collect();
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 253);
}

#[test]
fn items_have_existing_test_or_reason() {
    let mut named = 0;
    for Row { items, shown } in rows() {
        let has_reason = REASONS.iter().any(|reason| shown.starts_with(reason));
        assert!(has_reason || shown.starts_with('`'), "{items:?} has neither a test nor a reason: {shown}");
        assert!(has_reason || tests_of(&shown).next().is_some(), "{items:?} begins with no test: {shown}");
        for (file, function) in tests_of(&shown) {
            let source = std::fs::read_to_string(workspace::root().join(file));
            let source = source.unwrap_or_else(|error| panic!("{items:?}: {file}: {error}"));
            assert!(is_test(&source, function), "{items:?}: {file} has no test {function}");
            named += 1;
        }
    }
    assert!(named > 100, "only {named} tests are named");
}

#[test]
fn open_items_name_decider() {
    for Row { items, shown } in rows().into_iter().filter(|row| row.shown.starts_with("open: ")) {
        let decided = DECIDES.iter().any(|who| shown.ends_with(who));
        assert!(decided, "{items:?} does not end with who decides: {shown}");
    }
}

/// Returns true if a file has a test of this name: a function after `#[test]`, with only other attributes between.
fn is_test(source: &str, function: &str) -> bool {
    let begin = source.find(&format!("fn {function}("));
    let before = begin.map(|at| source[..at].trim_end_matches("async ").trim_end()).unwrap_or_default();
    let mut marks = before.lines().rev().take_while(|line| !line.trim().is_empty() && !line.trim().ends_with('}'));
    marks.any(|line| line.trim().starts_with("#[test]") || line.trim().starts_with("#[tokio::test"))
}

#[test]
fn unmarked_function_is_no_test() {
    let source =
        "#[test]\nfn one() {\n}\n\nfn two() {\n}\n\n#[tokio::test]\n#[ignore = \"x\"]\nasync fn three() {\n}\n";
    assert_eq!(["one", "two", "three", "four"].map(|name| is_test(source, name)), [true, false, true, false]);
}
