//! `cargo xtask bench`: the performance table, and its JSON.

use anyhow::{Context, Result};

use crate::{bench, printer, setup, workspace};

/// Print the performance table with ratios and byte counters, and write it as JSON.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of pairs of runs for each ratio.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Instead, measure backup, restore, undo and upgrade of a site with a gigabyte of data on a test machine, in half
    /// an hour.
    #[arg(long, conflicts_with = "pairs")]
    site: bool,
}

/// Runs the command. The exit code is 0 if every figure meets its goal, 1 otherwise. Ratios are printed with their
/// limits, but only part `figures` of `cargo xtask test` judges them, because a development build meets none.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let folder = workspace::root().join("target/bench");
    let (rows, file) = if arguments.site {
        (bench::site::measure(&folder)?, bench::site::table())
    } else {
        setup::ensure_packages(&["b3sum", bench::startup::PACKAGE])?;
        (bench::measure(&folder, arguments.pairs.max(1))?, bench::verbs::table())
    };
    printer::data(bench::render(&rows).trim_end());
    write(&file, &serde_json::to_vec_pretty(&rows)?)?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    printer::note(format!("written to {}", file.display()));
    let missed = bench::missed_goals(&rows);
    for goal in &missed {
        printer::note(format!("goal missed: {goal}"));
    }
    Ok(u8::from(!missed.is_empty()))
}

#[expect(clippy::disallowed_methods, reason = "a report for people, recreated at each run")]
fn write(path: &std::path::Path, content: &[u8]) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
