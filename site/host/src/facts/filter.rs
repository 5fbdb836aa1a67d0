//! Chains of the host's packet filter that drop what no rule accepts. Any one of them cuts off pods, whatever the other
//! chains accept. Without this check, that would appear only once everything is staged and the cluster's nameserver
//! does not become ready.

use landfall_error_codes::codes;

use super::host::read;
use super::{ClosedChain, ClosedHook, Filter};
use crate::command::{CommandRunner, HostCommand, Subprocesses};
use crate::netlink::{self, Chain, Hook, Outcome};
use crate::paths::SitePaths;
use landfall_engine::step::StepError;

/// ufw's own tables go by the names of iptables.
const IPTABLES_TABLE: &str = "filter";
/// firewalld decides by zones, which its own facts describe.
const FIREWALLD_TABLE: &str = "firewalld";
/// `NFPROTO_IPV6`: packets of a protocol that the cluster does not use.
const FAMILY_6: u8 = 10;

/// What the host's packet filter does to packets that no rule accepts.
pub(super) struct Rules {
    /// The chains that drop them.
    pub(super) closed: Vec<ClosedChain>,
    /// Whether legacy iptables has rules that cannot be read.
    pub(super) legacy_unread: bool,
}

/// Chains for packets to this host or through it that drop what no rule accepts, as far as they can be read.
pub fn closed_chains(paths: &SitePaths) -> Result<Vec<ClosedChain>, StepError> {
    Ok(rules(paths)?.closed)
}

/// The rules of nftables and iptables as they are now, and those of ufw by its files, which every boot loads.
pub(super) fn rules(paths: &SitePaths) -> Result<Rules, StepError> {
    let ufw = ufw(paths);
    let is_ufw = |chain: &Chain| !ufw.is_empty() && chain.table == IPTABLES_TABLE;
    let failed = |error: std::io::Error| {
        StepError::new(codes::NODE_NETWORK, "cannot read the host's packet filter").because(error)
    };
    let mut chains = netlink::chains().map_err(failed)?;
    let is_other = |chain: &Chain| chain.family == FAMILY_6 || chain.table == FIREWALLD_TABLE || is_ufw(chain);
    chains.retain(|chain| hook(chain).is_some() && !is_other(chain));
    let mut closed = Vec::new();
    // Without one there are no rules to read.
    if !chains.is_empty() {
        let outcomes = netlink::outcomes(&chains).map_err(failed)?;
        let dropping = chains.iter().zip(outcomes).filter(|(_, outcome)| outcome.drops_rest);
        closed.extend(dropping.filter_map(|(chain, outcome)| {
            let family = if chain.family == 2 { "ip" } else { "inet" };
            let name = format!("{family} {} {}", chain.table, chain.name);
            let Outcome { accepts, accepts_to, .. } = outcome;
            let accepts_to = Some(accepts_to);
            Some(ClosedChain { filter: Filter::Nftables, name, hook: hook(chain)?, accepts, accepts_to })
        }));
    }
    let legacy = if ufw.is_empty() { legacy(paths, &Subprocesses) } else { Some(Vec::new()) };
    let legacy_unread = legacy.is_none();
    closed.extend(legacy.into_iter().flatten());
    closed.extend(ufw);
    Ok(Rules { closed, legacy_unread })
}

/// Names of all tables and chains, as far as they can be read: the kernel shows them to root alone.
pub(super) fn names() -> Vec<String> {
    let tables = netlink::tables().into_iter().flatten().map(|table| table.name);
    tables.chain(netlink::chains().into_iter().flatten().map(|chain| chain.name)).collect()
}

fn hook(chain: &Chain) -> Option<ClosedHook> {
    match chain.hook?.0 {
        Hook::Input => Some(ClosedHook::Input),
        Hook::Forward => Some(ClosedHook::Forward),
        Hook::Other => None,
    }
}

/// The chains of legacy iptables, which only its own program can read; none where that one is missing or fails.
fn legacy(paths: &SitePaths, commands: &dyn CommandRunner) -> Option<Vec<ClosedChain>> {
    if !read(&paths.host("/proc/net/ip_tables_names")).lines().any(|table| table == IPTABLES_TABLE) {
        return Some(Vec::new());
    }
    let save = HostCommand::new("iptables-legacy-save").arguments(["-t", IPTABLES_TABLE]);
    let output = commands.run(&save, None).ok().filter(|output| output.success)?;
    Some(saved(&String::from_utf8_lossy(&output.stdout)))
}

