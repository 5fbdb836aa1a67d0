//! The network of drills: a bridge that leads to the node and nowhere else. The node's probes reach a drill's pod. The pod has a route to the
//! bridge's own range alone, so it reaches no other pod, no service address and nothing outside; without the right to administer its network
//! it can add none.
//!
//! Pods have it by a runtime class: containerd reads the network of each of its runtimes from a folder of its own. It is there from the
//! pod's first packet on, and nothing has to follow addresses.

use landfall_cluster::drill::RUNTIME_CLASS;
use landfall_host::paths::SitePaths;
use serde_json::{Value, json};

/// The bridge, and the name of its network for its plugins.
pub(crate) const BRIDGE: &str = "landfall-drill";
/// The file of its configuration. containerd takes the first one of the folder.
pub(super) const FILE: &str = "10-landfall-drill.conflist";
/// Its range. Addresses of it are valid on one link alone (RFC 3927), and are not routed by anyone. Clouds and management controllers have
/// others of the kind.
const RANGE: &str = "169.254.86.0/24";

/// Its configuration. The leases are on a filesystem that a boot empties, as no pod's network outlives a boot. A name that begins with
/// `landfall-` is one that an uninstall knows.
pub(super) fn configuration(paths: &SitePaths) -> Value {
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

/// The table of containerd's configuration that has its runtimes.
pub(super) const RUNTIMES: &str = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";

/// Whether containerd has it: a site of an earlier version does not until its first upgrade.
pub(crate) fn is_there(paths: &SitePaths) -> bool {
    let header = format!("[{RUNTIMES}.{RUNTIME_CLASS}]");
    let text = fs_err::read_to_string(paths.runtime_configuration());
    text.is_ok_and(|text| text.lines().any(|line| line == header))
}
