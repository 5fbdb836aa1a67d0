//! Look-ups of the cluster. Without a cluster, Helm's `lookup` finds nothing, and a chart would render as if every site
//! were empty. Therefore a rendering that makes a look-up is refused.
//!
//! Each call of `lookup` in a template, and in a quoted text that may become one, is replaced with a trap. The trap is
//! a call of `fail` with the same arguments, which Go's templates refuse on execution. A look-up behind a condition
//! that the values do not meet is harmless; one that is reached fails with its file and line. Notes do not reach a
//! site, so they may make look-ups. A file that is not a template, but may become one through `tpl`, must not call
//! `lookup` at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;

use super::actions;
use super::files::ChartFiles;
use crate::error::{BuildError, Place, Result};

/// Name of the template function.
const LOOKUP: &str = "lookup";

/// Suffix of the templates whose result Helm drops.
const NOTES: &str = "NOTES.txt";

/// Replacement of the function's name, of the same length so that Helm reports the correct column.
const TRAP: &str = "fail  ";

/// Error text of Go's templates when they execute the trap.
pub const SPRUNG: &str = "wrong number of args for fail";

/// Traps every look-up in a chart's templates; returns their number. Returns an error for a look-up in any other file.
///
/// `name` is the name for messages: that of the chart, or that of a file of values, whose path is empty.
pub fn trap(name: &str, files: &mut ChartFiles) -> Result<usize> {
    let mut trapped = 0;
    let notes = notes(files);
    for (path, bytes) in files.0.iter_mut().filter(|(path, _)| !notes.contains(*path)) {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let calls = if is_template(path) { actions::calls } else { actions::calls_in_data }(text, LOOKUP);
        let Some(first) = calls.first() else { continue };
        let line = text[..*first].matches('\n').count() + 1;
        if !is_template(path) {
            // A README is never rendered.
            if Path::new(path).extension().is_some_and(|extension| extension == "md") {
                continue;
            }
            let file = if path.is_empty() { PathBuf::from(name) } else { Path::new(name).join(path) };
            let place = Place { file: Some(file), line: u64::try_from(line).ok(), field: None };
            let what = "calls `lookup`, which queries a cluster: there is none while a release is built";
            return Err(BuildError::at(codes::CHART_LOOKUP, place, what));
        }
        trapped += calls.len();
        *bytes = actions::replace(text.to_owned(), &calls, LOOKUP.len(), TRAP).into_bytes();
    }
    Ok(trapped)
}

/// Paths of a chart's templates that call `lookup` directly.
pub fn asking(files: &ChartFiles) -> Vec<&str> {
    let asks = |path: &&String| files.text(path).is_some_and(|text| !actions::calls(text, LOOKUP).is_empty());
    files.0.keys().filter(|path| is_template(path)).filter(asks).map(String::as_str).collect()
}

/// Paths of the notes, which Helm renders and drops; empty if another template refers to a notes file.
fn notes(files: &ChartFiles) -> BTreeSet<String> {
    let is_notes = |path: &str| is_template(path) && path.ends_with(NOTES);
    let is_named = |text: &str| text.contains(NOTES);
    if files.0.keys().any(|path| !is_notes(path) && is_template(path) && files.text(path).is_some_and(is_named)) {
        return BTreeSet::new();
    }
    let defines = |path: &str| files.text(path).is_some_and(|text| actions::mentions(text, &["define", "block"]));
    files.0.keys().filter(|path| is_notes(path) && !defines(path)).cloned().collect()
}

/// Returns true if a path is that of a template.
pub fn is_template(path: &str) -> bool {
    path.starts_with("templates/") || path.contains("/templates/")
}

