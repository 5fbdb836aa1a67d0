//! `cargo xtask test`: everything that CI runs, in parts, with the minutes of each part.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use landfall_launcher::command::is_asked_for;

use self::beside::BackgroundParts;
use self::headroom::Headroom;
use self::parts::{BUILD, PARTS, Part, Place, Runs};
use self::turn::Turn;
use crate::printer;
use crate::results::{self, Outcome, Run, Temperature, minutes};

mod bench;
mod beside;
mod compiled;
mod demo;
mod figures;
mod headroom;
mod invocation;
mod lint;
mod newcomer;
mod pages;
mod parts;
mod release;
mod site_figures;
mod sites;
mod stamped;
mod turn;
mod unit;

/// Run everything that CI runs: parts that always run, and those of the commit's turn.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run only the part with this name or, if there is none, the parts whose names contain it.
    #[arg(long)]
    only: Option<String>,
    /// Also run the parts that take too long for CI or need a larger machine than CI has.
    #[arg(long)]
    full: bool,
    /// Continue after a part has failed, and report all of them.
    #[arg(long)]
    keep_going: bool,
    /// Write the results to docs/TESTS.md.
    #[arg(long)]
    report: bool,
}

/// The result of a part.
struct Row {
    name: &'static str,
    started: Instant,
    elapsed: Duration,
    /// Its last output, if it failed. The output of other parts may have followed it.
    failure: Option<String>,
}

impl Row {
    fn outcome(&self) -> Outcome {
        Outcome { name: self.name, minutes: minutes(self.elapsed), has_passed: !self.has_failed() }
    }

    fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

impl Arguments {
    /// Returns true if a part runs in this turn, or on a machine without a turn. A part that is named always runs.
    fn asks_for(&self, part: &Part, turn: Option<Turn>) -> bool {
        match (&self.only, part.runs) {
            (Some(only), _) => is_asked_for(only, part.name),
            (None, Runs::Always) => true,
            (None, Runs::ExceptInTurns(turns)) => self.full || !turn.is_some_and(|turn| turn.is_among(turns)),
            (None, Runs::InTurns(turns)) => self.full || turn.is_some_and(|turn| turn.is_among(turns)),
            (None, Runs::WhenFull) => self.full,
        }
    }

    /// Saves the results of the parts, and the total if the run was exactly what CI runs.
    fn keep(&self, run: &Run, rows: &[Row]) -> Result<()> {
        let outcomes: Vec<Outcome> = rows.iter().map(Row::outcome).collect();
        if outcomes.iter().any(|outcome| outcome.name == pages::NAME && outcome.has_passed) {
            pages::keep_pictures()?;
        }
        run.keep_parts(&outcomes, &PARTS.iter().map(|part| part.name).collect::<Vec<_>>())?;
        if self.only.is_some() || self.full {
            return Ok(());
        }
        let has_passed = outcomes.iter().all(|outcome| outcome.has_passed);
        run.keep_command(&Outcome { name: results::TEST, minutes: minutes(results::elapsed()?), has_passed })
    }
}

/// Runs the command. The exit code is 0 if every part passed, 1 otherwise.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let run = Run::begin()?;
    let temperature = run.temperature().name();
    printer::note(format!("the cache is {temperature}"));
    // A cold machine needs the time of a turn to fill its cache.
    let turn = (run.temperature() == Temperature::Warm).then(Turn::of_this_commit);
    let parts: Vec<&Part> = PARTS.iter().filter(|part| arguments.asks_for(part, turn)).collect();
    announce(arguments, &parts, turn);
    let headroom = Headroom::watch()?;
    let rows = run_parts(&parts, arguments.keep_going);
    for row in &rows {
        let outcome = if row.has_failed() { "FAILED" } else { "passed" };
        let free = headroom.least_between(row.started, row.started + row.elapsed);
        printer::note(format!("{:<14} {:>6} min  {outcome}  {free}", row.name, minutes(row.elapsed)));
    }
    printer::note(format!("{:<14} {:>6} min  started {temperature}", "all", minutes(results::elapsed()?)));
    if arguments.report {
        arguments.keep(&run, &rows)?;
    }
    for row in &rows {
        if let Some(failure) = &row.failure {
            printer::note(format!("{} failed, and said last:\n{failure}", row.name));
        }
    }
    let failed = rows.iter().filter(|row| row.has_failed()).count();
    printer::data(format!("parts: {} passed, {failed} failed", rows.len() - failed));
    Ok(u8::from(failed > 0))
}

/// Prints the parts that wait for another turn.
fn announce(arguments: &Arguments, chosen: &[&Part], turn: Option<Turn>) {
    if arguments.only.is_some() {
        return;
    }
    let is_left = |part: &&Part| {
        matches!(part.runs, Runs::InTurns(_) | Runs::ExceptInTurns(_)) && chosen.iter().all(|one| one.name != part.name)
    };
    let left: Vec<&str> = PARTS.iter().filter(is_left).map(|part| part.name).collect();
    if left.is_empty() {
        return;
    }
    let left = left.join(", ");
    printer::note(match turn {
        Some(turn) => format!("turn {turn}, by the commit's hash; of another turn: {left}"),
        None => format!("no turn while the cache is cold; waiting for one: {left}"),
    });
}

