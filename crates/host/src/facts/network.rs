//! Facts of addresses, routes and nameservers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use landfall_error_codes::codes;

use super::filter::Rules;
use super::host::read;
use super::{Network, NodeAddress, filter, firewall, listeners, system};
use crate::netlink;
use crate::paths::SitePaths;
use landfall_engine::step::StepError;

/// Collects addresses, routes, nameservers, ports and firewalls of this host. Changes nothing.
pub fn collect(paths: &SitePaths) -> Result<Network, StepError> {
    let failed = |error: std::io::Error| {
        StepError::new(codes::NODE_NETWORK, "cannot read the host's network configuration").because(error)
    };
    let interfaces = netlink::interfaces().map_err(failed)?;
    let name = |index: u32| {
        interfaces.iter().find(|interface| interface.index == index).map(|interface| interface.name.clone())
    };
    let addresses: Vec<NodeAddress> = netlink::addresses()
        .map_err(failed)?
        .into_iter()
        .filter(|address| is_usable(address.address))
        .filter_map(|address| {
            Some(NodeAddress { interface: name(address.index)?, address: address.address, prefix: address.prefix })
        })
        .collect();
    let routes = netlink::routes().map_err(failed)?;
    let default_route = routes
        .iter()
        .filter(|route| route.prefix == 0 && route.destination.is_ipv4())
        .min_by_key(|route| route.metric)
        .and_then(|route| name(route.index?));
    let used = default_route.as_ref().or(addresses.first().map(|address| &address.interface));
    let mtu = used.and_then(|used| system::packet_bytes().get(used).copied());
    let networks = routes
        .iter()
        .filter(|route| route.prefix > 0 && route.destination.is_ipv4())
        .map(|route| format!("{}/{}", route.destination, route.prefix))
        .collect::<BTreeSet<_>>();
    // The kernel shows the packet filter only to root; an install does not use facts collected by a user anyway.
    let (tables, rules) = if rustix::process::geteuid().is_root() {
        (netlink::tables().map_err(failed)?, filter::rules(paths)?)
    } else {
        (Vec::new(), Rules { closed: Vec::new(), legacy_unread: false })
    };
    let filter_tables: Vec<String> = tables.into_iter().map(|table| table.name).collect();
    let (ports_in_use, listeners) = listeners::collect(paths);
    Ok(Network {
        mtu,
        addresses,
        default_route,
        nameservers: nameservers(paths),
        ports_in_use,
        udp_ports_in_use: listeners::udp_ports(paths),
        listeners,
        networks: networks.into_iter().collect(),
        firewalld: firewall::firewalld(paths, &filter_tables),
        filter_tables,
        closed_chains: rules.closed,
        legacy_filter_unread: rules.legacy_unread,
        flushes_ruleset: filter::flushes_ruleset(paths),
    })
}

fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

/// Returns nameservers that pods can reach: those of `/etc/resolv.conf`, or those behind systemd's stub, without
/// loopback.
pub fn nameservers(paths: &SitePaths) -> Vec<String> {
    let of = |path: &str| {
        read(&paths.host(path))
            .lines()
            .filter_map(|line| line.trim().strip_prefix("nameserver"))
            .map(|rest| rest.trim().to_owned())
            .filter(|address| address.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback()))
            .collect::<Vec<_>>()
    };
    let direct = of("/etc/resolv.conf");
    if direct.is_empty() { of("/run/systemd/resolve/resolv.conf") } else { direct }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stub_resolver_shows_real_nameservers() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        for (path, text) in [
            ("/etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n"),
            ("/run/systemd/resolve/resolv.conf", "nameserver 10.0.0.53\n"),
        ] {
            fs_err::create_dir_all(paths.host(path).parent().unwrap()).unwrap();
            landfall_media::durable::write_file(&paths.host(path), text.as_bytes(), 0o644).unwrap();
        }
        assert_eq!(nameservers(&paths), ["10.0.0.53"]);
    }
}
