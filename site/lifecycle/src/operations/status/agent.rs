//! The host's agent, as systemd tells of it, and what it waits for.

use std::net::IpAddr;

use serde::Serialize;

use crate::steps::agent::SERVICE;
use landfall_agent::kubelet;
use landfall_agent::kubelet::Lack;
use landfall_agent::settings::AgentSettings;
use landfall_engine::causes::with_causes;
use landfall_host::command::{CommandRunner, HostCommand, Subprocesses};
use landfall_host::paths::SitePaths;

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
            Ok(settings) => not_active().or_else(|| lacking(settings.node.address)),
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

/// Whether the node's address is missing on this host. Where that cannot be found out, nothing is held against the agent.
fn lacking(address: IpAddr) -> Option<String> {
    match kubelet::lacking_address(address)? {
        lack @ Lack::Address(_) => Some(format!("the node's address {lack}, and the kubelet waits for it")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_went_away_is_told() {
        // Everywhere on lo, and, being for documentation, nowhere at all.
        let [here, nowhere]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [192, 0, 2, 17].into()];
        assert_eq!(lacking(here), None);
        let told = "the node's address 192.0.2.17 is on no interface, and the kubelet waits for it";
        assert_eq!(lacking(nowhere).as_deref(), Some(told));
    }
}
