//! The host as a node of its cluster.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A host's name and address in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeIdentity {
    /// Name of the Node object.
    pub name: String,
    /// Address of the node, which API server, kubelet and etcd advertise.
    pub address: IpAddr,
}