/// Closed chains in the output of `iptables-save`.
fn saved(text: &str) -> Vec<ClosedChain> {
    let closed = |(name, hook): (&str, ClosedHook)| {
        let by_policy = text.lines().any(|line| line.starts_with(&format!(":{name} DROP")));
        let is_closed = by_policy || text.lines().any(|line| drops_rest(line, name));
        is_closed.then(|| ClosedChain {
            filter: Filter::Iptables,
            name: name.to_owned(),
            hook,
            accepts: accepted(text, name, FROM),
            accepts_to: Some(accepted(text, name, TO)),
        })
    };
    [("INPUT", ClosedHook::Input), ("FORWARD", ClosedHook::Forward)].into_iter().filter_map(closed).collect()
}

/// How `iptables-save` names interfaces and ranges that packets come from, and those that they go to.
const FROM: [&str; 2] = ["-i", "-s"];
const TO: [&str; 2] = ["-o", "-d"];

/// From or to which interfaces and ranges the rules of a chain accept everything, in the words of `iptables-save`.
fn accepted(text: &str, chain: &str, way: [&str; 2]) -> Vec<String> {
    let accepts = text.lines().take_while(|line| !drops_rest(line, chain)).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["-A", name, "-j", "ACCEPT"] if *name == chain && way == FROM => Some("*".to_owned()),
            ["-A", name, at, named, "-j", "ACCEPT"] if *name == chain && way.contains(at) => {
                Some(named.replace('+', "*"))
            }
            _ => None,
        }
    });
    accepts.collect()
}

/// Whether a rule in the words of `iptables-save` drops or rejects every packet that reaches it.
fn drops_rest(line: &str, chain: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_here = words.next() == Some("-A") && words.next() == Some(chain) && words.next() == Some("-j");
    is_here && matches!(words.next(), Some("DROP" | "REJECT"))
}

/// ufw's chains, if it is on and drops or rejects what its rules do not name.
fn ufw(paths: &SitePaths) -> Vec<ClosedChain> {
    let setting = |text: &str, name: &str| {
        let mut lines = text.lines().rev();
        lines
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_lowercase())
    };
    if setting(&read(&paths.host("/etc/ufw/ufw.conf")), "ENABLED").as_deref() != Some("yes") {
        return Vec::new();
    }
    let policies = read(&paths.host("/etc/default/ufw"));
    let rules = read(&paths.host("/etc/ufw/user.rules"));
    let closed = |(policy, name, hook): (&str, &str, ClosedHook)| {
        // ufw's own default for a missing setting.
        let is_closed = setting(&policies, policy).as_deref() != Some("accept");
        let (mut accepts, accepts_to) = (accepted(&rules, name, FROM), Some(accepted(&rules, name, TO)));
        if hook == ClosedHook::Input {
            // By the rules that it ships.
            accepts.insert(0, "lo".to_owned());
        }
        is_closed.then(|| ClosedChain { filter: Filter::Ufw, name: name.to_owned(), hook, accepts, accepts_to })
    };
    [
        ("DEFAULT_INPUT_POLICY", "ufw-user-input", ClosedHook::Input),
        ("DEFAULT_FORWARD_POLICY", "ufw-user-forward", ClosedHook::Forward),
    ]
    .into_iter()
    .filter_map(closed)
    .collect()
}

