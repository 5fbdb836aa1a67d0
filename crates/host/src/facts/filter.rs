//! Chains of the host's packet filter that drop packets matched by no rule. Any such chain cuts off pods, whatever the
//! other chains accept. Without this check, the problem would appear only after staging, when the cluster's nameserver
//! does not become ready.

use landfall_error_codes::codes;

use super::host::read;
use super::{ClosedChain, ClosedHook, Filter};
use crate::command::{CommandRunner, HostCommand, Subprocesses};
use crate::netlink::{self, Chain, Hook, Outcome, Way};
use crate::paths::SitePaths;
use landfall_engine::step::StepError;

/// Table name of iptables, which ufw's own tables also use.
const IPTABLES_TABLE: &str = "filter";
/// Table of firewalld, which decides by zones; its own facts describe them.
const FIREWALLD_TABLE: &str = "firewalld";
/// `NFPROTO_IPV6`: packets of a protocol that the cluster does not use.
const FAMILY_6: u8 = 10;

/// Treatment, by the host's packet filter, of packets that no rule accepts.
pub(super) struct Rules {
    /// Chains that drop them.
    pub(super) closed: Vec<ClosedChain>,
    /// True if legacy iptables has rules that cannot be read.
    pub(super) legacy_unread: bool,
}

/// Returns chains for packets to or through this host that drop packets matched by no rule, as far as they can be read.
pub fn closed_chains(paths: &SitePaths) -> Result<Vec<ClosedChain>, StepError> {
    Ok(rules(paths)?.closed)
}

/// Reads the current rules of nftables and iptables, and those of ufw from its files, which every boot loads.
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
    // Without a chain there are no rules to read.
    if !chains.is_empty() {
        let outcomes = netlink::outcomes(&chains).map_err(failed)?;
        closed.extend(chains.iter().zip(outcomes).filter_map(|(chain, outcome)| {
            let family = if chain.family == 2 { "ip" } else { "inet" };
            let name = format!("{family} {} {}", chain.table, chain.name);
            closed_by(outcome, Filter::Nftables, name, hook(chain)?)
        }));
    }
    let legacy = if ufw.is_empty() { legacy(paths, &Subprocesses) } else { Some(Vec::new()) };
    let legacy_unread = legacy.is_none();
    closed.extend(legacy.into_iter().flatten());
    closed.extend(ufw);
    Ok(Rules { closed, legacy_unread })
}

/// Returns the fact about a chain; `None` if it is not known to drop anything.
fn closed_by(outcome: Outcome, filter: Filter, name: String, hook: ClosedHook) -> Option<ClosedChain> {
    let Outcome { accepts, accepts_to, drops, drops_to, drops_rest } = outcome;
    let accepted = |accepted: Vec<String>| if drops_rest { accepted } else { vec!["*".to_owned()] };
    let is_closed = drops_rest || !drops.is_empty() || !drops_to.is_empty();
    let (accepts, accepts_to) = (accepted(accepts), Some(accepted(accepts_to)));
    is_closed.then_some(ClosedChain { filter, name, hook, accepts, accepts_to, drops, drops_to })
}

/// Returns the names of all tables and chains, as far as they can be read: the kernel shows them only to root.
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

/// Reads the chains of legacy iptables, which requires its own program; `None` if that is missing or fails.
fn legacy(paths: &SitePaths, commands: &dyn CommandRunner) -> Option<Vec<ClosedChain>> {
    if !read(&paths.host("/proc/net/ip_tables_names")).lines().any(|table| table == IPTABLES_TABLE) {
        return Some(Vec::new());
    }
    let save = HostCommand::new("iptables-legacy-save").arguments(["-t", IPTABLES_TABLE]);
    let output = commands.run(&save, None).ok().filter(|output| output.success)?;
    Some(parse_iptables_save(&String::from_utf8_lossy(&output.stdout)))
}

/// Parses closed chains in the output of `iptables-save`.
fn parse_iptables_save(text: &str) -> Vec<ClosedChain> {
    let closed = |(name, hook): (&str, ClosedHook)| {
        let by_policy = text.lines().any(|line| line.starts_with(&format!(":{name} DROP")));
        closed_by(outcome(text, name, by_policy), Filter::Iptables, name.to_owned(), hook)
    };
    [("INPUT", ClosedHook::Input), ("FORWARD", ClosedHook::Forward)].into_iter().filter_map(closed).collect()
}

/// Returns the outcome for packets in a chain of `iptables-save`'s output. Options `-i` and `-s` name their source
/// interfaces and ranges, `-o` and `-d` their destinations. Rules with any other condition are ignored.
fn outcome(text: &str, chain: &str, by_policy: bool) -> Outcome {
    let mut found = Outcome { drops_rest: by_policy, ..Outcome::default() };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (at, verdict) = match words.as_slice() {
            ["-A", name, "-j", verdict, ..] if *name == chain => (None, *verdict),
            ["-A", name, at, which, "-j", verdict, ..] if *name == chain => {
                (Some((*at, which.replace('+', "*"))), *verdict)
            }
            _ => continue,
        };
        let drops = match verdict {
            "ACCEPT" => false,
            "DROP" | "REJECT" => true,
            _ => continue,
        };
        let Some((at, which)) = at else {
            // No packet reaches the later rules.
            found.drops_rest = drops;
            if !drops {
                found.decide(Way::From, "*", false);
            }
            break;
        };
        let way = match at {
            "-i" | "-s" => Way::From,
            "-o" | "-d" => Way::To,
            _ => continue,
        };
        found.decide(way, &which, drops);
    }
    found
}

