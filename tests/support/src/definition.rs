//! Notation of tests: a definition in one text, in which the entry of a component has the fields of its own file.
//!
//! The text is split so that each line keeps its number, in whichever file it is.

use std::path::Path;

use serde_json::{Value, json};

/// Keys that stay in the release.
const LISTED: [&str; 6] = ["name", "from", "namespace", "needs", "reaches", "entitlement"];

/// Writes the files of a definition into a folder.
///
/// # Panics
///
/// Panics if a file cannot be written.
#[expect(clippy::expect_used, clippy::disallowed_methods, reason = "for tests")]
pub fn write(folder: &Path, text: &str) {
    for (name, text) in files(text) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    }
}

/// Splits a text into release.yaml and the own file of each component, `components/NAME/component.yaml`. What has no
/// such form stays as it is, for the product to refuse.
pub fn files(text: &str) -> Vec<(String, String)> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut files = Vec::new();
    let begin = lines.iter().position(|line| line == "components:").map_or(lines.len(), |begin| begin + 1);
    let is_within = |line: &&String| line.is_empty() || line.starts_with([' ', '#']);
    let end = begin + lines[begin..].iter().take_while(is_within).count();
    let starts: Vec<_> = (begin..end).filter(|&line| lines[line].starts_with("  - ")).collect();
    for (number, &start) in starts.iter().enumerate() {
        let next = starts.get(number + 1).copied().unwrap_or(end);
        let split = if lines[start].starts_with("  - {") { split_flow } else { split_block };
        if let Some((name, own)) = split(&mut lines[start..next]) {
            files.push((format!("components/{name}/component.yaml"), "\n".repeat(start) + &own.join("\n") + "\n"));
        }
    }
    files.insert(0, ("release.yaml".to_owned(), lines.join("\n") + "\n"));
    files
}

/// Splits an entry such as `- {name: a, manifests: b}`.
fn split_flow(lines: &mut [String]) -> Option<(String, Vec<String>)> {
    let [entry]: [Value; 1] = serde_saphyr::from_str(&lines.join("\n")).ok()?;
    let entry = entry.as_object()?.clone();
    let name = entry.get("name").filter(|_| !entry.contains_key("from"))?.as_str()?.to_owned();
    let (mut listing, mut own): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
        entry.into_iter().partition(|(key, _)| LISTED.contains(&key.as_str()));
    listing.insert("from".to_owned(), json!(folder(&name)));
    for (key, value) in &mut own {
        move_paths(key, value);
    }
    lines.fill(String::new());
    lines[0] = format!("  - {}", Value::Object(listing));
    Some((name, vec![Value::Object(own).to_string()]))
}

/// Splits an entry with a field in each line.
fn split_block(lines: &mut [String]) -> Option<(String, Vec<String>)> {
    let name = lines[0].strip_prefix("  - name: ")?.to_owned();
    if lines.iter().any(|line| line.starts_with("    from: ")) {
        return None;
    }
    let mut own = vec![String::new(); lines.len()];
    let mut is_listed = true;
    for (line, own) in lines.iter_mut().zip(&mut own).skip(1) {
        let field = line.strip_prefix("    ").unwrap_or(line);
        if !field.starts_with([' ', '#', '-']) && !field.is_empty() {
            is_listed = LISTED.contains(&field.split(':').next().unwrap_or_default());
        }
        if !is_listed {
            *own = moved_line(field);
            line.clear();
        }
    }
    let from = format!("    from: {}", folder(&name));
    match lines.iter_mut().find(|line| line.is_empty()) {
        Some(line) => *line = from,
        None => lines[0] = format!("{}\n{from}", lines[0]),
    }
    Some((name, own))
}

/// Folder of a component, as the release names it.
fn folder(name: &str) -> String {
    format!("components/{name}")
}

/// A line of a component's own file, with paths from there.
fn moved_line(field: &str) -> String {
    let Some((key, value)) = field.split_once(": ").filter(|(key, _)| ["manifests", "chart"].contains(key)) else {
        return field.to_owned();
    };
    let Ok(mut value) = serde_saphyr::from_str::<Value>(value) else { return field.to_owned() };
    move_paths(key, &mut value);
    format!("{key}: {value}")
}

/// Makes the paths of a field relative to the component's own file.
fn move_paths(key: &str, value: &mut Value) {
    let move_path = |path: &mut Value| {
        if let Some(text) = path.as_str().filter(|text| !text.starts_with('/')) {
            *path = json!(format!("../../{text}"));
        }
    };
    match key {
        "manifests" => move_path(value),
        "chart" => {
            value.get_mut("folder").into_iter().for_each(move_path);
            value.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten().for_each(move_path);
        }
        _ => {}
    }
}
