//! The bulletin, a component of only the later releases that writes continuously. Whatever happens to its site, every
//! acknowledged line must still exist in the end.

use anyhow::{Context, Result, ensure};

use crate::proofs::in_pod;
use crate::site::Machine;

/// Request to its Service, which returns the number of the last line on the disk.
const ASK: &str =
    r#"python3 -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/').read().decode())""#;

/// Command that prints the number of the last line, and fails if an earlier line is missing.
const CHECK: &str = "python3 /program/server.py check";

/// Returns the number of the last acknowledged line.
pub fn last_acknowledged(machine: &Machine) -> Result<u64> {
    number(machine, ASK)
}

/// Fails unless every line up to this one exists. Returns the number of the last line.
pub fn expect_kept(machine: &Machine, acknowledged: u64) -> Result<u64> {
    let last = number(machine, CHECK)?;
    ensure!(last >= acknowledged, "the bulletin had acknowledged line {acknowledged}, and its last one is {last}");
    ensure!(last > 0, "the bulletin has no lines");
    Ok(last)
}

fn number(machine: &Machine, script: &str) -> Result<u64> {
    let said = in_pod(machine, "bulletin", "bulletin-0", script)?;
    ensure!(said.status.success(), "{script}: {}{}", said.stdout, said.stderr);
    said.stdout.trim().parse().with_context(|| format!("{script} printed {}", said.stdout))
}
