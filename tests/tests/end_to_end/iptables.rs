//! A host with legacy iptables, in which its kubelet creates chains that only iptables' own programs can remove. An
//! uninstall removes these chains and nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::site::{Machine, wait_until};

/// Programs of each address family, without and with `-legacy` in their names.
const FAMILIES: [(&str, &str); 2] = [("iptables", "iptables-legacy"), ("ip6tables", "ip6tables-legacy")];

/// Suffixes of the programs' names.
const ENDS: [&str; 3] = ["", "-save", "-restore"];

/// Folder in which the programs that the kubelet finds are linked to the legacy ones. Debian's own are based on
/// nftables.
const LINKS: &str = "/usr/local/sbin";

/// Lock of the legacy programs, which they leave.
const LOCK: &str = "/run/xtables.lock";

/// Tables in which the kubelet creates chains.
const TABLES: [&str; 3] = ["filter", "mangle", "nat"];

/// Chains that the kubelet creates, and their tables.
const CHAINS: [(&str, &str); 5] = [
    ("filter", "KUBE-FIREWALL"),
    ("mangle", "KUBE-IPTABLES-HINT"),
    ("filter", "KUBE-KUBELET-CANARY"),
    ("mangle", "KUBE-KUBELET-CANARY"),
    ("nat", "KUBE-KUBELET-CANARY"),
];

/// Chain that the kubelet creates only for IPv4. It blocks packets to 127.0.0.0/8, for which IPv6 has no equivalent.
const OF_IPV4: &str = "KUBE-FIREWALL";

/// An administrator's settings: a rule in a chain that the kubelet also uses, and a chain whose name begins like the
/// kubelet's.
const FOREIGN: [&str; 4] = [
    "-t filter -A INPUT -p tcp --dport 4444 -j DROP",
    "-t filter -N KUBE-FIREWALL-OF-OTHERS",
    "-t filter -A OUTPUT -p tcp --dport 4445 -j KUBE-FIREWALL-OF-OTHERS",
    "-t nat -A PREROUTING -p tcp --dport 4446 -j REDIRECT --to-ports 4447",
];

/// Time limit for the kubelet to create its chains once the site is ready. It usually creates them long before.
const CHAINS_LIMIT: Duration = Duration::from_mins(1);

/// Rules of a host before the install.
pub(crate) struct Rules {
    before: String,
}

/// Makes the legacy programs the host's default, with rules of the administrator.
pub(crate) fn prepare(machine: &Machine) -> Result<Rules> {
    for (name, legacy) in FAMILIES {
        for end in ENDS {
            machine.run(&format!("ln --symbolic /usr/sbin/{legacy}{end} {LINKS}/{name}{end}"))?;
        }
        for rule in FOREIGN {
            machine.run(&format!("{legacy} {rule}"))?;
        }
    }
    let before = rules(machine)?;
    ensure!(before.matches("--dport 444").count() == 2 * 3, "the administrator's rules are missing:\n{before}");
    ensure!(!before.contains("KUBE-KUBELET"), "chains of a kubelet exist before the install:\n{before}");
    Ok(Rules { before })
}

impl Rules {
    /// Fails unless the kubelet has added its chains to the existing rules.
    pub(crate) fn expect_chains_of_the_kubelet(&self, machine: &Machine) -> Result<()> {
        let missing = || -> Result<Vec<String>> {
            let mut missing = Vec::new();
            for (name, legacy) in FAMILIES {
                for (table, chain) in CHAINS.iter().filter(|(_, chain)| name == "iptables" || *chain != OF_IPV4) {
                    let found = machine.run(&format!("{legacy}-save -t {table}"))?.stdout;
                    if !found.lines().any(|line| line.starts_with(&format!(":{chain} "))) {
                        missing.push(format!("{legacy} {table} {chain}"));
                    }
                }
            }
            Ok(missing)
        };
        let made = wait_until("the kubelet's chains in legacy iptables", CHAINS_LIMIT, || {
            Ok(missing()?.is_empty().then_some(()))
        });
        ensure!(made.is_ok(), "the kubelet has not made {:?}", missing()?);
        let now = rules(machine)?;
        ensure!(self.before != now, "the kubelet's chains are not among the rules");
        Ok(())
    }

    /// Fails unless the rules are the same as before the install. Then removes the links and the lock, which the test
    /// itself created.
    pub(crate) fn expect_unchanged(&self, machine: &Machine) -> Result<()> {
        let now = rules(machine)?;
        ensure!(self.before == now, "the uninstall left other rules.\nBefore:\n{}\nNow:\n{now}", self.before);
        for (name, _) in FAMILIES {
            for end in ENDS {
                machine.run(&format!("rm {LINKS}/{name}{end}"))?;
            }
        }
        machine.run(&format!("rm {LOCK}"))?;
        printer::note("proved: an uninstall removes the kubelet's chains of legacy iptables, and no other rule");
        Ok(())
    }
}

/// Returns all rules of both families, without counters of chains and times of the listing.
fn rules(machine: &Machine) -> Result<String> {
    let mut rules = String::new();
    for (_, legacy) in FAMILIES {
        for table in TABLES {
            let saved = machine.run(&format!("{legacy}-save -t {table}"))?.stdout;
            let lines = saved.lines().filter(|line| !line.starts_with('#'));
            let lines =
                lines.map(|line| if line.starts_with(':') { line.split(" [").next().unwrap_or(line) } else { line });
            rules.push_str(&lines.collect::<Vec<_>>().join("\n"));
            rules.push('\n');
        }
    }
    Ok(rules)
}
