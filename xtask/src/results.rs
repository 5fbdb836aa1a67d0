//! The latest results of slow commands: both commands of the README, cold and warm, and each part of `cargo xtask
//! test`. They are stored in the tree, so that they can be read without a run, and as `docs/TESTS.md` for people.
#![expect(clippy::disallowed_methods, reason = "generated documents of the project's own tree")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::site::{ProcessId, tool};
use crate::source::Source;
use crate::workspace;

/// Name of a command with a separate row.
pub const DEMO: &str = "cargo xtask demo";
/// See [`DEMO`].
pub const DEMO_UPGRADE: &str = "cargo xtask demo --upgrade";
/// See [`DEMO`].
pub const TEST: &str = "cargo xtask test";

/// State of the cache at the start of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Temperature {
    /// Empty: everything is downloaded and built.
    Cold,
    /// Filled by an earlier run.
    Warm,
}

impl Temperature {
    /// Returns the current state of the cache.
    pub fn now() -> Result<Self> {
        Ok(if Cache::open()?.is_empty()? { Self::Cold } else { Self::Warm })
    }

    /// Returns the printed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// Returns the running time of the command that a user typed, including compilation: this program has replaced that
/// command in its process.
pub fn elapsed() -> Result<Duration> {
    ProcessId::own()?.age()
}

/// Formats minutes with one decimal.
pub fn minutes(elapsed: Duration) -> String {
    format!("{:.1}", elapsed.as_secs_f64() / 60.0)
}

/// Result of one command or part.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Name of the command or part.
    pub name: &'static str,
    /// Duration in minutes, with one decimal.
    pub minutes: String,
    /// True if it passed.
    pub has_passed: bool,
}

/// A run whose outcomes will be saved.
#[derive(Debug)]
pub struct Run {
    before: Source,
    temperature: Temperature,
}

impl Run {
    /// Records the sources and the state of the cache before anything changes them.
    pub fn begin() -> Result<Self> {
        Ok(Self { before: Source::of(&workspace::root())?, temperature: Temperature::now()? })
    }

    /// Returns the state of the cache at the start.
    pub fn temperature(&self) -> Temperature {
        self.temperature
    }

    /// Saves the outcome of a command, in place of an earlier run with the same state of the cache.
    pub fn keep_command(&self, outcome: &Outcome) -> Result<()> {
        let row = self.row(outcome)?;
        change(|kept| kept.put_command(row))
    }

    /// Saves the outcomes of parts, in place of earlier runs. `order` names all existing parts.
    pub fn keep_parts(&self, outcomes: &[Outcome], order: &[&str]) -> Result<()> {
        let rows = outcomes.iter().map(|outcome| self.row(outcome)).collect::<Result<Vec<_>>>()?;
        change(|kept| kept.put_parts(&rows, order))
    }

    fn row(&self, outcome: &Outcome) -> Result<Row> {
        let date = tool::output(Command::new("date").args(["--utc", "+%Y-%m-%d %H:%M"]))?;
        let source = Source::describe(&self.before, &Source::of(&workspace::root())?);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Row {
            name: outcome.name.to_owned(),
            temperature: self.temperature,
            passed: outcome.has_passed,
            minutes: outcome.minutes.clone(),
            ran: format!("{}, {source}, {processors} processors", date.trim()),
        })
    }
}

/// The latest result of one command or part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    name: String,
    temperature: Temperature,
    passed: bool,
    minutes: String,
    /// Time, source version, and number of processors.
    ran: String,
}

/// All latest results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LatestResults {
    /// One row for each command and state of the cache.
    commands: Vec<Row>,
    parts: Vec<Row>,
    /// Parts without a saved run.
    #[serde(default)]
    not_run: Vec<String>,
}

