//! The clock of a rendering. Output that depends on it would be fixed at the day of the build. Therefore the second
//! rendering uses another day, which shows every difference, even in coarse units.
//!
//! Each call of `now` is replaced with a fixed time, written without quotes because it may be inside quotes. Functions
//! with an implicit clock get a later second.

use super::actions;
use super::files::ChartFiles;
use super::lookup::is_template;

/// The template function that reads the clock.
const NOW: &str = "now";

/// Its replacement: the beginning of another year.
const ANOTHER_DAY: &str = "(toDate (print 2006) (print 2001))";

/// Functions with an implicit clock.
const CLOCK: [&str; 3] = ["ago", "unixEpoch", "dateInZone"];

/// A chart's files on another day. Files other than templates and values may be data with actions for other software.
pub fn on_another_day(files: &ChartFiles) -> ChartFiles {
    let mut files = files.clone();
    for (path, bytes) in &mut files.0 {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let calls = match path.as_str() {
            path if is_template(path) => actions::calls(text, NOW),
            path if is_values(path) => actions::calls_in_data(text, NOW),
            _ => continue,
        };
        *bytes = actions::replace(text.to_owned(), &calls, NOW.len(), ANOTHER_DAY).into_bytes();
    }
    files
}

/// Restores `now` where Helm printed the fixed time as text.
pub fn restore_now(rendered: &str) -> String {
    rendered.replace(ANOTHER_DAY, NOW)
}

/// Returns true if a pause of a second between two renderings may show a difference.
pub fn reads_seconds(files: &ChartFiles) -> bool {
    let reads = |path: &str, text: &str| {
        actions::mentions(text, &CLOCK) || (!is_template(path) && !is_values(path) && actions::mentions(text, &[NOW]))
    };
    files.0.iter().any(|(path, bytes)| std::str::from_utf8(bytes).is_ok_and(|text| reads(path, text)))
}

/// Returns true for values of a chart or a subchart, and for those of a release, whose path is a bare file name.
fn is_values(path: &str) -> bool {
    path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).is_some_and(|stem| stem.starts_with("values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_shifts_in_templates_and_values() {
        let text = "{{ now | date \"2006\" }} {{ tpl `{{ now }}` . }} {{ .now }} now";
        let another = format!(
            "{{{{ {ANOTHER_DAY} | date \"2006\" }}}} {{{{ tpl `{{{{ {ANOTHER_DAY} }}}}` . }}}} {{{{ .now }}}} now"
        );
        for path in ["templates/a.yaml", "values.yaml", "charts/b/values.yaml", "values-0.yaml"] {
            let files = ChartFiles::of_one(path, text);
            assert_eq!(on_another_day(&files).text(path), Some(another.as_str()), "{path}");
            assert!(!reads_seconds(&files));
        }
        let alert = ChartFiles::of_one("files/alert.tmpl", text);
        assert_eq!(on_another_day(&alert), alert);
        assert!(reads_seconds(&alert), "it may become a template");
        assert!(reads_seconds(&ChartFiles::of_one("templates/a.yaml", "{{ ago .Values.at }}")));
        assert_eq!(restore_now(&format!("a: '{{{{ {ANOTHER_DAY} }}}}'")), "a: '{{ now }}'");
    }
}
