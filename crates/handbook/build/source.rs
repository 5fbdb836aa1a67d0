//! The source of the book: pages that `docs/SUMMARY.md` lists, and the files that they show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::links;

/// The list of pages, from the root of the tree.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Page whose codes get anchors.
const ERRORS: &str = "docs/ERRORS.md";

/// Suffixes of files that a page may show or offer.
const SHOWN: [&str; 4] = [".png", ".svg", ".json", ".py"];

/// Entry of the list: indentation, title and path.
static ENTRY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^( *)(?:- )?\[([^\]]+)\]\(([^)]+)\)$").expect("valid"));

/// Page that consists of a file in the root of the tree.
static INCLUDED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\{\{#include ([^}]+)\}\}\s*$").expect("valid"));

/// Row of a code in the table of errors.
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^\| (LF\d{4}) \|").expect("valid"));

/// A page of the book.
pub struct Page {
    /// Path in the book, such as `operate/backup.md`.
    pub book: String,
    /// Title in the table of contents.
    pub title: String,
    /// Part of the book.
    pub part: String,
    /// Number of pages above it in its part.
    pub depth: usize,
    /// Path of the text in the tree; of the included file, if the page is one.
    tree: String,
    /// Text whose links lead to files of the book.
    pub text: String,
}

/// Everything that the book is made from.
pub struct Source {
    pages: Vec<Page>,
    summary: String,
    /// Shown files: paths in the tree.
    shown: BTreeSet<String>,
    /// Every file that was read.
    inputs: BTreeSet<String>,
    root: PathBuf,
}

impl Source {
    /// Reads the pages of a tree.
    pub fn read(root: &Path) -> Result<Self> {
        let summary = read(root, SUMMARY)?;
        let mut source = Self {
            pages: list(&summary),
            summary,
            shown: BTreeSet::new(),
            inputs: BTreeSet::from([SUMMARY.to_owned(), "docs/book.toml".to_owned()]),
            root: root.to_owned(),
        };
        source.include()?;
        source.connect();
        Ok(source)
    }

    /// The pages, in the order of the book.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Files that the book depends on, from the root of the tree.
    pub fn inputs(&self) -> impl Iterator<Item = &String> {
        self.inputs.iter()
    }

    /// Reads the text of each page, or of the file that it includes.
    fn include(&mut self) -> Result<()> {
        for page in &mut self.pages {
            self.inputs.insert(page.tree.clone());
            page.text = read(&self.root, &page.tree)?;
            if let Some(included) = INCLUDED.captures(&page.text) {
                page.tree = links::resolve(&page.tree, &included[1]).context("an included file is outside the tree")?;
                self.inputs.insert(page.tree.clone());
                page.text = read(&self.root, &page.tree)?;
            }
            if page.tree == ERRORS {
                page.text = CODE.replace_all(&page.text, r#"| <a id="$1"></a>$1 |"#).into_owned();
            }
        }
        Ok(())
    }

    /// Points the links of each page to files of the book.
    fn connect(&mut self) {
        let mut places: BTreeMap<String, String> = BTreeMap::from([("README.md".to_owned(), "index.md".to_owned())]);
        for page in &self.pages {
            places.insert(page.tree.clone(), page.book.clone());
            if let Some(folder) = page.tree.strip_suffix("/README.md") {
                places.insert(folder.to_owned(), page.book.clone());
            }
        }
        for page in &mut self.pages {
            let (shown, root, tree) = (&mut self.shown, &self.root, &page.tree);
            let find = |target: &str| {
                let place = places.get(target).cloned();
                let is_shown = SHOWN.iter().any(|suffix| target.ends_with(suffix)) && root.join(target).is_file();
                place.or_else(|| {
                    let name = target.strip_prefix("docs/").filter(|_| is_shown)?;
                    shown.insert(target.to_owned());
                    Some(name.to_owned())
                })
            };
            page.text = links::connect(&page.text, tree, &page.book, find);
        }
        self.inputs.extend(self.shown.iter().cloned());
    }

    /// Writes the pages and the shown files into a folder, as mdBook reads them.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let summary = self.summary.replace("README.md)", "index.md)");
        put(folder, "SUMMARY.md", summary.as_bytes())?;
        for page in &self.pages {
            put(folder, &page.book, page.text.as_bytes())?;
        }
        for name in &self.shown {
            let bytes = std::fs::read(self.root.join(name)).with_context(|| format!("cannot read {name}"))?;
            put(folder, name.trim_start_matches("docs/"), &bytes)?;
        }
        Ok(())
    }
}

/// The pages that a list names, without their text.
fn list(summary: &str) -> Vec<Page> {
    let mut part = String::new();
    let mut pages = Vec::new();
    for line in summary.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            title.clone_into(&mut part);
        }
        if let Some(entry) = ENTRY.captures(line) {
            let path = &entry[3];
            let is_of_part = line.trim_start().starts_with('-');
            pages.push(Page {
                book: path
                    .strip_suffix("README.md")
                    .map_or_else(|| path.to_owned(), |folder| format!("{folder}index.md")),
                title: entry[2].replace('`', ""),
                part: if is_of_part { part.clone() } else { String::new() },
                depth: entry[1].len() / 2,
                tree: format!("docs/{path}"),
                text: String::new(),
            });
        }
    }
    pages
}

fn read(root: &Path, name: &str) -> Result<String> {
    std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let Some(parent) = path.parent() else { bail!("{name} has no folder") };
    std::fs::create_dir_all(parent)?;
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
