//! Tests of the rendered book: links and anchors, orphans, and what a strict content security policy refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use html5gum::{Token, Tokenizer};

use super::*;

/// Pages of the tree that are not in the book. Runs of tests write them, and a program must not depend on its tests.
const RESULTS: [&str; 2] = ["TESTS.md", "VM.md"];

/// What a rendered page names.
#[derive(Default)]
struct Names {
    ids: BTreeSet<String>,
    /// Paths and fragments.
    targets: Vec<String>,
}

fn text(file: &File) -> &'static str {
    std::str::from_utf8(file.bytes()).expect(file.path)
}

/// All rendered pages, with the names in each.
fn rendered() -> BTreeMap<&'static str, Names> {
    FILES
        .iter()
        .filter(|file| file.kind().starts_with("text/html"))
        .map(|file| (file.path, names(text(file))))
        .collect()
}

fn names(page: &str) -> Names {
    let mut names = Names::default();
    for token in Tokenizer::new(page).flatten() {
        let Token::StartTag(tag) = token else { continue };
        for (name, value) in &tag.attributes {
            let value = String::from_utf8_lossy(value).into_owned();
            match &name[..] {
                b"id" => drop(names.ids.insert(value)),
                b"href" | b"src" => names.targets.push(value),
                _ => {}
            }
        }
    }
    names
}

/// Returns the path in the book to which a relative path in a file leads.
fn resolve(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn links_and_anchors_resolve() {
    let pages = rendered();
    assert!(pages.len() > 100, "only {} pages are rendered", pages.len());
    let mut broken = Vec::new();
    for (path, names) in &pages {
        for target in names.targets.iter().filter(|target| !target.contains(':')) {
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { (*path).to_owned() } else { resolve(path, file) };
            let is_there = File::find(&file).is_some();
            let has_anchor = pages.get(file.as_str()).is_none_or(|page| page.ids.contains(fragment));
            if !is_there || (!fragment.is_empty() && !has_anchor) {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// All pages below a folder of the tree.
fn pages_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("the folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pages_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn summary_lists_every_page() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let names = pages_below(&docs).into_iter().map(|path| path.strip_prefix(&docs).expect("below").to_owned());
    let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
    let known = |name: &String| {
        let page = name.replace("README.md", "index.md");
        PAGES.iter().any(|known| page == format!("{}.md", known.name))
    };
    let others = |name: &&String| **name != "SUMMARY.md" && !RESULTS.contains(&name.as_str());
    let missing: Vec<_> = names.iter().filter(others).filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lists none of {missing:?}");
    assert_eq!(names.iter().filter(|name| !others(name)).count(), 1 + RESULTS.len());
}

#[test]
fn pages_contain_no_scripts_and_styles() {
    for (path, names) in rendered() {
        let page = text(File::find(path).expect(path));
        assert!(!page.contains(" style=") && !page.contains("<script>") && !page.contains("onclick"), "{path}");
        let foreign = |target: &&String| target.starts_with("http") && page.contains(&format!("src=\"{target}\""));
        assert_eq!(names.targets.iter().find(foreign), None, "{path} loads something from elsewhere");
    }
}

#[test]
fn pages_are_found_by_name() {
    for page in PAGES {
        assert_eq!(Page::find(page.name), Some(page));
        assert!(page.markdown().starts_with("# "), "{}", page.name);
        assert!(File::find(&page.path()).is_some(), "{}", page.name);
    }
    assert_eq!(Page::find("errors.md").map(|page| page.name), Some("ERRORS"));
    assert_eq!(Page::find("nothing"), None);
    assert_eq!(Page::find("index").map(|page| page.name), Some("index"));
}

#[test]
fn files_have_kinds_and_digests() {
    for file in FILES {
        assert_ne!(file.bytes().len(), 0, "{}", file.path);
        let is_code = [".py", ".txt"].iter().any(|suffix| file.path.ends_with(suffix));
        assert_eq!(file.kind().starts_with("text/plain"), is_code, "{}", file.path);
        let is_code = [".js", ".css"].iter().any(|suffix| file.path.ends_with(suffix));
        assert!(!is_code || file.is_named_by_content(), "{}", file.path);
    }
    assert!(!File::find("index.html").expect("the first page").is_named_by_content());
    assert!(File::find("../index.html").is_none());
}

#[test]
fn single_page_has_every_page() {
    let page = String::from_utf8(single_page()).expect("text");
    let found = names(&page);
    let contents: BTreeSet<_> = page.split("</nav>").next().map(names).expect("contents").targets.into_iter().collect();
    assert_eq!(contents.len(), PAGES.len());
    let local = found.targets.iter().filter_map(|target| target.strip_prefix('#'));
    let broken: Vec<_> = local.filter(|anchor| !found.ids.contains(*anchor)).collect();
    assert!(broken.is_empty(), "broken links: {broken:?}");
    let pictures = found.targets.iter().filter(|target| target.starts_with("data:image/png;base64,iVBOR")).count();
    assert!(pictures > 10, "only {pictures} pictures");
    let outside = |target: &&String| !["#", "https:", "data:"].iter().any(|start| target.starts_with(start));
    assert_eq!(found.targets.iter().find(outside), None);
    assert!(!page.contains("<script") && !page.contains("<link"));
}

/// Codes have anchors, to which the console and programs link.
#[test]
fn codes_have_anchors() {
    let ids = names(text(File::find("ERRORS.html").expect("the page"))).ids;
    let codes = ids.iter().filter(|id| id.len() == 6 && id.starts_with("LF")).count();
    assert!(codes > 300, "only {codes} codes have anchors");
}