impl LatestResults {
    fn read(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("cannot understand {}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn put_command(&mut self, row: Row) {
        self.commands.retain(|kept| (&kept.name, kept.temperature) != (&row.name, row.temperature));
        self.commands.push(row);
        self.commands
            .sort_by(|one, other| (&one.name, one.temperature.name()).cmp(&(&other.name, other.temperature.name())));
    }

    /// Updates the rows of parts. Rows of parts that no longer exist are removed.
    fn put_parts(&mut self, rows: &[Row], order: &[&str]) {
        let earlier = std::mem::take(&mut self.parts);
        let latest = |name: &str| rows.iter().chain(&earlier).find(|row| row.name == name).cloned();
        self.parts = order.iter().filter_map(|name| latest(name)).collect();
        let not_run = order.iter().filter(|name| latest(name).is_none());
        self.not_run = not_run.map(|name| (*name).to_owned()).collect();
    }

    fn document(&self) -> String {
        let mut text = String::from(
            "# Latest results\n\n\
             Generated by `cargo xtask test --report` and `cargo xtask demo --report`; do not edit. Each line is the \
             latest run: minutes,\n\
             what it found in the cache, end of the run (UTC), commit, machine. The virtual machines' scenarios are in \
             [VM](VM.md).\n",
        );
        for (title, rows) in [("command", &self.commands), ("part of `cargo xtask test`", &self.parts)] {
            let _infallible = writeln!(text, "\n| {title} | cache | result | minutes | run |\n|---|---|---|---|---|");
            for Row { name, temperature, passed, minutes, ran } in rows {
                let result = if *passed { "passed" } else { "**failed**" };
                let _infallible =
                    writeln!(text, "| `{name}` | {} | {result} | {minutes} | {ran} |", temperature.name());
            }
        }
        for name in &self.not_run {
            let _infallible = writeln!(text, "| `{name}` | – | not run | – | |");
        }
        text
    }
}

fn change(change: impl FnOnce(&mut LatestResults)) -> Result<()> {
    let [results, document] = ["docs/tests.json", "docs/TESTS.md"].map(|name| workspace::root().join(name));
    let mut kept = LatestResults::read(&results)?;
    change(&mut kept);
    put(&results, &(serde_json::to_string_pretty(&kept)? + "\n"))?;
    put(&document, &kept.document())
}

fn put(path: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, temperature: Temperature, passed: bool, ran: &str) -> Row {
        Row { name: name.to_owned(), temperature, passed, minutes: "1.5".to_owned(), ran: ran.to_owned() }
    }

    #[test]
    fn cold_and_warm_runs_are_kept() {
        let mut kept = LatestResults::default();
        for (temperature, ran) in [(Temperature::Warm, "one"), (Temperature::Cold, "two"), (Temperature::Warm, "three")]
        {
            kept.put_command(row(DEMO, temperature, true, ran));
        }
        let expected = [row(DEMO, Temperature::Cold, true, "two"), row(DEMO, Temperature::Warm, true, "three")];
        assert_eq!(kept.commands, expected);
    }

    #[test]
    fn parts_keep_latest_run() {
        let warm = |name, passed, ran| row(name, Temperature::Warm, passed, ran);
        let mut kept = LatestResults::default();
        kept.put_parts(
            &[warm("unit", true, "one"), warm("gone", true, "one"), warm("lint", true, "one")],
            &["lint", "gone", "unit"],
        );
        kept.put_parts(&[warm("unit", false, "two")], &["lint", "unit", "new"]);
        assert_eq!(kept.parts, [warm("lint", true, "one"), warm("unit", false, "two")]);
        let text = kept.document();
        assert!(text.contains("| `lint` | warm | passed | 1.5 | one |"), "{text}");
        assert!(text.contains("| `unit` | warm | **failed** | 1.5 | two |"), "{text}");
        assert!(text.ends_with("| `new` | – | not run | – | |\n"), "{text}");
    }

    #[test]
    fn results_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tests.json");
        assert_eq!(LatestResults::read(&path).unwrap(), LatestResults::default(), "there was no run yet");
        let mut kept = LatestResults::default();
        kept.put_command(row(TEST, Temperature::Cold, false, "one"));
        put(&path, &serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(LatestResults::read(&path).unwrap(), kept);
        put(&path, "{").unwrap();
        assert!(LatestResults::read(&path).unwrap_err().to_string().starts_with("cannot understand "));
    }
}
