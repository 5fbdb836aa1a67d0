//! Links of pages. In the tree they lead from file to file; in the book, only to files of the book.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A link or a picture: mark, text and target.
static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)").expect("valid"));

/// Returns the text of a page whose links lead to files of the book. `tree` is its path in the tree, `book` that in the
/// book, and `find` returns the place of a file of the tree in the book. A link to any other file becomes plain text.
pub fn connect(text: &str, tree: &str, book: &str, mut find: impl FnMut(&str) -> Option<String>) -> String {
    let mut connected = String::new();
    for (is_code, part) in parts(text) {
        if is_code {
            connected.push_str(part);
            continue;
        }
        connected.push_str(&LINK.replace_all(part, |link: &Captures| {
            let (mark, words, target) = (&link[1], &link[2], &link[3]);
            let (path, fragment) = target.split_once('#').map_or((target, ""), |(path, fragment)| (path, fragment));
            if path.is_empty() || path.contains(':') {
                return link[0].to_owned();
            }
            let Some(place) = resolve(tree, path).and_then(|path| find(&path)) else { return words.to_owned() };
            let hash = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
            format!("{mark}[{words}]({}{hash})", relative(book, &place))
        }));
    }
    connected
}

/// A text in parts, each with whether it is a block of code.
fn parts(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut is_code) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            let end = if is_code { at + line.len() } else { at };
            parts.push((is_code, &text[start..end]));
            (start, is_code) = (end, !is_code);
        }
        at += line.len();
    }
    parts.push((is_code, &text[start..]));
    parts
}

/// Returns the path from the root of the tree to which a relative path in a file leads; `None` outside the tree.
pub fn resolve(file: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = file.split('/').collect();
    names.pop();
    for name in path.trim_end_matches('/').split('/') {
        match name {
            "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// Returns the relative path from one file of the book to another.
fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
    let shared = from[..from.len() - 1].iter().zip(&to[..to.len() - 1]).take_while(|(one, other)| one == other).count();
    let up = "../".repeat(from.len() - 1 - shared);
    format!("{up}{}", to[shared..].join("/"))
}
