//! Configuration of the bridge network, derived from the subnet file of flannel's daemon. Flannel's own CNI plugin does
//! the same on every call; writing the result once avoids that plugin on the host.
//!
//! It sets neither `ipMasq` nor port mappings, which require `nft` or `iptables` on the host. Flannel's daemon
//! masquerades addresses from its own image, and kube-proxy serves node ports.

use std::net::IpAddr;

use landfall_media::durable;
use serde_json::{Value, json};

use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::range::IpRange;

/// File in which flannel's daemon states its subnet.
const SUBNET_FILE: &str = "/run/flannel/subnet.env";
/// Name of the file; containerd uses the first file of the folder.
const NAME: &str = "10-landfall.conflist";
/// Name of the bridge.
pub const BRIDGE: &str = "cni0";

/// Writes the configuration if flannel's daemon has stated its subnet and the file differs. Returns true if it wrote.
pub fn keep(paths: &SitePaths) -> Result<bool, StepError> {
    let Ok(subnet) = fs_err::read_to_string(paths.host(SUBNET_FILE)) else { return Ok(false) };
    let leases = paths.run().join("addresses");
    let Some(configuration) = configuration(&subnet, &leases.to_string_lossy()) else { return Ok(false) };
    let mut text = serde_json::to_string_pretty(&configuration).unwrap_or_default();
    text.push('\n');
    let path = paths.network_configuration().join(NAME);
    if fs_err::read_to_string(&path).is_ok_and(|found| found == text) {
        return Ok(false);
    }
    durable::create_folder(&paths.network_configuration())?;
    durable::write_file(&path, text.as_bytes(), 0o644)?;
    Ok(true)
}

/// Returns the configuration for a subnet file; `None` if the file is incomplete. `leases` is on a filesystem that a
/// boot empties, because no pod's network outlives a boot. Otherwise, addresses in use at a power cut would stay
/// reserved.
fn configuration(subnet: &str, leases: &str) -> Option<Value> {
    let field = |name: &str| subnet.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let networks: Vec<IpRange> =
        field("FLANNEL_NETWORK")?.split(',').map(|range| range.parse().ok()).collect::<Option<_>>()?;
    let mtu: u32 = field("FLANNEL_MTU")?.parse().ok()?;
    // The bridge's address, which is the subnet's first host address, with the prefix.
    let (gateway, prefix) = field("FLANNEL_SUBNET")?.split_once('/')?;
    let gateway: IpAddr = gateway.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let range = range_of(gateway, prefix)?;
    let routes: Vec<Value> = networks.iter().map(|network| json!({ "dst": network })).collect();
    Some(json!({
        "cniVersion": "1.0.0",
        "name": "landfall",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "mtu": mtu,
            "isGateway": true,
            "isDefaultGateway": true,
            "hairpinMode": true,
            "ipMasq": false,
            "forceAddress": true,
            "ipam": {
                "type": "host-local",
                "dataDir": leases,
                "ranges": [[{ "subnet": range, "gateway": gateway }]],
                "routes": routes,
            },
        }],
    }))
}

/// Returns the range of `prefix` bits that contains an address.
fn range_of(address: IpAddr, prefix: u8) -> Option<IpRange> {
    let first: IpAddr = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32u32.checked_sub(prefix.into())?).unwrap_or(0);
            std::net::Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128u32.checked_sub(prefix.into())?).unwrap_or(0);
            std::net::Ipv6Addr::from(u128::from(address) & mask).into()
        }
    };
    format!("{first}/{prefix}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBNET: &str =
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

    #[test]
    fn bridge_follows_complete_flannel_file() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        assert!(!keep(&paths).unwrap(), "no subnet yet");
        fs_err::create_dir_all(paths.host("/run/flannel")).unwrap();
        let write = |text: &str| durable::write_file(&paths.host(SUBNET_FILE), text.as_bytes(), 0o644).unwrap();
        write("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUB");
        assert!(!keep(&paths).unwrap(), "half a file");
        write(SUBNET);
        assert!(keep(&paths).unwrap() && !keep(&paths).unwrap());
        write(&SUBNET.replace("1450", "8950"));
        assert!(keep(&paths).unwrap());
    }

    #[test]
    fn bridge_configuration_is_unchanged() {
        insta::assert_json_snapshot!(configuration(SUBNET, "/run/landfall/addresses").unwrap());
    }
}
