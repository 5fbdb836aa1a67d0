//! Values that the planner computes and a release may apply to its objects; none of them can be set by a site.

use serde_json::{Value, json};

use super::network::Networks;
use crate::configuration::ResolvedValues;
use landfall_agent::nameservers;
use landfall_host::paths::SitePaths;

/// The names of all of them, with a docstring each: a release may declare targets for these.
///
/// - `cluster.dns.corefile`: CoreDNS's configuration; whom it asks for names outside of the cluster it imports from a file
///   that the agent keeps, since the host's nameservers come and go, and forwarding to nowhere makes CoreDNS crash;
/// - `cluster.dns.address`, `cluster.dns.addresses`: the nameserver's service address, as a text and as a list;
/// - `cluster.network.flannel`: flannel's network configuration.
pub const NAMES: [&str; 4] =
    ["cluster.dns.corefile", "cluster.dns.address", "cluster.dns.addresses", "cluster.network.flannel"];

/// Computes them.
pub fn computed_values(networks: &Networks) -> ResolvedValues {
    let address = networks.dns_address().map(|address| address.to_string()).unwrap_or_default();
    let values: [Value; 4] = [corefile().into(), address.clone().into(), json!([address]), flannel(networks).into()];
    NAMES.map(str::to_owned).into_iter().zip(values).collect()
}

fn corefile() -> String {
    let imported = nameservers::folder(&SitePaths::default()).join("*.conf");
    format!(
        ".:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    import {}
    cache 30
    loop
    reload
    loadbalance
}}
",
        imported.display()
    )
}

/// flannel takes one range of each family.
fn flannel(networks: &Networks) -> String {
    let of = |is_ipv4: bool| networks.pods.iter().find(|range| range.address().is_ipv4() == is_ipv4);
    let mut configuration = json!({ "EnableNFTables": true, "Backend": { "Type": "vxlan" } });
    if let Some(range) = of(true) {
        configuration["Network"] = json!(range);
    }
    if let Some(range) = of(false) {
        configuration["EnableIPv6"] = json!(true);
        configuration["IPv6Network"] = json!(range);
    }
    configuration.to_string()
}
