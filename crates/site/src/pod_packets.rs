//! Packets of pods in a host's packet filter: whether a chain that drops packets accepts them.

use landfall_agent::bridge::BRIDGE;
use landfall_host::facts::{ClosedChain, ClosedHook};
use landfall_host::range::IpRange;

/// Device that leads to pods on further nodes.
pub const OVERLAY: &str = "flannel.1";

/// Returns true if a chain accepts everything from pods. If it handles packets for the host, it must also accept the
/// host's own.
pub fn passes_pods(chain: &ClosedChain, pods: &[IpRange]) -> bool {
    let is_open_to_host = chain.hook == ClosedHook::Forward || names_interface(&chain.accepts, "lo");
    is_open_to_host && is_open(&chain.accepts, pods) && !hits(&chain.drops, pods)
}

/// Returns true if some of these interfaces and ranges belong to pods.
pub fn hits(dropped: &[String], pods: &[IpRange]) -> bool {
    let mut ranges = dropped.iter().filter_map(|one| one.parse::<IpRange>().ok());
    let is_interface = [BRIDGE, OVERLAY].into_iter().any(|interface| names_interface(dropped, interface));
    is_interface || ranges.any(|range| pods.iter().any(|pods| pods.overlaps(&range)))
}

/// Returns true if these interfaces and ranges include all of the pods.
pub fn is_open(accepted: &[String], pods: &[IpRange]) -> bool {
    let by_address = |range: &IpRange| {
        let mut ranges = accepted.iter().filter_map(|one| one.parse::<IpRange>().ok());
        ranges.any(|accepted| accepted.prefix() <= range.prefix() && accepted.contains(range.address()))
    };
    names_interface(accepted, BRIDGE) || (!pods.is_empty() && pods.iter().all(by_address))
}

/// Returns true if one of them is this interface, or a prefix of its name.
pub fn names_interface(accepted: &[String], interface: &str) -> bool {
    accepted.iter().any(|one| match one.strip_suffix('*') {
        Some(beginning) => interface.starts_with(beginning),
        None => one == interface,
    })
}
