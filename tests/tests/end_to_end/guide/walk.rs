//! Follows a page of the handbook like a reader: writes its files, edits them as described, and runs its commands.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::outcome::Outcome;

/// One action of a reader.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a file.
    File { path: String, text: String },
    /// Adds lines below a line of a file.
    Below { line: String, path: String, text: String },
    /// Adds lines to the end of a file.
    End { path: String, text: String },
    /// Replaces a text that occurs once in the file.
    Replace { from: String, to: String, path: String },
    /// Runs a command.
    Run(String),
    /// Types a command at the site.
    AtSite(String),
}

/// Returns the steps of a page.
pub fn steps(page: &str) -> Result<Vec<Step>> {
    let (mut steps, mut lines, mut said) = (Vec::new(), page.lines(), String::new());
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                steps.extend(replacement(line));
                line.clone_into(&mut said);
            }
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "console" {
            steps.extend(block.into_iter().filter_map(parse_command));
        } else {
            steps.push(of_block(&said, block.join("\n") + "\n")?);
        }
    }
    Ok(steps)
}

/// Parses a typed command in an example, by its prompt.
fn parse_command(line: &str) -> Option<Step> {
    let by_vendor = line.strip_prefix("vendor$ ").map(|command| Step::Run(command.to_owned()));
    by_vendor.or_else(|| line.strip_prefix("site# ").map(|command| Step::AtSite(command.to_owned())))
}

/// Returns the quoted words of a sentence.
fn quoted_words(sentence: &str) -> Vec<String> {
    sentence.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn replacement(line: &str) -> Option<Step> {
    let mut words = quoted_words(line.strip_prefix("- Replace ")?).into_iter();
    Some(Step::Replace { from: words.next()?, to: words.next()?, path: words.next()? })
}

/// Returns the step of a block of text, as described by the last sentence before it.
fn of_block(said: &str, text: String) -> Result<Step> {
    let sentence = said.rsplit(". ").next().unwrap_or_default();
    let words = quoted_words(sentence);
    Ok(match (sentence.split('`').next().unwrap_or_default(), words.as_slice()) {
        ("Add below ", [line, path]) => Step::Below { line: line.clone(), path: path.clone(), text },
        ("Add to the end of ", [path]) => Step::End { path: path.clone(), text },
        ("", [path]) => Step::File { path: path.clone(), text },
        _ => bail!("the guide does not say what this block is for: {sentence}\n{text}"),
    })
}

impl Step {
    /// Performs the step in the vendor's folder. `command` creates a shell for a command line.
    pub fn take(&self, folder: &Path, command: impl FnOnce(&str) -> Command) -> Result<()> {
        let read = |path: &str| std::fs::read_to_string(folder.join(path)).with_context(|| format!("no {path}"));
        let write = |path: &str, text: String| -> Result<()> {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        match self {
            Self::File { path, text } => write(path, text.clone()),
            Self::End { path, text } => write(path, read(path)?.trim_end().to_owned() + "\n\n" + text),
            Self::Below { line, path, text } => {
                let found = read(path)?;
                let whole = format!("\n{line}\n");
                ensure!(
                    found.matches(&whole).count() == 1,
                    "{path} does not have the line `{line}` exactly once:\n{found}"
                );
                write(path, found.replace(&whole, &format!("{whole}{text}")))
            }
            Self::Replace { from, to, path } => {
                let found = read(path)?;
                ensure!(found.matches(from).count() == 1, "{path} does not have `{from}` exactly once:\n{found}");
                write(path, found.replace(from, to))
            }
            Self::Run(line) => {
                Outcome::success(command(line).current_dir(folder)).map(drop).with_context(|| format!("`{line}` fails"))
            }
            Self::AtSite(line) => bail!("`{line}` is for the site"),
        }
    }
}

#[test]
fn page_is_parsed_into_steps() -> Result<()> {
    let text = "# A\n\n## One\n\nWrite this. `a/b.yaml`:\n\n```yaml\nx: 1\n```\n\n- Replace `x` with `y` in \
        `a/b.yaml`.\n\nMore. Add below `y: 1` in `a/b.yaml`:\n\n```yaml\nz: 2\n```\n\n\
        Add to the end of `a/b.yaml`:\n\n```yaml\nend: 3\n```\n\n```console\nvendor$ ls a\nsite# rm b\n```\n\n## Two\n";
    let [x, y, path, z, end] = ["x", "y", "a/b.yaml", "z: 2\n", "end: 3\n"].map(str::to_owned);
    let expected = [
        Step::File { path: path.clone(), text: "x: 1\n".to_owned() },
        Step::Replace { from: x, to: y, path: path.clone() },
        Step::Below { line: "y: 1".to_owned(), path: path.clone(), text: z },
        Step::End { path, text: end },
        Step::Run("ls a".to_owned()),
        Step::AtSite("rm b".to_owned()),
    ];
    assert_eq!(steps(text)?, expected);
    let error = steps("# A\n\n## One\n\nSomething:\n\n```yaml\nx: 1\n```\n").unwrap_err();
    assert_eq!(error.to_string(), "the guide does not say what this block is for: Something:\nx: 1\n");
    Ok(())
}
