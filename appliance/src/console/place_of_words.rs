//! Test that the console's texts are only in its templates and in this folder.

use std::path::{Path, PathBuf};

/// Returns files below a folder whose names have this suffix.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path, end) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns true if a text is a sentence or part of one: two words separated by a space.
fn is_sentence(text: &str) -> bool {
    let words =
        text.split(' ').filter(|word| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_alphabetic()));
    words.count() > 1
}

#[test]
fn scripts_have_no_words() {
    let scripts = files(&project().join("assets"), ".js");
    let own = scripts.iter().filter(|path| !path.ends_with("htmx.min.js"));
    let mut literals = 0;
    for path in own {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for literal in code.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            assert!(literal == "use strict" || !is_sentence(literal), "{}: {literal:?}", path.display());
            literals += 1;
        }
    }
    assert!(literals > 50, "{literals} texts were looked at");
}

#[test]
fn only_console_renders_templates() {
    let sources = files(&project().join("src"), ".rs");
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        sources.into_iter().partition(|path| path.starts_with(project().join("src/console")));
    let draws = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains("#[template(");
    assert!(here.iter().filter(|path| draws(path)).count() > 20);
    let others: Vec<_> = elsewhere.iter().filter(|path| draws(path)).collect();
    assert!(others.is_empty(), "{others:?}");
}
