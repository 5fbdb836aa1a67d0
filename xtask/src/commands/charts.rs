//! `cargo xtask charts`: runs `init`, `lock` and `build` on charts of other projects.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use crate::published::{Attempt, AttemptOutcome, Bench, LIST, PublishedChart, Sources, TinyRegistry, list, markdown};
use crate::{builds, images, printer, workspace};

/// Path of the generated page, relative to the project's root.
const PAGE: &str = "docs/CHARTS.md";

/// Number of charts that are processed in parallel.
const AT_ONCE: usize = 6;

/// Put charts of other projects through init, lock and build. Not a part of `test`, because their repositories are
/// fetched fresh.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder with the projects' repositories, bare, each as OWNER+NAME/repo.
    #[arg(long, value_name = "FOLDER")]
    sources: PathBuf,
    /// Words that select charts, each by a part of the repository or folder; by default, all charts.
    words: Vec<String>,
    /// Write docs/CHARTS.md; with words, only the rows of the selected charts.
    #[arg(long)]
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
    let programs = [builds::landfall()?, parts.binaries.join("kubectl"), images::ensure_helm()?];
    let bench = Bench::new(folder.path(), [&programs[0], &programs[1], &programs[2]], &registry)?;
    let sources = Sources::open(&arguments.sources)?;
    let attempts = at_once(&wanted, |published| {
        let attempt = bench.attempt(published, &sources);
        let attempt = attempt.with_context(|| format!("{} {}", published.repository, published.path))?;
        report(published, &attempt);
        let commit = sources.commit(&published.repository).unwrap_or_default();
        Ok((published.clone(), commit, attempt))
    })?;
    if arguments.write {
        let page = root.join(PAGE);
        let known = if arguments.words.is_empty() { String::new() } else { std::fs::read_to_string(&page)? };
        #[expect(clippy::disallowed_methods, reason = "a page that Git has")]
        std::fs::write(page, markdown(&attempts, &known)).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(0)
}

/// Prints the result of a chart.
fn report(published: &PublishedChart, attempt: &Attempt) {
    let outcome = match &attempt.outcome {
        AttemptOutcome::Built => "built".to_owned(),
        AttemptOutcome::Refused(why) => format!("refused: {why}"),
        AttemptOutcome::Unavailable(why) => format!("not here: {why}"),
    };
    let compared = attempt.compared.as_ref();
    let compared = compared.map(|it| it.summary().unwrap_or_else(|| format!("{} objects equal", it.objects)));
    let (edits, compared) = (attempt.edits.join("; "), compared.unwrap_or_default());
    printer::data(format_args!("{} {}: {outcome} [{edits}] {compared}", published.repository, attempt.name));
}

/// Applies a function to each item, several in parallel. Returns the results in the order of the items, or the first
/// error.
fn at_once<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            done.push((index, each(item)));
        }
        done
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    ensure!(done.len() == items.len(), "a worker ended early");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_item_order() {
        let items: Vec<usize> = (0..20).collect();
        let doubled = at_once(&items, |item| Ok(item * 2)).expect("all");
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        let failed = at_once(&items, |item| if *item == 7 { anyhow::bail!("seven") } else { Ok(()) });
        assert_eq!(failed.expect_err("one fails").to_string(), "seven");
    }
}
