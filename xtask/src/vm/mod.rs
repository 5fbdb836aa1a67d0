//! The lane of virtual machines: a stock Debian 13 under its own kernel. It has control groups version 2, AppArmor, a
//! swap file, and the firewalls that administrators use. Test sites ([`crate::site`]) share this host's kernel and
//! cannot show kernel-dependent behavior.
//!
//! Disks branch from one another, each cached by its inputs:
//!
//! ```text
//! image ──▶ born ──▶ installed ──▶ living ──▶ one for each scenario
//! Debian    booted    Landfall      ready,
//!           once      landed        asleep
//! ```

use std::time::Duration;

use anyhow::Result;

pub mod accelerator;
pub mod agent;
pub mod bundle;
pub mod engineer;
pub mod findings;
pub mod image;
pub mod lane;
pub mod machine;
pub mod report;
pub mod scenarios;
mod sleep;
pub mod snapshot;
pub mod stick;
pub mod wire;

pub use bundle::Bundle;
pub use findings::{Findings, Outcome};
pub use lane::Lane;
pub use scenarios::{SCENARIOS, Scenario};

/// Runs the scenarios in order, within a time budget. Each starts only if its usual time is left. Scenarios that no
/// change may break ([`Scenario::always`]) run regardless of the budget. `after_each` receives the outcomes so far, so
/// that a run that is interrupted after an hour still has a result. Returns the outcome of each.
pub fn within(lane: &Lane, budget: Duration, after_each: impl Fn(&[Outcome]) -> Result<()>) -> Result<Vec<Outcome>> {
    let begun = std::time::Instant::now();
    let mut outcomes = Vec::new();
    for scenario in SCENARIOS {
        let usual = scenario.usual * lane.hardware().accelerator.slowness();
        if scenario.always || begun.elapsed() + usual <= budget {
            outcomes.push(scenario.run(lane));
            after_each(&outcomes)?;
        }
    }
    Ok(outcomes)
}
