//! Words in actions of Go templates: the text between `{{` and `}}`, where a word may be a function. `tpl` may turn
//! quoted text into a template, so words of the actions in it are included.

use std::collections::BTreeSet;

/// Returns true if any action in a text calls one of these functions.
pub fn mentions(text: &str, functions: &[&str]) -> bool {
    words(text).iter().any(|(_, word)| functions.contains(word))
}

/// Offsets at which actions of a template call a function, sorted.
pub fn calls(text: &str, function: &str) -> Vec<usize> {
    let found: BTreeSet<usize> =
        words(text).into_iter().filter(|(_, word)| *word == function).map(|(at, _)| at).collect();
    found.into_iter().collect()
}

/// Like [`calls`], for data such as YAML, where quotes within double quotes are escaped with a backslash.
pub fn calls_in_data(text: &str, function: &str) -> Vec<usize> {
    let both = calls(text, function).into_iter().chain(calls(&without_escapes(text), function));
    both.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Replaces `length` bytes at each of the sorted offsets.
pub fn replace(mut text: String, places: &[usize], length: usize, with: &str) -> String {
    for at in places.iter().rev() {
        text.replace_range(*at..*at + length, with);
    }
    text
}

/// Removes the backslashes of escaped quotes, without a change of length.
fn without_escapes(text: &str) -> String {
    text.replace("\\\"", " \"")
}

/// Identifiers in actions that may be functions, except those after `.` or `$` and in comments. In quotes, only the
/// identifiers of nested actions.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(start) = text[rest..].find("{{").map(|at| rest + at + 2) {
        let inner = text[start..].trim_start_matches('-').trim_start();
        if inner.starts_with("/*") {
            let end = text[start..].find("*/").map_or(text.len(), |at| start + at + 2);
            rest = end;
            continue;
        }
        rest = action(text, start, &mut found);
    }
    found
}

/// Reads the action that starts after its `{{`; returns its end.
fn action<'a>(text: &'a str, start: usize, found: &mut Vec<(usize, &'a str)>) -> usize {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return at + 2,
            quote @ (b'"' | b'\'' | b'`') => {
                let end = quote_end(bytes, at, quote);
                in_quotes(text, at + 1, end, found);
                at = end;
            }
            byte if is_word(byte) => {
                let end = (at..bytes.len()).find(|end| !is_word(bytes[*end])).unwrap_or(bytes.len());
                if at == 0 || !matches!(bytes[at - 1], b'.' | b'$') {
                    found.push((at, &text[at..end]));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Words of the actions in a quoted text. The text that `tpl` receives has no backslashes before its quotes.
fn in_quotes<'a>(text: &'a str, start: usize, end: usize, found: &mut Vec<(usize, &'a str)>) {
    let Some(inner) = text.get(start..end.min(text.len())).filter(|inner| inner.contains("{{")) else { return };
    let inner = without_escapes(inner);
    let places = words(&inner).into_iter().map(|(at, word)| start + at..start + at + word.len());
    found.extend(places.map(|place| (place.start, &text[place])));
}

/// End of the quoted text that starts at a byte.
fn quote_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name() {
        assert!(mentions("{{ now | date \"2006\" }}", &["now"]));
        assert!(!mentions("{{ .now }} now {{ \"now\" }}", &["now"]));
    }

    #[test]
    fn quoted_text_counts_within_actions() {
        let text = "{{ tpl (print `a {{ now }}` \"{{ \\\"b\\\" | now }}\") . }} {{ \"now }}\" }}";
        let calls = calls(text, "now");
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls.iter().all(|at| text[*at..].starts_with("now")));
        let replaced = replace(text.to_owned(), &calls, 3, "then");
        assert_eq!(replaced.matches("then").count(), 2);
        assert_eq!(replaced.replace("then", "now"), text);
    }

    #[test]
    fn malformed_templates_yield_valid_offsets() {
        for text in ["{{ \"{{ é", "{{ '\\", "{{ `{{ now", "{{ \"\\é{{ now }}\" }}", "{{ \"{{ \"{{ now"] {
            for at in calls(text, "now").into_iter().chain(calls_in_data(text, "now")) {
                assert!(text[at..].starts_with("now"), "{text}");
            }
        }
    }
}
