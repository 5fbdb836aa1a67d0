//! Addresses of the cluster: the site's settings, or the defaults.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use landfall_error_codes::codes;

use landfall_engine::step::StepError;
use landfall_host::facts::Facts;
use landfall_host::node::NodeIdentity;
use landfall_host::range::IpRange;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::node_name::{LONGEST_NODE_NAME, is_node_name};

/// Default addresses of pods: 256 nodes of 254 pods each.
const PODS: &str = "10.244.0.0/16";
/// Default addresses of services.
const SERVICES: &str = "10.96.0.0/16";
/// Index of the nameserver's address in the service range: the tenth, by Kubernetes' convention.
const NAMESERVER_INDEX: u32 = 10;

/// Address ranges of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks {
    /// Ranges of pods.
    pub pods: Vec<IpRange>,
    /// Ranges of services.
    pub services: Vec<IpRange>,
}

impl Networks {
    /// Returns the ranges of the site's configuration, or the defaults.
    pub fn of(configuration: &SiteConfiguration) -> Result<Self, StepError> {
        let or_usual = |ranges: &[IpRange], usual: &str| match ranges {
            [] => usual
                .parse()
                .map(|range| vec![range])
                .map_err(|error| StepError::new(codes::BUG, format!("{usual} is not a range")).because(error)),
            ranges => Ok(ranges.to_vec()),
        };
        Ok(Self {
            pods: or_usual(&configuration.network.pod_ranges, PODS)?,
            services: or_usual(&configuration.network.service_ranges, SERVICES)?,
        })
    }

    /// Returns the address of the cluster's nameserver.
    pub fn dns_address(&self) -> Result<IpAddr, StepError> {
        let range = self.services.first().ok_or_else(|| StepError::new(codes::SITE_VALUE, "no range of services"))?;
        let address = match range.address() {
            IpAddr::V4(first) => IpAddr::V4(Ipv4Addr::from(u32::from(first).saturating_add(NAMESERVER_INDEX))),
            IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from(u128::from(first).saturating_add(NAMESERVER_INDEX.into()))),
        };
        if range.contains(address) {
            return Ok(address);
        }
        Err(StepError::new(
            codes::SITE_VALUE,
            format!("the range of services {range} has fewer than {NAMESERVER_INDEX} addresses"),
        ))
    }
}

/// Returns the host's name and address. The configuration takes precedence, then the host's own name and the address of
/// its default route. Without such a route, its only address is used.
pub fn node_identity(facts: &Facts, configuration: &SiteConfiguration) -> Result<NodeIdentity, StepError> {
    let name = configuration.node.name.clone().unwrap_or_else(|| facts.hostname.clone());
    if !is_node_name(&name) {
        return Err(StepError::new(
            codes::BAD_HOSTNAME,
            format!(
                "`{name}` cannot be the name of a node: it must be a DNS name of at most {LONGEST_NODE_NAME} characters"
            ),
        ));
    }
    Ok(NodeIdentity { name, address: node_address(facts, configuration)? })
}

fn node_address(facts: &Facts, configuration: &SiteConfiguration) -> Result<IpAddr, StepError> {
    let addresses = &facts.network.addresses;
    if let Some(wanted) = configuration.node.address {
        let here = addresses.iter().any(|address| address.address == wanted);
        let error = || StepError::new(codes::ADDRESS_NOT_HERE, format!("{wanted} is not an address of this host"));
        return here.then_some(wanted).ok_or_else(error);
    }
    let pods = Networks::of(configuration)?.pods;
    let is_ipv4 = pods.first().is_none_or(|range| range.address().is_ipv4());
    let usable: Vec<_> = addresses.iter().filter(|address| address.address.is_ipv4() == is_ipv4).collect();
    let by_route = facts
        .network
        .default_route
        .as_ref()
        .and_then(|route| usable.iter().find(|address| address.interface == *route));
    match (by_route, usable.as_slice()) {
        (Some(address), _) | (None, [address]) => Ok(address.address),
        (None, []) => Err(StepError::new(codes::NO_ADDRESS, "no interface but loopback has an address")),
        (None, several) => {
            let list: Vec<String> =
                several.iter().map(|address| format!("{} ({})", address.address, address.interface)).collect();
            Err(StepError::new(
                codes::ADDRESS_AMBIGUOUS,
                format!("the host has {} and no default route", list.join(", ")),
            ))
        }
    }
}