/// Returns ufw's chains, if it is enabled and drops or rejects packets that its rules do not mention.
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
        // This is ufw's own default for a missing setting.
        let is_closed = setting(&policies, policy).as_deref() != Some("accept");
        let mut found = outcome(&rules, name, is_closed);
        if hook == ClosedHook::Input && is_closed {
            // The rules that it ships accept loopback.
            found.accepts.insert(0, "lo".to_owned());
        }
        closed_by(found, Filter::Ufw, name.to_owned(), hook)
    };
    [
        ("DEFAULT_INPUT_POLICY", "ufw-user-input", ClosedHook::Input),
        ("DEFAULT_FORWARD_POLICY", "ufw-user-forward", ClosedHook::Forward),
    ]
    .into_iter()
    .filter_map(closed)
    .collect()
}

/// Returns true if the host's own firewall deletes all tables of the packet filter whenever it starts.
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
            "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\n\
             DEFAULT_FORWARD_POLICY=\"DROP\"\n",
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
    fn only_enabled_ufw_counts() {
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

    /// `iptables-legacy-save`, which is missing, fails or prints this.
    struct Save(Option<(bool, &'static str)>);

    impl CommandRunner for Save {
        fn run(&self, _command: &HostCommand, _input: Option<Input<'_>>) -> std::io::Result<CommandOutput> {
            let (success, text) = self.0.ok_or(std::io::ErrorKind::NotFound)?;
            Ok(CommandOutput { success, stdout: text.into(), stderr: Vec::new() })
        }
    }

    #[test]
    fn unreadable_rules_are_not_empty() {
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
    fn iptables_save_output_is_parsed() {
        let text = "*filter\n:INPUT ACCEPT [5:400]\n:FORWARD DROP [0:0]\n-A FORWARD -i cni+ -j ACCEPT\n\
            -A FORWARD -d 10.244.0.0/16 -j ACCEPT\n-A FORWARD -i eth0 -p tcp -j ACCEPT\n-A INPUT -i eth1 -j ACCEPT\n-A \
            FORWARD -i eth2 -j DROP\nCOMMIT\n";
        let expected = ClosedChain {
            filter: Filter::Iptables,
            name: "FORWARD".to_owned(),
            hook: ClosedHook::Forward,
            accepts: vec!["cni*".to_owned()],
            accepts_to: Some(vec!["10.244.0.0/16".to_owned()]),
            drops: vec!["eth2".to_owned()],
            drops_to: Vec::new(),
        };
        assert_eq!(parse_iptables_save(text), std::slice::from_ref(&expected));
        // A final catch-all rule closes a chain like a policy; no packet reaches the later rules.
        let text = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i cni+ -j ACCEPT\n\
            -A FORWARD -d 10.244.0.0/16 -j ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n-A FORWARD \
            -i eth0 -j ACCEPT\nCOMMIT\n";
        assert_eq!(parse_iptables_save(text), [ClosedChain { drops: Vec::new(), ..expected }]);
    }

    /// Rules drop by interface or range, in a chain that accepts the rest: the first match decides.
    #[test]
    fn named_drops_in_open_chain_count() {
        let text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 10.1.0.0/16 -j ACCEPT\n-A \
            FORWARD -s 10.1.0.0/16 -j DROP\n\
            -A FORWARD -s 10.0.0.0/8 -j REJECT --reject-with icmp-port-unreachable\n-A FORWARD -o cni+ -j DROP\n-A \
            FORWARD -j ACCEPT\n\
            -A FORWARD -i eth0 -j DROP\nCOMMIT\n";
        let found = parse_iptables_save(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&found[0].accepts[..], &found[0].drops[..]),
            (&["*".to_owned()][..], &["10.0.0.0/8".to_owned()][..])
        );
        assert_eq!(
            (found[0].accepts_to.as_deref(), &found[0].drops_to[..]),
            (Some(&["*".to_owned()][..]), &["cni*".to_owned()][..])
        );
        let (_folder, paths) = host(&[
            UFW[0],
            ("/etc/default/ufw", "DEFAULT_INPUT_POLICY=\"ACCEPT\"\nDEFAULT_FORWARD_POLICY=\"ACCEPT\"\n"),
            (
                "/etc/ufw/user.rules",
                "*filter\n-A ufw-user-input -i cni0 -j DROP\n-A ufw-user-input -p tcp --dport 22 -j DROP\n",
            ),
        ]);
        let found = ufw(&paths);
        assert_eq!((found.len(), &found[0].drops[..]), (1, &["cni0".to_owned()][..]));
    }

    #[test]
    fn only_enabled_flushing_firewall_counts() {
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
