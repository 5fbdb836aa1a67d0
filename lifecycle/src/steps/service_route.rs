//! Without a default route the host has no way to the cluster's services; this gives it one for just those addresses.
//! The agent adds it again at every boot.

use landfall_bundle_spec::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::configuration::IpRange;
use crate::netlink;
use crate::site::Site;
use crate::step::{Observed, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRoute {
    /// Address ranges of services.
    pub ranges: Vec<IpRange>,
    /// Interface of the node's address.
    pub interface: String,
}

impl ServiceRoute {
    fn failed(&self, error: std::io::Error) -> StepError {
        StepError::new(codes::NODE_NETWORK, format!("cannot change the routes of {}", self.interface)).because(error)
    }

    fn index(&self) -> Result<u32, StepError> {
        netlink::interfaces()
            .map_err(|error| self.failed(error))?
            .into_iter()
            .find(|interface| interface.name == self.interface)
            .map(|interface| interface.index)
            .ok_or_else(|| StepError::new(codes::NODE_NETWORK, format!("there is no interface {}", self.interface)))
    }

    /// How many of the routes are there.
    fn present(&self) -> Result<usize, StepError> {
        let routes = netlink::routes().map_err(|error| self.failed(error))?;
        let is_there = |range: &&IpRange| {
            routes.iter().any(|route| (route.destination, route.prefix) == (range.address(), range.prefix()))
        };
        Ok(self.ranges.iter().filter(is_there).count())
    }

    /// Adds the routes that are missing: the agent does so at every boot.
    pub(crate) fn add(&self) -> Result<(), StepError> {
        let index = self.index()?;
        for range in &self.ranges {
            netlink::add_route(range.address(), range.prefix(), index).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}

impl Step<Site> for ServiceRoute {
    fn observe(&self, _site: &mut Site) -> Result<Observed, StepError> {
        let present = self.present()?;
        Ok(match present {
            0 => Observed::Absent,
            all if all == self.ranges.len() => Observed::Done,
            some => Observed::Partial(format!("{some} of {} routes are there", self.ranges.len())),
        })
    }

    fn prepare(&self, _site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({ "present": self.present()? }))
    }

    fn act(&self, _site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.add()?;
        Ok(Value::Null)
    }

    fn undo(&self, _site: &mut Site, before: &Value) -> Result<(), StepError> {
        if before["present"].as_u64().unwrap_or(0) > 0 {
            return Ok(());
        }
        let Ok(index) = self.index() else { return Ok(()) };
        for range in &self.ranges {
            netlink::delete_route(range.address(), range.prefix(), index).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}
