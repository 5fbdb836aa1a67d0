//! Ordinary firewall administration on a running node. Debian's `/etc/nftables.conf` begins with `flush ruleset`, so
//! every restart of the service also removes the tables of kube-proxy and of the pod network.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::agent::GuestProcess;
use super::super::engineer::{self, STATUS, Service};
use super::super::findings::Findings;
use super::super::lane::Lane;
use super::super::machine::Machine;
use super::living;

/// Time limit for services to answer again, on a dedicated machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Maximum time to wait in order to see whether they ever answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// Commands that apply Debian's own configuration, which accepts everything.
const RESTART: &str = "systemctl enable --quiet nftables; systemctl restart nftables";

/// Restarts the service, then flushes all rules.
pub(super) fn restarted_and_flushed(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "firewall", findings)?;
    let services = engineer::services(&mut machine)?;
    engineer::prove_lightly(&mut machine)?;
    for (what, line) in [("nftables restarted", RESTART), ("all rules flushed", "nft flush ruleset")] {
        let known = lost_tables(&mut machine)?.len();
        machine.run(line)?;
        if !answer_again(&mut machine, &services, what, findings)? {
            break;
        }
        let logged = lost_tables(&mut machine)?.split_off(known);
        findings.saw(format!("{what}: the agent logged {}", logged.join("; ")));
        let proved = engineer::prove_lightly(&mut machine);
        findings.expect(proved.is_ok(), || format!("{what}: services answer, but the proof fails: {proved:?}"));
    }
    machine.power_off()
}

/// Returns the agent's log lines about lost packet filter tables, each with its time. They name the program that it
/// restarts in its pod, or the pod that it replaces.
fn lost_tables(machine: &mut Machine) -> Result<Vec<String>> {
    let line = "journalctl --unit landfall-agent --boot --output short-precise --no-pager | grep 'the packet filter \
        lost a table' || true";
    let shown = |line: &str| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
    Ok(machine.run(line)?.lines().map(shown).collect())
}

/// Waits until all services answer, and polls the status in parallel, because an emulated machine takes many seconds to
/// compute it. A status that says ready is false if the checks before and after it found the same service silent.
fn answer_again(machine: &mut Machine, services: &[Service], what: &str, findings: &mut Findings) -> Result<bool> {
    let begun = Instant::now();
    let (limit, patience) = (machine.patience(ANSWER_LIMIT), machine.patience(PATIENCE));
    let mut asked: Option<PendingStatus> = None;
    let mut untrue = 0;
    let (took, silent) = loop {
        let said = asked.as_ref().map(|asked| machine.try_wait(asked.running)).transpose()?.flatten();
        // Each check starts with new connections: a packet lost before the rules were restored is not sent again.
        let looked = begun.elapsed();
        let silent = engineer::silent(machine, services)?;
        if let Some(said) = said {
            let is_ready = engineer::status_of(&said).is_ok_and(|status| status["ready"] == true);
            let was_silent = asked.take().map(|asked| asked.silent).unwrap_or_default();
            untrue += u32::from(is_ready && was_silent.iter().any(|name| silent.contains(name)));
        }
        if silent.is_empty() || looked > patience {
            break (looked, silent);
        }
        if asked.is_none() {
            asked = Some(PendingStatus { running: machine.start_line(STATUS)?, silent });
        }
    };
    findings
        .expect(untrue == 0, || format!("{what}: the status said ready {untrue} times while services did not answer"));
    let answers = silent.is_empty();
    if answers {
        let (took, limit) = (took.as_secs_f64(), limit.as_secs_f64());
        findings.saw(format!("{what}: every service answers after {took:.0} s, limit {limit:.0} s"));
    }
    findings.expect(answers, || {
        format!("{what}: after {:.0} s these services do not answer: {}", took.as_secs_f64(), silent.join(", "))
    });
    findings.expect(!answers || took <= limit, || {
        format!("{what}: {:.0} s are more than {:.0} s", took.as_secs_f64(), limit.as_secs_f64())
    });
    Ok(answers)
}

/// A pending status.
struct PendingStatus {
    running: GuestProcess,
    /// Services that did not answer before it was requested.
    silent: Vec<String>,
}
