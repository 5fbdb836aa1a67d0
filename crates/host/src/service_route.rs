//! Route to the cluster's services over loopback. A packet for a service needs a route before kube-proxy can send it to
//! a pod. Until kube-proxy has done so, it must not leave the host. The agent restores the route at every boot.

use std::net::IpAddr;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};

use crate::netlink;
use crate::range::IpRange;
use landfall_engine::step::StepError;

/// Interface to which packets for unknown services go and at which they end.
const INTERFACE: &str = "lo";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRoute {
    /// Address ranges of services.
    pub ranges: Vec<IpRange>,
    /// Address of the node, from which the host sends its own packets to services.
    pub source: IpAddr,
}

fn route_error(error: std::io::Error) -> StepError {
    StepError::new(codes::NODE_NETWORK, "cannot change the host's route to services").because(error)
}

fn index() -> Result<u32, StepError> {
    netlink::interfaces()
        .map_err(route_error)?
        .into_iter()
        .find(|interface| interface.name == INTERFACE)
        .map(|interface| interface.index)
        .ok_or_else(|| StepError::new(codes::NODE_NETWORK, format!("there is no interface {INTERFACE}")))
}

impl ServiceRoute {
    /// Returns the ranges that have a route.
    pub fn present(&self) -> Result<Vec<IpRange>, StepError> {
        let (routes, index) = (netlink::routes().map_err(route_error)?, index()?);
        let is_there = |range: &&IpRange| {
            routes.iter().any(|route| {
                (route.destination, route.prefix, route.index) == (range.address(), range.prefix(), Some(index))
            })
        };
        Ok(self.ranges.iter().filter(is_there).copied().collect())
    }

    /// Adds the missing routes; the agent does so at every boot.
    pub fn add(&self) -> Result<(), StepError> {
        let index = index()?;
        for range in &self.ranges {
            netlink::add_route(range.address(), range.prefix(), index, self.source).map_err(route_error)?;
        }
        Ok(())
    }

    /// Removes the routes, except to the ranges of `kept`.
    pub fn remove(&self, kept: &[IpRange]) -> Result<(), StepError> {
        let index = index()?;
        for range in self.ranges.iter().filter(|range| !kept.contains(range)) {
            netlink::delete_route(range.address(), range.prefix(), index).map_err(route_error)?;
        }
        Ok(())
    }
}
