//! Firewalls that block pods' traffic, and the commands that open them.

use landfall_error_codes::codes;

use crate::plan::network::Networks;
use landfall_agent::bridge::BRIDGE;
use landfall_host::facts::{ClosedChain, ClosedHook, Filter, Network};
use landfall_host::range::IpRange;
use landfall_site::backups::drill::network as drill_network;
use landfall_site::findings::{Finding, quote};
use landfall_site::pod_packets::{OVERLAY, hits, is_open, names_interface, passes_pods};

/// Returns the findings about firewalls that block pods' traffic, now or after the next boot.
pub(crate) fn firewall_findings(network: &Network, networks: &Networks) -> Vec<Finding> {
    firewalld(network, networks).into_iter().chain(chains(network, networks)).chain(unread_warning(network)).collect()
}

/// Returns a warning about unreadable rules, which may drop pods' packets. That would appear only when the cluster's
/// nameserver fails to get ready. Some kernels create an empty table, which blocks nothing.
fn unread_warning(network: &Network) -> Option<Finding> {
    let measured = "legacy iptables has a table, and iptables-legacy-save cannot read its rules";
    network.legacy_filter_unread.then(|| Finding::warning(codes::FIREWALL_UNREAD, measured, codes::FIREWALL_UNREAD.fix))
}

/// Returns a blocker for firewalld. It rejects everything that its rules do not name, and another program's accept does
/// not override that. Pods reach neither one another nor the API server unless firewalld trusts their addresses.
fn firewalld(network: &Network, networks: &Networks) -> Option<Finding> {
    let firewalld = network.firewalld.as_ref().filter(|firewalld| !firewalld.passes_all)?;
    let trusted: Vec<IpRange> = firewalld.trusted.iter().filter_map(|source| source.parse().ok()).collect();
    let is_trusted = |pods: &&IpRange| {
        trusted.iter().any(|source| source.prefix() <= pods.prefix() && source.contains(pods.address()))
    };
    let refused = networks.pods.iter().find(|pods| !is_trusted(pods))?;
    let found = format!("firewalld refuses packets from {refused}");
    let ranges = networks.pods.iter().chain(&networks.services);
    let sources: Vec<String> = ranges.map(|range| format!("--add-source={range}")).collect();
    let trust = format!("firewall-cmd --permanent --zone=trusted {}", sources.join(" "));
    let reload = "firewall-cmd --reload".to_owned();
    let fix = format!("Run `{trust}` and `{reload}`; or turn firewalld off with `systemctl disable --now firewalld`.");
    Some(Finding::new(codes::FIREWALL_CLOSED, found, "all of them accepted").fix(fix).commands([trust, reload]))
}

/// Returns a blocker for chains that drop packets and do not accept pods' traffic. Another chain's accept does not
/// override a drop.
fn chains(network: &Network, networks: &Networks) -> Option<Finding> {
    let is_closed = |chain: &&ClosedChain| !passes_pods(chain, &networks.pods);
    let opened = ChainOpening::of(network, is_closed, |chain| commands(chain, &networks.pods))?;
    let found = format!("packets of pods are dropped by {}", opened.names);
    let fix = format!(
        "Run {}. Pods have the addresses {}, services {}; further nodes need TCP 6443 and 10250 and UDP 8472 as well.",
        opened.advice,
        ranges_text(&networks.pods),
        ranges_text(&networks.services),
    );
    let needed = format!("all packets from {BRIDGE} accepted");
    Some(Finding::new(codes::FIREWALL_CLOSED, found, needed).fix(fix).commands(opened.commands))
}

/// Returns a finding for chains that let pods' packets out but none in. The cluster then works, but no other host
/// reaches its services, including the console. Facts of an older landfall lack this data.
pub(crate) fn inbound(network: &Network, networks: &Networks) -> Option<Finding> {
    let is_closed = |chain: &&ClosedChain| lets_in(chain, &networks.pods) == Some(false);
    let Some(opened) = ChainOpening::of(network, is_closed, commands_inbound) else {
        let is_known = network.closed_chains.iter().all(|chain| lets_in(chain, &networks.pods).is_some());
        let message = "Whether a firewall keeps other hosts from the services of the site";
        return (!is_known).then(|| Finding::unknown(codes::FIREWALL_INBOUND, message, 2));
    };
    let found = format!("packets to pods are dropped by {}", opened.names);
    let fix = format!("If other hosts should reach the console or other services of the site, run {}.", opened.advice);
    Some(Finding::warning(codes::FIREWALL_INBOUND, found, fix).commands(opened.commands))
}

