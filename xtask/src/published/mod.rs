//! Charts and kustomizations as published by their projects, processed with `init`, `lock` and `build`. They are
//! downloaded for each run and never committed; only the results are.

mod attempt;
mod compare;
mod edits;
mod registry;
mod sources;
mod table;

use anyhow::{Context, Result};

pub use attempt::{Attempt, AttemptOutcome, Bench};
pub use compare::Comparison;
pub use registry::TinyRegistry;
pub use sources::Sources;
pub use table::markdown;

/// Path of the list, relative to the project's root.
pub const LIST: &str = "tests/charts/published.tsv";

/// A chart or a kustomization of the list.
#[derive(Debug, Clone)]
pub struct PublishedChart {
    /// Repository, as `OWNER+NAME`.
    pub repository: String,
    /// Folder in the repository.
    pub path: String,
    /// Values that its messages ask for, as YAML in one line; empty if it needs none.
    pub values: String,
}

/// Reads the list.
pub fn list(text: &str) -> Result<Vec<PublishedChart>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let (repository, path) = (fields.next().unwrap_or_default(), fields.next());
        let path = path.with_context(|| format!("a line of the list has no folder: {line}"))?;
        Ok(PublishedChart { repository, path, values: fields.next().unwrap_or_default() })
    };
    lines.map(read).collect()
}
