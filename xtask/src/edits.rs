//! An administrator's edit of a component's object, in a field that no release sets. It must survive every operation.

use anyhow::{Result, ensure};

use crate::proofs::administer;
use crate::site::Machine;

/// Command that sets an annotation of the database.
const SET: &str = "kubectl --namespace postgres annotate statefulset postgres example.org/owner=research";

/// Command that prints the annotation.
const SHOW: &str = "kubectl --namespace postgres get statefulset postgres \
    --output jsonpath='{.metadata.annotations.example\\.org/owner}'";

/// Edits an object of the database.
pub fn make(machine: &Machine) -> Result<()> {
    let set = administer(machine, SET)?;
    ensure!(set.status.success(), "the database cannot be edited: {}{}", set.stdout, set.stderr);
    Ok(())
}

/// Fails unless the edit still exists.
pub fn expect_kept(machine: &Machine) -> Result<()> {
    let shown = administer(machine, SHOW)?;
    ensure!(shown.stdout.trim() == "research", "an edit was lost: it is {:?}{}", shown.stdout, shown.stderr);
    Ok(())
}
