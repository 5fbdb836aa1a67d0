//! The network of drills: a bridge that leads only to the node. The node's probes reach a drill's pod. The pod's only
//! route is to the bridge's own range, so it reaches no other pod, no service address and nothing outside. Without the
//! right to administer its network, it cannot add a route.
//!
//! Pods select it by a runtime class: containerd reads the network of each runtime from a separate folder. It applies
//! from the pod's first packet, and no rules have to follow addresses.

use landfall_cluster::drill::RUNTIME_CLASS;
use landfall_host::paths::SitePaths;
use serde_json::{Value, json};

/// The bridge, also used as the network's name for its plugins.
pub const BRIDGE: &str = "landfall-drill";
/// File name of its configuration. containerd uses the first file of the folder.
pub const FILE: &str = "10-landfall-drill.conflist";
/// Address range of the bridge. It is link-local (RFC 3927), so it is never routed. Clouds and management controllers
/// use other link-local addresses.
const RANGE: &str = "169.254.86.0/24";

/// Returns the network's configuration. The leases are on a filesystem that a boot empties, because no pod's network
/// outlives a boot. An uninstall recognizes names that begin with `landfall-`.
pub fn configuration(paths: &SitePaths) -> Value {
    let leases = paths.run().join("addresses-of-drills");
    json!({
        "cniVersion": "1.0.0",
        "name": BRIDGE,
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": true,
            "isDefaultGateway": false,
            "ipMasq": false,
            "forceAddress": true,
            "ipam": {
                "type": "host-local",
                "dataDir": leases,
                "ranges": [[{ "subnet": RANGE }]],
            },
        }],
    })
}

/// Table of containerd's configuration that holds its runtimes.
pub const RUNTIMES: &str = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";

/// Returns true if containerd has this network. A site of an earlier version lacks it until its first upgrade.
pub(crate) fn is_there(paths: &SitePaths) -> bool {
    let header = format!("[{RUNTIMES}.{RUNTIME_CLASS}]");
    let text = fs_err::read_to_string(paths.runtime_configuration());
    text.is_ok_and(|text| text.lines().any(|line| line == header))
}
