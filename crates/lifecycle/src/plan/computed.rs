//! Values that the planner computes and a release may apply to its objects. A site can set only the values of models.

use serde_json::{Value, json};

use super::network::Networks;
use landfall_agent::nameservers;
use landfall_host::paths::SitePaths;
use landfall_site::configuration::ResolvedValues;

/// Names of the values that a site cannot set. A release may declare targets for them:
///
/// - `cluster.dns.corefile`: CoreDNS's configuration. It imports its upstream nameservers from a file that the agent
///   maintains: the host's nameservers may change, and CoreDNS crashes if it forwards to none.
/// - `cluster.dns.address`, `cluster.dns.addresses`: the nameserver's service address, as a text and as a list;
/// - `cluster.network.flannel`: flannel's network configuration.
pub const NAMES: [&str; 4] =
    ["cluster.dns.corefile", "cluster.dns.address", "cluster.dns.addresses", "cluster.network.flannel"];

/// Computes these values and adds the figures of models that were fitted to the host.
pub fn computed_values(networks: &Networks, fitted: &ResolvedValues) -> ResolvedValues {
    let address = networks.dns_address().map(|address| address.to_string()).unwrap_or_default();
    let values: [Value; 4] = [corefile().into(), address.clone().into(), json!([address]), flannel(networks).into()];
    let of_cluster = NAMES.map(str::to_owned).into_iter().zip(values);
    fitted.clone().into_iter().chain(of_cluster).collect()
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

/// Returns flannel's configuration, with one range of each address family.
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
