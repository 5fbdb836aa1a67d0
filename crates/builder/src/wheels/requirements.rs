//! Reads a requirements file with hashes, as `pip-compile`, `uv pip compile` and `uv export` print it.

use std::path::Path;

use landfall_error_codes::{Code, codes};

use super::requirement::{Requirement, WrittenRequirement};
use super::target::Target;
use crate::error::{BuildError, Place};

/// Options for pip's search that are ignored: the index in the lock and the hashes take their place.
const IDLE_OPTIONS: [&str; 11] = [
    "-i",
    "--index-url",
    "--extra-index-url",
    "--trusted-host",
    "--no-index",
    "-f",
    "--find-links",
    "--only-binary",
    "--prefer-binary",
    "--pre",
    "--require-hashes",
];

const EDITABLE: &str =
    "is editable, a folder of one machine: leave the project itself out (`uv export --no-emit-project`)";

/// Options that name a source outside of any index.
const ELSEWHERE_OPTIONS: [(&str, &str); 6] = [
    ("-e", EDITABLE),
    ("--editable", EDITABLE),
    ("-r", "names another file, which would not travel: write all requirements into one"),
    ("--requirement", "names another file, which would not travel: write all requirements into one"),
    ("-c", "names a file of constraints, which would not travel"),
    ("--constraint", "names a file of constraints, which would not travel"),
];

/// Code and text of an error in a line.
pub(super) type Refusal = (Code, String);

/// Requirements of a file, and all errors in it, each with its line.
pub fn read(path: &Path, text: &str) -> (Vec<Requirement>, Vec<BuildError>) {
    let (mut usable, mut faults) = (Vec::new(), Vec::new());
    for (line, text) in logical_lines(text) {
        let read = if text.starts_with('-') {
            option(&text).map(|()| None)
        } else {
            WrittenRequirement::read(line, &text).and_then(WrittenRequirement::into_requirement).map(Some)
        };
        match read {
            Ok(requirement) => usable.extend(requirement),
            Err((code, what)) => faults.push(fault(path, line, line_start(&text), code, what)),
        }
    }
    if usable.is_empty() && faults.is_empty() {
        let what = "it has no requirements";
        faults.push(BuildError::at(codes::REQUIREMENTS_UNREADABLE, Place::file(path), what));
    }
    (usable, faults)
}

/// Unique requirements whose markers hold for a target, and errors in them.
pub fn applicable(path: &Path, all: Vec<Requirement>, target: &Target) -> (Vec<Requirement>, Vec<BuildError>) {
    let (mut taken, mut faults): (Vec<Requirement>, Vec<BuildError>) = (Vec::new(), Vec::new());
    for requirement in all {
        match requirement.applies(target) {
            Ok(false) => continue,
            Ok(true) => {}
            Err((code, what)) => {
                faults.push(fault(path, requirement.line, requirement.name, code, what));
                continue;
            }
        }
        match taken.iter().find(|other| other.name == requirement.name) {
            None => taken.push(requirement),
            Some(other) if other.version() == requirement.version() => {}
            Some(other) => {
                let what = format!(
                    "line {} pins {} and this one {}, and both apply to {target}",
                    other.line,
                    other.version(),
                    requirement.version()
                );
                faults.push(fault(path, requirement.line, requirement.name, codes::REQUIREMENT_UNPINNED, what));
            }
        }
    }
    (taken, faults)
}

fn fault(path: &Path, line: u64, name: String, code: Code, what: String) -> BuildError {
    BuildError::at(code, Place::field(path, line, name), what)
}

/// Beginning of a line for a message, because a URL in it may contain a password.
fn line_start(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter)).take(80).collect()
}

/// Lines without comments, joined after a trailing `\`, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(u64, String)> = None;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let (first, mut joined) = open.take().unwrap_or((number, String::new()));
        let is_comment = line.trim_start().starts_with('#');
        if let Some(beginning) = line.strip_suffix('\\').filter(|_| !is_comment) {
            joined.push_str(beginning);
            open = Some((first, joined));
            continue;
        }
        // A comment ends a joined line, as in pip.
        if is_comment {
            joined.push(' ');
        }
        joined.push_str(line);
        lines.push((first, joined));
    }
    lines.extend(open);
    let plain = |(number, line): (u64, String)| (number, without_comment(&line).replace('\t', " ").trim().to_owned());
    lines.into_iter().map(plain).filter(|(_, line)| !line.is_empty()).collect()
}

/// The text before a `#` that is at the start or after a space.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).find(begins);
    &line[..comment.unwrap_or(line.len())]
}

/// Checks an option on a separate line.
fn option(line: &str) -> Result<(), Refusal> {
    let word = line.split([' ', '\t', '=']).next().unwrap_or_default();
    // The value of a short option may follow without a space: `-e.`
    let short = if word.starts_with("--") { word } else { word.get(..2).unwrap_or(word) };
    if IDLE_OPTIONS.contains(&short) {
        return Ok(());
    }
    if let Some((_, what)) = ELSEWHERE_OPTIONS.iter().find(|(option, _)| *option == short) {
        return Err((codes::REQUIREMENT_ELSEWHERE, (*what).to_owned()));
    }
    Err((
        codes::REQUIREMENTS_UNREADABLE,
        "is an option that Landfall does not know in a file of requirements".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation_lines_join_as_in_pip() {
        let text = "# head\na==1 \\\n    --hash=x \\\n    --hash=y\n    # via b\n\nb==2 # why\nc==3 \\\n# ends it\n\
            url#fragment\nd==4 \\";
        let lines = logical_lines(text);
        let shown: Vec<_> = lines.iter().map(|(number, line)| (*number, line.as_str())).collect();
        assert_eq!(
            shown,
            [(2, "a==1     --hash=x     --hash=y"), (7, "b==2"), (8, "c==3"), (10, "url#fragment"), (11, "d==4")]
        );
    }

    #[test]
    fn index_options_are_ignored() {
        for line in ["--index-url https://packages.example.com/simple", "-ihttps://packages.example.com", "--pre"] {
            assert_eq!(option(line), Ok(()), "{line}");
        }
        for line in ["-e .", "-e.", "--editable=.", "-r base.txt", "-cconstraints.txt"] {
            assert_eq!(option(line).map_err(|(code, _)| code), Err(codes::REQUIREMENT_ELSEWHERE), "{line}");
        }
        for line in ["--no-binary :all:", "--global-option=x", "-x"] {
            assert_eq!(option(line).map_err(|(code, _)| code), Err(codes::REQUIREMENTS_UNREADABLE), "{line}");
        }
    }
}
