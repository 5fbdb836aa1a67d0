//! The host's agent, as systemd tells of it, and what it waits for.

use std::net::IpAddr;

use serde::Serialize;

use crate::causes::with_causes;
use crate::netlink;
use crate::node::settings::AgentSettings;
use crate::site::{CommandRunner, HostCommand, SitePaths, Subprocesses};
use crate::steps::agent::SERVICE;

/// The agent of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Whether it runs, and nothing keeps it from running the kubelet.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl AgentStatus {
    /// Asks systemd; none where no agent was installed.
    pub(super) fn of(paths: &SitePaths) -> Option<Self> {
        if !paths.agent_settings().exists() {
            return None;
        }
        let reason = match AgentSettings::read(paths) {
            Err(error) => Some(with_causes(&error)),
            Ok(settings) => not_active().or_else(|| {
                let addresses = netlink::addresses().ok()?;
                lacking(settings.node.address, addresses.iter().map(|one| one.address))
            }),
        };
        Some(Self { ready: reason.is_none(), reason })
    }
}

/// What systemd says of the unit, unless it is active.
fn not_active() -> Option<String> {
    let ask = HostCommand::new("systemctl").arguments(["is-active", SERVICE]);
    match Subprocesses.run(&ask, None) {
        Ok(output) if output.success => None,
        Ok(output) => {
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Some(format!("the unit {SERVICE} is {state}; `journalctl --unit {SERVICE}` says why"))
        }
        Err(error) => Some(format!("systemd cannot be asked: {error}")),
    }
}

/// Whether the node's address is missing on this host.
fn lacking(address: IpAddr, mut present: impl Iterator<Item = IpAddr>) -> Option<String> {
    let waits = || format!("the node's address {address} is on no interface, and the kubelet waits for it");
    (!present.any(|one| one == address)).then(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_went_away_is_told() {
        let [one, other]: [IpAddr; 2] = [[192, 0, 2, 17].into(), [192, 0, 2, 18].into()];
        assert_eq!(lacking(one, [other, one].into_iter()), None);
        let told = "the node's address 192.0.2.17 is on no interface, and the kubelet waits for it";
        assert_eq!(lacking(one, [other].into_iter()).as_deref(), Some(told));
    }
}
