//! Ordinary firewall administration on a living node. Debian's `/etc/nftables.conf` begins with `flush ruleset`, so
//! every restart of the service also removes the tables of kube-proxy and of the pods' network.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::engineer::{self, Service};
use super::super::findings::Findings;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::living;

/// How soon services answer again on a dedicated machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The maximum wait, to see whether they ever do.
const PATIENCE: Duration = Duration::from_mins(2);

/// Debian's own configuration, which accepts everything.
const RESTART: &str = "systemctl enable --quiet nftables; systemctl restart nftables";

/// The service is restarted, then all rules are flushed.
pub(super) fn restarted_and_flushed(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "firewall", findings)?;
    let services = engineer::services(&mut machine)?;
    engineer::prove_lightly(&mut machine)?;
    for (what, line) in [("nftables restarted", RESTART), ("all rules flushed", "nft flush ruleset")] {
        machine.run(line)?;
        if !answer_again(&mut machine, &services, what, findings)? {
            break;
        }
        let proved = engineer::prove_lightly(&mut machine);
        findings.expect(proved.is_ok(), || format!("{what}: services answer, but the proof fails: {proved:?}"));
    }
    machine.power_off()
}

/// Waits until all services answer. A status that says ready between two checks that both found a service silent is
/// untrue.
fn answer_again(machine: &mut Machine, services: &[Service], what: &str, findings: &mut Findings) -> Result<bool> {
    let begun = Instant::now();
    let (limit, patience) = (machine.patience(ANSWER_LIMIT), machine.patience(PATIENCE));
    let mut before = engineer::silent(machine, services)?;
    let mut untrue = 0;
    while !before.is_empty() && begun.elapsed() < patience {
        let said = engineer::status(machine).is_ok_and(|status| status["ready"] == true);
        let after = engineer::silent(machine, services)?;
        let is_silent = before.iter().any(|name| after.contains(name));
        untrue += u32::from(said && is_silent);
        before = after;
    }
    let took = begun.elapsed();
    findings
        .expect(untrue == 0, || format!("{what}: the status said ready {untrue} times while services did not answer"));
    let answers = before.is_empty();
    if answers {
        findings.saw(format!("{what}: every service answers after {:.0} s", took.as_secs_f64()));
    }
    findings.expect(answers, || {
        format!("{what}: after {:.0} s these services do not answer: {}", took.as_secs_f64(), before.join(", "))
    });
    findings.expect(!answers || took <= limit, || {
        format!("{what}: {:.0} s are more than {:.0} s", took.as_secs_f64(), limit.as_secs_f64())
    });
    Ok(answers)
}
