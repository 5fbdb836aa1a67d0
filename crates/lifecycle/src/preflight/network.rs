//! Checks of addresses, ports, kernel modules and firewalls.

use landfall_error_codes::{CodedError, codes};
use landfall_host::facts::Facts;
use landfall_release_document::ReleaseDocument;

use super::{EarlierSite, Subject, firewall};
use crate::plan::host_ports::{HostPorts, Transport};
use crate::plan::network::{Networks, node_identity};
use landfall_site::configuration::SiteConfiguration;
use landfall_site::console::{HOST_PORT, console_of};
use landfall_site::findings::{Finding, quote};
use landfall_site::node_name::LONGEST_NODE_NAME;

/// TCP ports of the API server, etcd, kubelet, kube-proxy, controller manager, scheduler and registry.
const PORTS: [u16; 11] = [2379, 2380, 2381, 5000, 6443, 10248, 10249, 10250, 10256, 10257, 10259];

/// UDP port of the overlay network.
const UDP_PORT: u16 = 8472;

/// Returns the ports on which a site of this release listens.
fn ports(release: &ReleaseDocument) -> Vec<u16> {
    PORTS.into_iter().chain(console_of(release).map(|_| HOST_PORT)).collect()
}

/// Returns findings for ports that only the later release needs and another program uses.
pub(super) fn upgrade_ports(subject: &Subject<'_>, before: &EarlierSite<'_>) -> Vec<Finding> {
    let Subject { facts, release, host_ports, .. } = *subject;
    let known = ports(before.release);
    let new: Vec<u16> = ports(release).into_iter().filter(|port| !known.contains(port)).collect();
    busy(facts, &new).into_iter().chain(ports_blocker(facts, &host_ports.without(before.host_ports))).collect()
}

fn busy(facts: &Facts, ports: &[u16]) -> Option<Finding> {
    let busy = ports.iter().filter(|port| facts.network.ports_in_use.contains(port));
    let busy: Vec<String> = busy.map(|port| with_program(facts, *port)).collect();
    (!busy.is_empty()).then(|| Finding::new(codes::PORT_IN_USE, format!("TCP {}", busy.join(", ")), "all of them free"))
}

/// Returns a blocker for ports that components need and another program uses.
fn ports_blocker(facts: &Facts, ports: &HostPorts) -> Option<Finding> {
    let is_taken = |transport, number| match transport {
        Transport::Tcp => facts.network.ports_in_use.contains(&number),
        Transport::Udp => facts.network.udp_ports_in_use.contains(&number),
    };
    let taken = ports.0.iter().filter(|(port, _)| is_taken(port.transport, port.number));
    let taken: Vec<String> = taken
        .map(|(port, takers)| {
            let port = match port.transport {
                Transport::Tcp => format!("TCP {}", with_program(facts, port.number)),
                Transport::Udp => port.to_string(),
            };
            format!("{port}, for {}", takers.join(" and "))
        })
        .collect();
    (!taken.is_empty()).then(|| {
        let finding = Finding::new(codes::PORT_IN_USE, taken.join("; "), "all of them free");
        finding.fix("Stop the programs that have the named ports; `ss -lntup` shows them.")
    })
}

/// Returns a blocker if another program uses the overlay's port, so no packet from other nodes would arrive.
fn overlay_is_busy(facts: &Facts) -> Option<Finding> {
    let is_busy = facts.network.udp_ports_in_use.contains(&UDP_PORT);
    let finding = is_busy.then(|| Finding::new(codes::PORT_IN_USE, format!("UDP {UDP_PORT}"), "free"))?;
    Some(finding.fix("Run `ss -lunp` to find the program that has it, then stop it or give it another port."))
}

/// Formats a port with its program, if known.
fn with_program(facts: &Facts, port: u16) -> String {
    match facts.network.listeners.iter().find(|listener| listener.port == port) {
        Some(listener) => format!("{port} ({}, process {})", listener.program, listener.pid),
        None => port.to_string(),
    }
}