/// Returns true if packets to pods pass a chain; `None` if the facts do not show it. [`chains`] judges chains that
/// block pods altogether.
fn lets_in(chain: &ClosedChain, pods: &[IpRange]) -> Option<bool> {
    if chain.hook == ClosedHook::Input || !passes_pods(chain, pods) {
        return Some(true);
    }
    if hits(&chain.drops_to, pods) {
        return Some(false);
    }
    if names_interface(&chain.accepts, "*") {
        return Some(true);
    }
    chain.accepts_to.as_ref().map(|accepted| is_open(accepted, pods))
}

/// Closed chains, and the commands that open them.
struct ChainOpening {
    names: String,
    commands: Vec<String>,
    /// Commands for people, with advice for making them permanent.
    advice: String,
}

impl ChainOpening {
    /// Returns the closed chains, if any.
    fn of(
        network: &Network,
        is_closed: impl Fn(&&ClosedChain) -> bool,
        commands: impl Fn(&ClosedChain) -> Vec<String>,
    ) -> Option<Self> {
        let closed: Vec<&ClosedChain> = network.closed_chains.iter().filter(is_closed).collect();
        if closed.is_empty() {
            return None;
        }
        let names: Vec<String> =
            closed.iter().map(|chain| format!("{} of {}", chain.name, name(chain.filter))).collect();
        let commands: Vec<String> = closed.iter().flat_map(|chain| commands(chain)).collect();
        let mut keep: Vec<&str> = closed.iter().filter_map(|chain| keep(chain.filter)).collect();
        keep.dedup();
        let shown: Vec<String> = commands.iter().map(|command| format!("`{command}`")).collect();
        let advice = format!("{}{}", shown.join(", "), keep.concat());
        Some(Self { names: names.join(", "), commands, advice })
    }
}

fn ranges_text(ranges: &[IpRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn name(filter: Filter) -> &'static str {
    match filter {
        Filter::Ufw => "ufw",
        Filter::Nftables => "nftables",
        Filter::Iptables => "iptables",
    }
}

/// Returns the commands that open a chain for packets from and to pods.
fn commands(chain: &ClosedChain, pods: &[IpRange]) -> Vec<String> {
    let own = (chain.hook == ClosedHook::Input && chain.filter != Filter::Ufw).then_some("lo");
    let command = |interface: &str| match (chain.filter, chain.hook) {
        (Filter::Ufw, ClosedHook::Input) => format!("ufw allow in on {interface}"),
        (Filter::Ufw, ClosedHook::Forward) => format!("ufw route allow in on {interface}"),
        (Filter::Nftables, _) => format!("nft insert rule {} iifname {interface} accept", words(&chain.name)),
        (Filter::Iptables, _) => format!("iptables -I {} -i {interface} -j ACCEPT", quote(&chain.name)),
    };
    let is_accepted = chain.accepts_to.as_ref().is_some_and(|accepted| is_open(accepted, pods));
    let lets_in = is_accepted && !hits(&chain.drops_to, pods);
    let inbound = if lets_in { Vec::new() } else { commands_inbound(chain) };
    // Answers of a drill's pod to the node's probes; ufw accepts answers automatically.
    let drills = own.map(|_| drill_network::BRIDGE);
    own.into_iter().chain([BRIDGE, OVERLAY]).chain(drills).map(command).chain(inbound).collect()
}

/// Returns the commands that let packets to pods pass a chain; none for a chain that sees only packets for the host.
fn commands_inbound(chain: &ClosedChain) -> Vec<String> {
    let command = |interface: &str| match (chain.filter, chain.hook) {
        (_, ClosedHook::Input) => None,
        (Filter::Ufw, _) => Some(format!("ufw route allow out on {interface}")),
        (Filter::Nftables, _) => Some(format!("nft insert rule {} oifname {interface} accept", words(&chain.name))),
        (Filter::Iptables, _) => Some(format!("iptables -I {} -o {interface} -j ACCEPT", quote(&chain.name))),
    };
    [BRIDGE, OVERLAY].into_iter().filter_map(command).collect()
}

/// Quotes family, table and chain as separate words.
fn words(name: &str) -> String {
    name.split(' ').map(quote).collect::<Vec<_>>().join(" ")
}

/// Returns advice for keeping the rules over a boot.
fn keep(filter: Filter) -> Option<&'static str> {
    match filter {
        Filter::Ufw => None,
        Filter::Nftables => Some(", and add the same rules to the file that your firewall loads at boot"),
        Filter::Iptables => {
            Some(", and save them as your firewall does, for instance with `netfilter-persistent save`")
        }
    }
}
