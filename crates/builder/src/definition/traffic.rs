//! Network traffic of a component, as written: the ports at which its pods serve, and the components that they reach.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A port at which pods of a component serve.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferDefinition {
    /// Number of the port in the pods, from 1 to 65535.
    pub port: Spanned<u16>,
    /// Transport protocol.
    #[serde(default)]
    pub protocol: TransportProtocol,
    /// Clients that may connect.
    #[serde(default)]
    pub to: Audience,
}

/// Transport protocol of a port, as Kubernetes names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransportProtocol {
    /// The Transmission Control Protocol.
    #[default]
    Tcp,
    /// The User Datagram Protocol.
    Udp,
}

impl TransportProtocol {
    /// Name in a `NetworkPolicy`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Clients that may connect to an offered port, in addition to the pods of the component's own namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Components that reach this one, and namespaces with its label.
    #[default]
    Components,
    /// All pods of the cluster.
    Cluster,
    /// All clients, those outside the cluster included.
    Everyone,
}
