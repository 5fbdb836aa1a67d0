//! Files that the `.helmignore` of a chart's folder excludes, with the rules of Helm's package `ignore`. Helm reads
//! none in an archive.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use landfall_error_codes::codes;

use crate::error::{BuildError, Place, Result};

/// Name of the file, at the top of a chart.
const FILE: &str = ".helmignore";

/// Helm's built-in rule.
const DEFAULT: &str = "templates/.?*";

/// Files and folders that are not part of a chart.
#[derive(Debug)]
pub struct HelmIgnore(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    /// True if it ignores paths that do not match.
    is_negated: bool,
    of_folders_alone: bool,
    /// True if the pattern matches the whole path rather than the name.
    is_path: bool,
}

impl HelmIgnore {
    /// Reads the rules of a chart's folder.
    pub fn of(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = match fs_err::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let error =
                    BuildError::at(codes::CHART_UNREADABLE, Place::file(&file), "cannot be read").because(error);
                return Err(error);
            }
        };
        let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().enumerate();
        let rules = lines.filter_map(|(number, line)| rule(line.trim(), &file, number + 1).transpose());
        let mut rules = rules.collect::<Result<Vec<_>>>()?;
        rules.extend(rule(DEFAULT, &file, 0)?);
        Ok(Self(rules))
    }

    /// Returns true if a path below the folder is ignored.
    pub fn contains(&self, path: &str, is_folder: impl Fn() -> bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.0.iter().any(|rule| {
            let matches = || rule.pattern.is_match(if rule.is_path { path } else { name });
            let is_kind = !rule.of_folders_alone || is_folder();
            if rule.is_negated { !is_kind || !matches() } else { is_kind && matches() }
        })
    }
}

/// Parses a line; `None` for an empty line and a comment.
fn rule(line: &str, file: &Path, number: usize) -> Result<Option<Rule>> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let refuse = |what: String| {
        let place = Place { file: Some(file.to_owned()), line: u64::try_from(number).ok(), field: None };
        BuildError::at(codes::CHART_UNREADABLE, place, what)
    };
    if line.contains("**") {
        return Err(refuse(format!("`{line}` has two stars, which Helm does not support")));
    }
    let (is_negated, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (of_folders_alone, pattern) = pattern.strip_suffix('/').map_or((false, pattern), |rest| (true, rest));
    let is_path = pattern.contains('/');
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    // Helm treats braces as ordinary characters.
    let glob = pattern.replace('{', "[{]").replace('}', "[}]");
    let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| refuse(format!("`{line}` is not a pattern")).because(error))?;
    Ok(Some(Rule { pattern: glob.compile_matcher(), is_negated, of_folders_alone, is_path }))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    fn rules(text: &str) -> Result<HelmIgnore> {
        let folder = tempfile::tempdir().expect("folder");
        landfall_media::durable::write_file(&folder.path().join(FILE), text.as_bytes(), 0o644).expect("file");
        HelmIgnore::of(folder.path())
    }

    #[test]
    fn ignore_rules_match_helm() {
        for (text, path, is_folder, expected) in [
            ("*.bin\n", "files/big.bin", false, true),
            ("files/*.bin", "files/big.bin", false, true),
            ("files/*.bin", "a/files/big.bin", false, false),
            ("/big.bin", "big.bin", false, true),
            ("/big.bin", "files/big.bin", false, false),
            ("docs/", "docs", true, true),
            ("docs/", "docs", false, false),
            ("docs", "a/docs", true, true),
            ("# docs\n\n", "docs", false, false),
            ("!*.yaml", "a.txt", false, true),
            ("!*.yaml", "a.yaml", false, false),
            ("a?c[0-9]", "abc5", false, true),
            ("{a,b}", "a", false, false),
            ("{a,b}", "{a,b}", false, true),
            ("", "templates/.swp", false, true),
            ("", "templates/a.yaml", false, false),
        ] {
            let found = rules(text).expect("rules").contains(path, || is_folder);
            assert_eq!(found, expected, "{text:?}: {path}");
        }
    }

    #[test]
    fn invalid_ignore_rule_is_located() {
        for text in ["# a\n**/b\n", "a\n[\n"] {
            let error = rules(text).expect_err("refused");
            assert_eq!(error.code(), codes::CHART_UNREADABLE);
            assert!(error.to_string().contains(".helmignore:2: "), "{error}");
        }
    }

    #[test]
    fn ignored_files_and_links_are_skipped() {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in [(FILE, "*.bin\nlink\n"), ("Chart.yaml", "name: a\n"), ("big.bin", "too large")] {
            landfall_media::durable::write_file(&folder.path().join(name), text.as_bytes(), 0o644).expect("file");
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("link");
        let files = super::super::files::ChartFiles::of_folder(folder.path(), super::super::files::Limits::default())
            .expect("files");
        assert_eq!(files.0.keys().collect::<Vec<_>>(), [FILE, "Chart.yaml"]);
    }
}
