//! The part "recent": tests that have not yet shown on a machine of CI's kind that they pass there in its time. Each moves to its part
//! once it has.

use anyhow::Result;

use super::{pages, run_end_to_end, turn_on_this_host};
use crate::workspace::{self, cargo};

/// Test programs, each with what the names of these tests contain.
const RECENT: [(&str, &[&str]); 3] = [
    ("end_to_end", &["cheap_faults", "an_instant_of_each_kind", "three_instants_of_the_way_back"]),
    ("pages", &["directory::"]),
    ("vendor", &["models::", "init::"]),
];

/// A test program all of whose tests are recent, and of which root is needed.
const UNREADABLE: [&str; 7] = ["test", "--quiet", "--workspace", "--test", "unreadable", "--", "--include-ignored"];

/// The arguments with which a test program leaves its recent tests out.
pub(super) fn left_out_of(test: &str) -> Vec<&'static str> {
    RECENT.iter().filter(|(known, _)| *known == test).flat_map(|(_, names)| skipping(names)).collect()
}

/// The arguments with which a test program leaves these tests out.
pub(super) fn skipping(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().flat_map(|name| ["--skip", name]).collect()
}

/// Runs them.
pub(super) fn run() -> Result<()> {
    let _turn = turn_on_this_host()?;
    pages::ensure()?;
    workspace::run(cargo().args(UNREADABLE))?;
    for (test, names) in RECENT {
        run_end_to_end(test, &[&["--test-threads", "1"], names].concat())?;
    }
    Ok(())
}