/// Whether the host's own firewall deletes all tables of the packet filter whenever it starts.
pub(super) fn flushes_ruleset(paths: &SitePaths) -> bool {
    let wants = ["sysinit.target.wants", "multi-user.target.wants"];
    let link = |folder: &str| paths.host("/etc/systemd/system").join(folder).join("nftables.service");
    let is_enabled = wants.iter().any(|folder| link(folder).symlink_metadata().is_ok());
    // Debian and Red Hat keep the file in different places.
    let files = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"];
    is_enabled && files.iter().any(|file| read(&paths.host(file)).lines().any(|line| line.trim() == "flush ruleset"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{CommandOutput, Input};
    use crate::facts::sample::host;

    const UFW: [(&str, &str); 3] = [
        ("/etc/ufw/ufw.conf", "# ENABLED=no\nENABLED=yes\nLOGLEVEL=low\n"),
        (
            "/etc/default/ufw",
            "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\nDEFAULT_FORWARD_POLICY=\"DROP\"\n",
        ),
        (
            "/etc/ufw/user.rules",
            "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n\
             ### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_cni0\n-A ufw-user-input -i cni0 -j ACCEPT\n\
             -A ufw-user-input -p tcp --dport 22 -j ACCEPT\n-A ufw-user-forward -s 10.244.0.0/16 -j ACCEPT\n\
             -A ufw-user-forward -o cni0 -j ACCEPT\n",
        ),
    ];

    #[test]
    fn ufw_counts_while_it_is_on() {
        let (_folder, paths) = host(&UFW);
        let found = ufw(&paths);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].hook, &found[0].accepts[..]), (ClosedHook::Input, &["lo", "cni0"].map(str::to_owned)[..]));
        assert_eq!((found[1].hook, &found[1].accepts[..]), (ClosedHook::Forward, &["10.244.0.0/16".to_owned()][..]));
        assert_eq!(found[1].accepts_to, Some(vec!["cni0".to_owned()]));

        let (_folder, paths) = host(&[("/etc/ufw/ufw.conf", "ENABLED=no\n"), UFW[1]]);
        assert_eq!(ufw(&paths), []);
        let open = UFW[1].1.replace("FORWARD_POLICY=\"DROP\"", "FORWARD_POLICY=\"ACCEPT\"");
        let (_folder, paths) = host(&[UFW[0], (UFW[1].0, &open)]);
        assert!(ufw(&paths).iter().all(|chain| chain.hook == ClosedHook::Input));
    }

    /// `iptables-legacy-save`, which is missing, fails or prints.
    struct Save(Option<(bool, &'static str)>);

    impl CommandRunner for Save {
        fn run(&self, _command: &HostCommand, _input: Option<Input<'_>>) -> std::io::Result<CommandOutput> {
            let (success, text) = self.0.ok_or(std::io::ErrorKind::NotFound)?;
            Ok(CommandOutput { success, stdout: text.into(), stderr: Vec::new() })
        }
    }

    #[test]
    fn rules_that_cannot_be_read_are_not_taken_for_none() {
        let (_folder, paths) = host(&[("/proc/net/ip_tables_names", "nat\nfilter\n")]);
        assert!(legacy(&paths, &Save(None)).is_none() && legacy(&paths, &Save(Some((false, "")))).is_none());
        let closed = legacy(&paths, &Save(Some((true, "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n")))).unwrap();
        assert_eq!(closed[0].name, "FORWARD");
        for names in ["nat\n", ""] {
            let (_folder, paths) = host(&[("/proc/net/ip_tables_names", names)]);
            assert_eq!(legacy(&paths, &Save(None)), Some(Vec::new()), "{names:?}");
        }
    }

    #[test]
    fn the_output_of_iptables_save_is_read() {
        let text = "*filter\n:INPUT ACCEPT [5:400]\n:FORWARD DROP [0:0]\n-A FORWARD -i cni+ -j ACCEPT\n\
                    -A FORWARD -d 10.244.0.0/16 -j ACCEPT\n-A FORWARD -i eth0 -p tcp -j ACCEPT\n-A INPUT -i eth1 -j ACCEPT\n-A FORWARD -i eth2 -j DROP\nCOMMIT\n";
        let expected = ClosedChain {
            filter: Filter::Iptables,
            name: "FORWARD".to_owned(),
            hook: ClosedHook::Forward,
            accepts: vec!["cni*".to_owned()],
            accepts_to: Some(vec!["10.244.0.0/16".to_owned()]),
        };
        assert_eq!(saved(text), std::slice::from_ref(&expected));
        // A last rule closes a chain as a policy does; no packet reaches the rules after it.
        let text = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i cni+ -j ACCEPT\n\
                    -A FORWARD -d 10.244.0.0/16 -j ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";
        assert_eq!(saved(text), [expected]);
    }

    #[test]
    fn a_firewall_that_flushes_counts_when_it_starts_at_boot() {
        let enabled = ("/etc/systemd/system/sysinit.target.wants/nftables.service", "");
        let flushes = ("/etc/nftables.conf", "#!/usr/sbin/nft -f\n\nflush ruleset\ntable inet filter {}\n");
        for (files, expected) in [
            (vec![enabled, flushes], true),
            (vec![flushes], false),
            (vec![enabled], false),
            (vec![enabled, ("/etc/nftables.conf", "# flush ruleset\n")], false),
        ] {
            let (_folder, paths) = host(&files);
            assert_eq!(flushes_ruleset(&paths), expected, "{files:?}");
        }
    }
}
