//! The bulletin, which only the later releases have: a component that writes without pause. Whatever is done to its site, it must have every
//! line in the end that it has acknowledged.

use anyhow::{Context, Result, ensure};

use crate::proofs::in_pod;
use crate::site::Machine;

/// What its service answers: the number of the last line that is on the disk.
const ASK: &str =
    r#"python3 -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/').read().decode())""#;

/// Prints the number of the last line; fails where one before it is missing.
const CHECK: &str = "python3 /program/server.py check";

/// The number of the last line that it has acknowledged.
pub fn acknowledged(machine: &Machine) -> Result<u64> {
    number(machine, ASK)
}

/// Fails unless it has every line up to this one. Returns the number of its last line.
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
