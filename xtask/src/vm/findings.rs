//! A scenario's observations, and its unmet expectations. A machine is expensive, so a scenario continues after an
//! unmet expectation as long as the rest makes sense.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::lane::Lane;
use super::scenarios::Scenario;
use crate::printer;

/// Collector of observations during a scenario.
#[derive(Debug, Default)]
pub struct Findings {
    seen: Vec<String>,
    unmet: Vec<String>,
}

impl Findings {
    /// Records an observation.
    pub fn saw(&mut self, what: impl Into<String>) {
        let what = what.into();
        printer::note(format!("  {what}"));
        self.seen.push(what);
    }

    /// Records an expectation if it was not met. Returns true if it was met.
    pub fn expect(&mut self, is_met: bool, otherwise: impl FnOnce() -> String) -> bool {
        if !is_met {
            let unmet = otherwise();
            printer::note(format!("  NOT MET: {unmet}"));
            self.unmet.push(unmet);
        }
        is_met
    }
}

/// Outcome of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Name of the scenario.
    pub name: &'static str,
    /// Duration of the scenario.
    pub took: Duration,
    /// Its observations.
    pub seen: Vec<String>,
    /// Unmet expectations, and the error that ended it, if any.
    pub unmet: Vec<String>,
}

impl Outcome {
    /// Returns true if every expectation was met.
    pub fn has_passed(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Returns its duration in minutes, with one decimal.
    pub fn minutes(&self) -> String {
        format!("{:.1}", self.took.as_secs_f64() / 60.0)
    }
}

impl Scenario {
    /// Runs the scenario.
    pub fn run(&self, lane: &Lane) -> Outcome {
        printer::note(format!("== {}: {} ==", self.name, self.what));
        let begun = Instant::now();
        let mut findings = Findings::default();
        let ended: Result<()> = (self.act)(lane, &mut findings);
        if let Err(error) = ended {
            printer::failure(&error);
            findings.unmet.push(format!("{error:#}"));
        }
        let Findings { seen, unmet } = findings;
        Outcome { name: self.name, took: begun.elapsed(), seen, unmet }
    }
}
