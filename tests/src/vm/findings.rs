//! A scenario's observations, and the expectations that were not met. A machine is expensive: a scenario continues
//! after an expectation that was not met, as long as the rest makes sense.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::lane::Lane;
use super::scenarios::Scenario;
use crate::printer;

/// Collects observations while a scenario runs.
#[derive(Debug, Default)]
pub struct Findings {
    seen: Vec<String>,
    unmet: Vec<String>,
}

impl Findings {
    /// Notes an observation.
    pub fn saw(&mut self, what: impl Into<String>) {
        let what = what.into();
        printer::note(format!("  {what}"));
        self.seen.push(what);
    }

    /// Notes an expectation that was not met. Returns whether it was.
    pub fn expect(&mut self, is_met: bool, otherwise: impl FnOnce() -> String) -> bool {
        if !is_met {
            let unmet = otherwise();
            printer::note(format!("  NOT MET: {unmet}"));
            self.unmet.push(unmet);
        }
        is_met
    }
}

/// The outcome of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Its observations.
    pub seen: Vec<String>,
    /// Expectations that were not met, and the error that ended it, if one did.
    pub unmet: Vec<String>,
}

impl Outcome {
    /// True when every expectation was met.
    pub fn has_passed(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Minutes, with one digit.
    pub fn minutes(&self) -> String {
        format!("{:.1}", self.took.as_secs_f64() / 60.0)
    }
}

impl Scenario {
    /// Runs it.
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
