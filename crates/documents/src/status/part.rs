//! Parts of a status, each with its readiness.

use super::{
    AgentStatus, CertificatesStatus, ClockStatus, DiskStatus, EtcdStatus, FirewallStatus, NodeStatus, RegistryStatus,
    ServiceAddresses,
};

/// Readiness of a part of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// True if the part is ready.
    pub ready: bool,
    /// Reason why it is not ready.
    pub reason: Option<&'a str>,
}

/// Implements the readiness of types with the fields `ready` and `reason`.
macro_rules! parts {
    ($($name:ident),*) => {
        $(impl $name {
            /// Returns the readiness of this part.
            pub fn part(&self) -> Part<'_> {
                Part { ready: self.ready, reason: self.reason.as_deref() }
            }
        })*
    };
}

parts!(
    AgentStatus,
    CertificatesStatus,
    ClockStatus,
    DiskStatus,
    EtcdStatus,
    FirewallStatus,
    NodeStatus,
    RegistryStatus,
    ServiceAddresses
);