/// Returns findings about the network of a host.
pub(super) fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let Subject { facts, release, configuration, host_ports, .. } = *subject;
    let mut blockers = Vec::new();
    match ipv6(facts, configuration) {
        Some(blocker) => blockers.push(blocker),
        None => blockers.extend(identity(facts, configuration)),
    }
    blockers.extend(busy(facts, &ports(release)));
    blockers.extend(ports_blocker(facts, host_ports));
    blockers.extend(overlay_is_busy(facts));
    if !facts.missing_modules.is_empty() && !facts.can_load_modules {
        let finding = Finding::new(codes::MODULE_MISSING, facts.missing_modules.join(", "), "loaded or loadable");
        blockers.push(finding.commands(package_of_modules(&facts.operating_system).map(str::to_owned)));
    }
    match Networks::of(configuration) {
        Ok(networks) => {
            blockers.extend(overlaps(facts, &networks));
            blockers.extend(firewall::firewall_findings(&facts.network, &networks));
            blockers.extend(firewall::inbound(&facts.network, &networks));
        }
        Err(error) => blockers.push(Finding::of(&error, "ranges of addresses")),
    }
    blockers
}

/// Returns blockers for a node's name and address, each of which may be invalid.
fn identity(facts: &Facts, configuration: &SiteConfiguration) -> Vec<Finding> {
    const NEEDED: &str = "a name and an address for the node";
    let Err(error) = node_identity(facts, configuration) else { return Vec::new() };
    let finding = Finding::of(&error, NEEDED);
    if error.code() != codes::BAD_HOSTNAME {
        return vec![finding];
    }
    let name = usable_name(&facts.hostname).filter(|_| configuration.node.name.is_none());
    let renamed = finding.commands(name.map(|name| format!("hostnamectl set-hostname {}", quote(&name))));
    // The address can be judged only under a valid name.
    let mut named = configuration.clone();
    named.node.name = Some("node".to_owned());
    let address = node_identity(facts, &named).err().map(|error| Finding::of(&error, NEEDED));
    [renamed].into_iter().chain(address).collect()
}

/// Returns a valid node name that is as close to this one as possible.
fn usable_name(name: &str) -> Option<String> {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let usable: String = name.to_lowercase().chars().map(|letter| if inner(letter) { letter } else { '-' }).collect();
    let labels = usable.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty());
    let usable = labels.collect::<Vec<_>>().join(".");
    (!usable.is_empty() && usable.len() <= LONGEST_NODE_NAME).then_some(usable)
}

/// Returns the command that installs additional kernel modules, if the distribution has a separate package for them.
fn package_of_modules(operating_system: &str) -> Option<&'static str> {
    match operating_system.split(' ').next()? {
        "ubuntu" => Some("apt-get install \"linux-modules-extra-$(uname -r)\""),
        "rhel" | "rocky" | "almalinux" | "centos" | "ol" => Some("dnf install \"kernel-modules-$(uname -r)\""),
        _ => None,
    }
}

/// Returns a blocker for IPv6, alone or beside IPv4, until it is fully supported.
fn ipv6(facts: &Facts, configuration: &SiteConfiguration) -> Option<Finding> {
    let ranges = configuration.network.pod_ranges.iter().chain(&configuration.network.service_ranges);
    let wanted: Vec<String> = ranges.filter(|range| range.address().is_ipv6()).map(ToString::to_string).collect();
    let addresses = &facts.network.addresses;
    let found = if !wanted.is_empty() {
        format!("the site configuration names {}", wanted.join(", "))
    } else if let Some(address) = configuration.node.address.filter(std::net::IpAddr::is_ipv6) {
        format!("`node.address` in the site configuration is {address}")
    } else if !addresses.is_empty() && addresses.iter().all(|address| address.address.is_ipv6()) {
        "the host has IPv6 addresses only".to_owned()
    } else {
        return None;
    };
    Some(Finding::new(codes::IPV6_UNSUPPORTED, found, "IPv4"))
}

fn overlaps(facts: &Facts, networks: &Networks) -> Vec<Finding> {
    let mut blockers = Vec::new();
    for range in networks.pods.iter().chain(&networks.services) {
        for network in &facts.network.networks {
            if network.parse().is_ok_and(|network| range.overlaps(&network)) {
                let found = format!("{range} of the cluster and {network} of the host");
                blockers.push(Finding::new(codes::RANGES_OVERLAP, found, "no common address"));
            }
        }
    }
    for pods in &networks.pods {
        for services in networks.services.iter().filter(|services| services.overlaps(pods)) {
            let found = format!("{pods} of pods and {services} of services");
            blockers.push(Finding::new(codes::RANGES_OVERLAP, found, "no common address"));
        }
    }
    blockers
}
