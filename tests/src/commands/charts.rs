//! `cargo xtask charts`: charts of other projects, put through `init`, `lock` and `build`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::published::{Bench, Ending, LIST, Sources, TinyRegistry, list, markdown};
use crate::{images, printer, workspace};

/// The page that is written, from the project's root.
const PAGE: &str = "docs/CHARTS.md";

/// Puts charts of other projects through init, lock and build. Not a part of `test`: their repositories are fetched fresh.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder with the projects' repositories, bare, each as OWNER+NAME/repo.
    #[arg(long, value_name = "FOLDER")]
    sources: PathBuf,
    /// Only charts whose repository or folder has one of these words.
    words: Vec<String>,
    /// Write docs/CHARTS.md.
    #[arg(long, conflicts_with = "words")]
    write: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let root = workspace::root();
    let text = std::fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let is_wanted = |text: &str| arguments.words.is_empty() || arguments.words.iter().any(|word| text.contains(word));
    let mut wanted = list(&text)?;
    wanted.retain(|published| is_wanted(&format!("{}/{}", published.repository, published.path)));
    ensure!(!wanted.is_empty(), "{LIST} has no such chart");
    let parts = images::ensure_all()?;
    let registry = TinyRegistry::start(&parts.tree.root)?;
    let folder = tempfile::tempdir()?;
    let programs = [workspace::landfall()?, parts.binaries.join("kubectl"), images::ensure_helm()?];
    let bench = Bench::new(folder.path(), [&programs[0], &programs[1], &programs[2]], &registry)?;
    let sources = Sources::open(&arguments.sources)?;
    let mut attempts = Vec::new();
    for published in wanted {
        let attempt = bench.attempt(&published, &sources);
        let attempt = attempt.with_context(|| format!("{} {}", published.repository, published.path))?;
        let ending = match &attempt.ending {
            Ending::Built => "built".to_owned(),
            Ending::Refused(why) => format!("refused: {why}"),
            Ending::Unavailable(why) => format!("not here: {why}"),
        };
        let edits = attempt.edits.join("; ");
        printer::data(format_args!("{} {}: {ending} [{edits}]", published.repository, attempt.name));
        let commit = sources.commit(&published.repository).unwrap_or_default();
        attempts.push((published, commit, attempt));
    }
    if arguments.write {
        #[expect(clippy::disallowed_methods, reason = "a page that Git has")]
        std::fs::write(root.join(PAGE), markdown(&attempts)).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(0)
}