/// Restores `lookup` in rendered text that contains an unexecuted trap, because a quoted text may legitimately contain
/// it.
pub fn restore_lookup(rendered: String) -> String {
    if !rendered.contains(TRAP) {
        return rendered;
    }
    let traps = actions::calls_in_data(&rendered, "fail").into_iter();
    let traps: Vec<usize> = traps.filter(|at| rendered[*at..].starts_with(TRAP)).collect();
    actions::replace(rendered, &traps, TRAP.len(), LOOKUP)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    #[test]
    fn lookup_calls_are_trapped() {
        for text in [
            "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}",
            "a: {{- (lookup \"v1\" \"Secret\" .Release.Namespace \"b\").data }}",
            "{{ $s := lookup `v1` \"Secret\" }}",
            "{{ if and (not .a) (lookup \"}}\" \"b\") }}",
            "{{ \"\\\"}}\" | lookup }}",
            "{{/* lookup */}}{{ lookup }}",
            "{{\n  lookup\n}}",
            "{{ tpl `{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}` . }}",
            "{{ tpl \"{{ \\\"v1\\\" | lookup }}\" . }}",
        ] {
            for path in ["templates/a.yaml", "charts/b/templates/_helpers.tpl"] {
                let mut trapped = ChartFiles::of_one(path, text);
                assert_eq!(trap("c", &mut trapped).expect("template"), 1, "{text}");
                let found = trapped.text(path).expect("text");
                assert!(found.contains("fail  ") && found.len() == text.len(), "{found}");
            }
        }
        for text in [
            "lookup",
            "{{/* lookup \"v1\" */}}",
            "{{- /* lookup */ -}}",
            "{{ .Values.lookup }}",
            "{{ $lookup }}",
            "{{ \"lookup\" }} {{ `lookup` }} {{ \"{{ .lookup }} lookup\" }}",
            "{{ include \"common.lookup\" . }}",
            "{{ lookups }} {{ mylookup }}",
            "{{ unended",
        ] {
            let mut same = ChartFiles::of_one("templates/a.yaml", text);
            assert_eq!(trap("c", &mut same).expect("none"), 0, "{text}");
            assert_eq!(same.text("templates/a.yaml"), Some(text));
        }
    }

    #[test]
    fn lookups_outside_templates_are_refused() {
        let texts = ["'{{ lookup \"v1\" \"Secret\" }}'", "\"{{ \\\"v1\\\" | lookup }}\""];
        for (path, text) in
            ["values.yaml", "files/config.tpl", "charts/b/values.yaml"].into_iter().zip(texts.iter().cycle())
        {
            let refused = trap("shop", &mut ChartFiles::of_one(path, &format!("a: 1\nb: {text}\n"))).expect_err(path);
            assert_eq!(refused.code(), codes::CHART_LOOKUP);
            assert!(refused.to_string().starts_with(&format!("shop/{path}:2: calls `lookup`")), "{refused}");
        }
        trap("shop", &mut ChartFiles::of_one("README.md", "Call `{{ lookup }}`.")).expect("prose");
    }

    #[test]
    fn printed_traps_restore_original_text() {
        for (rendered, restored) in [
            ("a: '{{ fail   \"v1\" }}'\n", "a: '{{ lookup \"v1\" }}'\n"),
            ("a: \"{{ \\\"v1\\\" | fail   }}\"\n", "a: \"{{ \\\"v1\\\" | lookup }}\"\n"),
            ("a: '{{ fail \"no host\" }} fail  '\n", "a: '{{ fail \"no host\" }} fail  '\n"),
        ] {
            assert_eq!(restore_lookup(rendered.to_owned()), restored);
        }
    }

    #[test]
    fn notes_may_call_lookup() {
        let lookup = "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}";
        let notes = ("templates/NOTES.txt", lookup.to_owned());
        let inner = ("charts/b/templates/NOTES.txt", lookup.to_owned());
        let trapped = |files: &[(&str, String)]| {
            let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.clone().into_bytes()));
            trap("shop", &mut ChartFiles(files.collect())).expect("templates")
        };
        assert_eq!(trapped(&[notes.clone(), inner]), 0);
        let defined = format!("{{{{ define \"a\" }}}}{lookup}{{{{ end }}}}");
        assert_eq!(trapped(&[("templates/NOTES.txt", defined)]), 1, "another template may include it");
        let taken = "{{ include (print $.Template.BasePath \"/NOTES.txt\") . }}".to_owned();
        assert_eq!(trapped(&[notes, ("templates/a.yaml", taken)]), 1, "another template takes it in");
    }
}
