//! The state before an install: properties of a stock Debian, and effects of its firewalls.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::super::engineer;
use super::super::findings::Findings;
use super::super::image::{ADDRESS, INTERFACE};
use super::super::lane::Lane;
use super::super::machine::Machine;

/// Facts of a stock Debian, with the command that checks each.
const STOCK: [(&str, &str); 6] = [
    ("control groups version 2", "[ $(stat --file-system --format %T /sys/fs/cgroup) = cgroup2fs ]"),
    ("AppArmor", "aa-enabled --quiet"),
    ("a swap file in /etc/fstab", "grep --quiet ' swap ' /etc/fstab"),
    ("no swap in use", "[ -z \"$(swapon --noheadings)\" ]"),
    ("no default route", "[ -z \"$(ip route show default)\" ]"),
    ("ufw, nftables and iptables", "command -v ufw nft iptables"),
];

/// A fault: the lines that cause and fix it, and its findings, each with a part of its fix or command.
struct Fault {
    make: &'static str,
    mend: &'static str,
    found: &'static [(&'static str, &'static str)],
}

/// Faults that need a separate kernel, clock or disk.
const FAULTS: [Fault; 6] = [
    Fault {
        make: "echo $(($(date +%s) - $(cut -d. -f1 /proc/uptime))) > /run/fault; date --set 2015-01-01",
        mend: "date --set @$(($(cat /run/fault) + $(cut -d. -f1 /proc/uptime)))",
        found: &[("clock", "timedatectl set-time"), ("hardware-clock", "hwclock --systohc")],
    },
    Fault {
        make: "fallocate --length 64M /fault && chmod 600 /fault && mkswap --quiet /fault && swapon /fault",
        mend: "swapoff /fault && rm /fault",
        found: &[("swap", "swapoff --all")],
    },
    Fault {
        make: "fallocate --length $(($(stat --file-system --format '%a*%S' /) - (1 << 30))) /ballast",
        mend: "rm /ballast",
        found: &[("disk-space", "Free space")],
    },
    Fault {
        make: "modprobe --remove br_netfilter || :; [ ! -e /proc/sys/net/bridge ] && for module in $(find \
            /lib/modules/$(uname -r) -name 'br_netfilter.ko*'); do mv $module /root; done && depmod",
        mend: "mv /root/br_netfilter.ko* /lib/modules/$(uname -r)/kernel/net/bridge/ && depmod",
        found: &[("kernel-modules", "package of the operating system")],
    },
    Fault {
        make: "sed --in-place=.before 's/^CONFIG_VETH=.*/# CONFIG_VETH is not set/' /boot/config-$(uname -r)",
        mend: "mv /boot/config-$(uname -r).before /boot/config-$(uname -r)",
        found: &[("kernel-options", "distribution's own kernel")],
    },
    Fault {
        make: "iptables --policy FORWARD DROP",
        mend: "iptables --policy FORWARD ACCEPT; nft delete table ip filter",
        found: &[("firewall", "nft insert rule ip filter FORWARD iifname cni0 accept")],
    },
];

/// Checks that each fault is found with its fix, and nothing else. Once all are fixed, nothing is found.
pub(super) fn faults(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = lane.born("preflight-faults")?;
    machine.boot()?;
    machine.mount_stick()?;
    let good: BTreeSet<String> = names(&engineer::preflight(&mut machine, lane.fingerprint())?);
    findings.saw(format!("a good machine has: {good:?}"));
    for Fault { make, mend, found } in FAULTS {
        machine.run(make)?;
        let open = engineer::preflight(&mut machine, lane.fingerprint())?;
        for (name, fix) in found {
            let is_found = open.iter().any(|(found, advice)| found == name && advice.contains(fix));
            findings.expect(is_found, || format!("`{make}`: {name} with `{fix}` is not among {open:?}"));
        }
        let expected: BTreeSet<String> = found.iter().map(|(name, _)| (*name).to_owned()).collect();
        let others: Vec<String> =
            names(&open).into_iter().filter(|name| !expected.contains(name) && !good.contains(name)).collect();
        findings.expect(others.is_empty(), || format!("`{make}`: {others:?} is also found"));
        machine.run(mend)?;
    }
    let mended = names(&engineer::preflight(&mut machine, lane.fingerprint())?);
    findings.expect(mended == good, || format!("after all faults were mended: {mended:?}"));
    findings.saw(format!("{} faults were found one by one", FAULTS.len()));
    machine.power_off()
}

fn names(findings: &[(String, String)]) -> BTreeSet<String> {
    findings.iter().map(|(name, _)| name.clone()).collect()
}

