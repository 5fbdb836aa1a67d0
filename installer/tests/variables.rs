//! docs/VARIABLES.md lists every environment variable that the programs read, and no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders of the repository that are not part of the product.
const NO_PRODUCT: [&str; 6] = ["target", "tests", "xtask", "launcher", "docs", ".git"];

/// Prefix of variables that tests of a crate pass to themselves.
const OF_TESTS: &str = "LANDFALL_TEST_";

/// Constants of other crates and of cargo, in files that read the environment.
const NO_VARIABLES: [&str; 6] =
    ["CARGO_BIN_NAME", "CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION", "OUT_DIR", "PROFILE", "TARGET"];

/// Variables that a library reads.
const OF_LIBRARIES: [&str; 4] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RUST_LOG"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Collects all source files of the product below a folder, without tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_test = name == "testing.rs" || name.ends_with("tests.rs");
        if path.is_dir() && !NO_PRODUCT.contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            let text = fs_err::read_to_string(&path).expect("text");
            found.push(text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned());
        }
    }
}

/// Returns true if a word has the form of a variable's name.
fn is_name(word: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_';
    word.len() >= 4 && word.starts_with(|letter: char| letter.is_ascii_uppercase()) && word.bytes().all(is_letter)
}

/// Texts between pairs of a mark that are names of variables.
fn quoted_names(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).filter(|word| is_name(word))
}

#[test]
fn the_page_has_every_variable_that_is_read() {
    let page = fs_err::read_to_string(root().join("docs/VARIABLES.md")).expect("the page");
    let documented: BTreeSet<&str> = quoted_names(&page, '`').collect();
    let mut all = Vec::new();
    sources(&root(), &mut all);
    assert!(all.len() > 500, "only {} files were found", all.len());
    let mut read = BTreeSet::new();
    for text in &all {
        let reads = text.contains("env::var");
        read.extend(quoted_names(text, '"').filter(|name| reads || name.starts_with("LANDFALL_")));
    }
    let is_variable = |name: &&str| !name.starts_with(OF_TESTS) && !NO_VARIABLES.contains(name);
    let read: BTreeSet<&str> = read.into_iter().filter(is_variable).chain(OF_LIBRARIES).collect();
    assert!(read.len() > 40, "{read:?}");
    let missing: Vec<_> = read.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/VARIABLES.md lacks {missing:?}");
    let unknown: Vec<_> = documented.difference(&read).collect();
    assert!(unknown.is_empty(), "docs/VARIABLES.md names {unknown:?}, which nothing reads");
}
