//! `cargo xtask vm`: tests Landfall on a stock Debian under its own kernel.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::printer;
use crate::vm::{self, Bundle, Lane, Outcome, SCENARIOS, report, scenarios};

/// Time limit of a run without `--full`, as set by CI.
const BUDGET: Duration = Duration::from_mins(10);

/// Boot stock Debian machines and test installs on them; by default, quick scenarios.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run only this scenario.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Run all scenarios, without a time limit.
    #[arg(long, conflicts_with = "only")]
    full: bool,
    /// Write the result to docs/VM.md.
    #[arg(long)]
    report: bool,
    /// Print the scenarios and run none.
    #[arg(long)]
    list: bool,
    /// Folder with a bundle and the `landfall` next to it, used instead of the starter release.
    #[arg(long, value_name = "FOLDER", requires = "root")]
    bundle: Option<PathBuf>,
    /// Root document of that bundle's vendor.
    #[arg(long, value_name = "FILE", requires = "bundle")]
    root: Option<PathBuf>,
}

/// Runs the command. The exit code is 0 if every scenario that ran passed, 1 otherwise.
pub fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.list {
        for scenario in SCENARIOS {
            printer::data(format!("{:<20} {}", scenario.name, scenario.what));
        }
        return Ok(0);
    }
    let only = arguments.only.as_deref().map(scenarios::find).transpose()?;
    let lane = Lane::open(|| match (&arguments.bundle, &arguments.root) {
        (Some(folder), Some(root)) => Bundle::from_folder(folder, root),
        _ => Bundle::starter(),
    })?;
    let report = |outcomes: &[Outcome]| if arguments.report { report::write(&lane, outcomes) } else { Ok(()) };
    let outcomes = match only {
        Some(scenario) => {
            let outcomes = vec![scenario.run(&lane)];
            report(&outcomes)?;
            outcomes
        }
        None => vm::within(&lane, if arguments.full { Duration::MAX } else { BUDGET }, report)?,
    };
    if arguments.report {
        printer::note(format!("the result is in {}", report::path().display()));
    }
    Ok(summary(&outcomes))
}

fn summary(outcomes: &[Outcome]) -> u8 {
    for outcome in outcomes {
        let result = if outcome.has_passed() { "passed" } else { "FAILED" };
        printer::note(format!("{:<20} {:>6} min  {result}", outcome.name, outcome.minutes()));
        for unmet in &outcome.unmet {
            printer::note(format!("  {unmet}"));
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.has_passed()).count();
    printer::data(format!("scenarios: {} passed, {failed} failed", outcomes.len() - failed));
    u8::from(failed > 0)
}