/// Checks that the machine matches the lane's description, and that a dry run finds no blocker.
pub(super) fn stock(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = lane.born("boot")?;
    let took = machine.boot()?;
    let kernel = machine.run("uname --kernel-release")?;
    findings.saw(format!("kernel {}, booted in {:.0} s", kernel.trim(), took.as_secs_f64()));
    for (what, question) in STOCK {
        let found = machine.try_run(question)?;
        findings.expect(found.is_success(), || format!("the machine does not have this: {what}: {}", found.text()));
    }
    let address = machine.run(&format!("ip -brief address show {INTERFACE}"))?;
    findings.expect(address.contains(ADDRESS), || format!("the address is another: {address}"));
    let failed = machine.failed_units()?;
    findings.expect(failed.is_empty(), || format!("units failed: {failed}"));
    machine.mount_stick()?;
    let output = engineer::dry_run(&mut machine, lane.fingerprint())?;
    findings.expect(output.is_success(), || format!("a dry run is blocked: {}", output.text()));
    machine.power_off()
}

/// Applies the state of `ufw enable` on Debian: incoming packets denied, forwarding off.
pub(super) fn ufw(lane: &Lane, findings: &mut Findings) -> Result<()> {
    blocked_by(lane, findings, "ufw", "ufw --force enable && ufw status verbose")
}

/// Applies an administrator's own rules: packets are dropped unless allowed, and nothing is forwarded.
pub(super) fn nftables(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let rules = "flush ruleset
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}";
    let enable = format!(
        "cat > /etc/nftables.conf <<'RULES'\n{rules}\nRULES\nsystemctl enable --now nftables && nft list ruleset"
    );
    blocked_by(lane, findings, "nft", &enable)
}

/// Enables a firewall. A dry run must be blocked, name the firewall's own commands, and succeed after they have run.
fn blocked_by(lane: &Lane, findings: &mut Findings, tool: &str, enable: &str) -> Result<()> {
    let mut machine = lane.born(&format!("preflight-{tool}"))?;
    machine.boot()?;
    machine.mount_stick()?;
    machine.run(enable)?;
    let Some(blockers) = blockers(&mut machine, lane)? else {
        findings.expect(false, || format!("nothing blocks an install while {tool} drops packets from pods"));
        return machine.power_off();
    };
    let commands: Vec<String> = blockers.iter().flat_map(|blocker| commands(blocker, tool)).collect();
    if findings.expect(!commands.is_empty(), || format!("no command of {tool} is named: {blockers:?}")) {
        findings.saw(format!("blocked, with advice: {}", commands.join("; ")));
        for command in &commands {
            machine.run(command).with_context(|| "a command that the blocker names")?;
        }
        let left = self::blockers(&mut machine, lane)?;
        findings.expect(left.is_none(), || format!("still blocked after the advice was followed: {left:?}"));
    }
    machine.power_off()
}

/// Returns the advice of an install's blockers; None if nothing blocks.
fn blockers(machine: &mut Machine, lane: &Lane) -> Result<Option<Vec<String>>> {
    let output = engineer::dry_run(machine, lane.fingerprint())?;
    if output.is_success() {
        return Ok(None);
    }
    let failure = engineer::failure(&output)?;
    ensure!(output.code == Some(4), "the dry run ended with {:?}: {failure}", output.code);
    let blockers = failure["blockers"].as_array().context("the failure lists no blockers")?;
    Ok(Some(blockers.iter().filter_map(|blocker| blocker["next"].as_str()).map(str::to_owned).collect()))
}

/// Returns a tool's commands in a piece of advice, which are in backquotes, without those that disable the tool.
fn commands(advice: &str, tool: &str) -> Vec<String> {
    let quoted = advice.split('`').skip(1).step_by(2);
    let is_of_tool = |command: &&str| {
        let rest = command.strip_prefix(tool).and_then(|rest| rest.strip_prefix(' '));
        rest.is_some_and(|rest| !["disable", "flush", "delete"].iter().any(|verb| rest.starts_with(verb)))
    };
    quoted.filter(is_of_tool).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_opening_firewall_advice_is_followed() {
        let advice =
            "Run `ufw route allow from 10.244.0.0/16` and `ufw allow in on cni0`; or turn it off with `ufw disable`.";
        assert_eq!(commands(advice, "ufw"), ["ufw route allow from 10.244.0.0/16", "ufw allow in on cni0"]);
        assert!(commands("Run `nft flush ruleset` or `nftables`.", "nft").is_empty());
    }
}