/// Runs the parts. Some run in the background if there are others. A failure ends all parts, unless `keep_going` is
/// set.
fn run_parts(parts: &[&'static Part], keep_going: bool) -> Vec<Row> {
    let (mut waiting, in_turn): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.place == Place::Beside);
    if in_turn.is_empty() {
        return waiting.into_iter().map(run_part).collect();
    }
    let is_stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut rows = Vec::new();
        let mut running: Option<BackgroundParts<'_>> = None;
        let mut is_built = in_turn.iter().all(|part| part.name != BUILD);
        for part in in_turn {
            if is_built && !waiting.is_empty() {
                let parts = std::mem::take(&mut waiting);
                running = Some(BackgroundParts::start(scope, parts, keep_going, &is_stopped));
            }
            let row = run_part(part);
            let continues = !row.has_failed() || keep_going;
            rows.push(row);
            if !continues {
                running.iter().for_each(BackgroundParts::stop);
                break;
            }
            is_built |= part.name == BUILD;
        }
        rows.extend(running.map(BackgroundParts::join).unwrap_or_default());
        // No part followed the build, so they were not started in the background.
        if keep_going || rows.iter().all(|row| !row.has_failed()) {
            rows.extend(waiting.into_iter().map(run_part));
        }
        rows
    })
}

fn run_part(part: &Part) -> Row {
    printer::note(format!("== {} ==", part.name));
    let started = Instant::now();
    let outcome = (part.run)();
    if let Err(error) = &outcome {
        printer::failure(error);
    }
    let failure = outcome.err().map(|error| format!("{error:#}"));
    Row { name: part.name, started, elapsed: started.elapsed(), failure }
}

#[cfg(test)]
mod tests {
    use landfall_launcher::command::{PARTS_WHEN_FULL, TEST_PARTS};

    use super::parts::when_full;
    use super::*;

    #[test]
    fn launcher_knows_all_parts() {
        for part in PARTS {
            assert!(
                TEST_PARTS.iter().any(|(name, _)| *name == part.name),
                "{} is not in launcher/src/command.rs",
                part.name
            );
        }
        let when_full: Vec<&str> =
            PARTS.iter().filter(|part| part.runs == Runs::WhenFull).map(|part| part.name).collect();
        assert_eq!(when_full, PARTS_WHEN_FULL);
    }

    #[test]
    fn full_part_runs_only_when_named() {
        let part = when_full("slow", || Ok(()));
        let asks = |only: Option<&str>, full| {
            let arguments = Arguments { only: only.map(str::to_owned), full, keep_going: false, report: false };
            arguments.asks_for(&part, Some(Turn::of_this_commit()))
        };
        assert_eq!([asks(None, false), asks(None, true), asks(Some("slow"), false)], [false, true, true]);
    }

    #[test]
    fn cold_machine_has_no_turn() {
        let part = parts::background_part("heavy", || Ok(())).in_turns(&[0, 1, 2, 3, 4]);
        let asks = |only: Option<&str>, full, turn| {
            let arguments = Arguments { only: only.map(str::to_owned), full, keep_going: false, report: false };
            arguments.asks_for(&part, turn)
        };
        assert!(asks(None, false, Some(Turn::of_this_commit())));
        assert_eq!(
            [asks(None, false, None), asks(None, true, None), asks(Some("heavy"), false, None)],
            [false, true, true]
        );
    }

    #[test]
    fn excepted_turn_leaves_part_out() {
        let turn = Turn::of_this_commit();
        let asks = |part: Part, full, turn| {
            let arguments = Arguments { only: None, full, keep_going: false, report: false };
            arguments.asks_for(&part, turn)
        };
        let never = || parts::background_part("light", || Ok(())).except_in_turns(&[0, 1, 2, 3, 4]);
        assert_eq!(
            [asks(never(), false, Some(turn)), asks(never(), true, Some(turn)), asks(never(), false, None)],
            [false, true, true]
        );
        let always = parts::background_part("light", || Ok(())).except_in_turns(&[]);
        assert!(asks(always, false, Some(turn)));
    }

    #[test]
    fn exact_part_name_wins() {
        let names = |only: &str| -> Vec<&str> {
            let only = Some(only.to_owned());
            let arguments = Arguments { only, full: false, keep_going: false, report: false };
            let turn = Some(Turn::of_this_commit());
            PARTS.iter().filter(|part| arguments.asks_for(part, turn)).map(|part| part.name).collect()
        };
        assert_eq!(names("site"), ["site"]);
        assert_eq!(names("figures"), ["figures"]);
        assert_eq!(names("figure"), ["figures", "site-figures"]);
        assert_eq!(names("demo"), ["demo"]);
        assert!(names("appliance").is_empty());
    }
}
