//! What an administrator has set in an object of a component, and no release sets: it must be there whatever is done to the site.

use anyhow::{Result, ensure};

use crate::proofs::administer;
use crate::site::Machine;

/// Sets an annotation of the database.
const SET: &str = "kubectl --namespace postgres annotate statefulset postgres example.org/owner=research";

/// Prints it.
const SHOW: &str = r"kubectl --namespace postgres get statefulset postgres --output jsonpath='{.metadata.annotations.example\.org/owner}'";

/// Edits an object of the database.
pub fn make(machine: &Machine) -> Result<()> {
    let set = administer(machine, SET)?;
    ensure!(set.status.success(), "the database cannot be edited: {}{}", set.stdout, set.stderr);
    Ok(())
}

/// Fails unless the edit is there.
pub fn expect_kept(machine: &Machine) -> Result<()> {
    let shown = administer(machine, SHOW)?;
    ensure!(shown.stdout.trim() == "research", "an edit was lost: it is {:?}{}", shown.stdout, shown.stderr);
    Ok(())
}
