//! Landfall's units on the host as systemd reports them, and their reasons for waiting.

use std::net::IpAddr;

use landfall_agent::kubelet;
use landfall_agent::kubelet::Lack;
use landfall_agent::settings::AgentSettings;
use landfall_agent::units;
use landfall_agent::units::UnitState;
use landfall_documents::status::AgentStatus;
use landfall_engine::causes::with_causes;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::paths::SitePaths;

/// Queries systemd; `None` if no agent was installed.
pub(super) fn agent_status(paths: &SitePaths) -> Option<AgentStatus> {
    if !paths.agent_settings().exists() {
        return None;
    }
    let reason = match AgentSettings::read(paths) {
        Err(error) => Some(with_causes(&error)),
        Ok(settings) => lacking(settings.node.address)
            .or_else(|| units::SERVICES.iter().find_map(|unit| not_active(unit, &Subprocesses))),
    };
    let last_kubelet_error = units::last_kubelet_error(&Subprocesses);
    Some(AgentStatus { ready: reason.is_none(), reason, last_kubelet_error })
}

/// Returns systemd's report of an inactive unit, with messages from the unit and the kubelet's log.
fn not_active(unit: &str, commands: &dyn CommandRunner) -> Option<String> {
    let state = UnitState::of(unit, commands);
    if state.is_active() {
        return None;
    }
    if state.active.is_empty() {
        return Some(format!("systemd does not say how the unit {unit} is"));
    }
    let error = || (unit == units::KUBELET).then(|| units::last_kubelet_error(commands)).flatten();
    let said = Some(state.status).filter(|status| !status.is_empty()).or_else(error);
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    Some(format!("the unit {unit} is {}{said}; `journalctl --unit {unit}` says why", state.active))
}

/// Returns a reason if the node's address is missing on this host; `None` if that cannot be determined.
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
    fn missing_node_address_is_reported() {
        // The first is on lo everywhere. The second is reserved for documentation and exists nowhere.
        let [here, nowhere]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [192, 0, 2, 17].into()];
        assert_eq!(lacking(here), None);
        let told = "the node's address 192.0.2.17 is on no interface, and the kubelet waits for it";
        assert_eq!(lacking(nowhere).as_deref(), Some(told));
    }
}
