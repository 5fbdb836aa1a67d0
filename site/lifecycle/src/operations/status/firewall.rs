//! Whether the host's firewalls let packets of pods pass: what a rule that was lost with a boot or a restart takes away while every pod
//! stays ready, and the host itself still reaches every service.

use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::Coded;
use landfall_host::facts::{self, Network};
use landfall_host::paths::SitePaths;
use schemars::JsonSchema;
use serde::Serialize;

use crate::configuration::SiteConfiguration;
use crate::plan::network::Networks;
use crate::preflight::{Finding, closed_firewalls, inbound};

/// The host's firewalls, as far as they decide about pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallStatus {
    /// Whether none of them drops what comes from pods.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Shell commands that open them, in their order.
    pub commands: Vec<String>,
}

impl FirewallStatus {
    /// That of a host with a site of these settings, and a note where pods reach others but are not reachable themselves.
    pub(super) fn of(paths: &SitePaths, settings: &SiteConfiguration) -> (Self, Option<String>) {
        let looked = Networks::of(settings).and_then(|networks| {
            let network = facts::collect_network(paths)?;
            let note = inbound(&network, &networks).map(|finding| format!("{}. {}", finding.measured, finding.fix));
            Ok((Self::judged(&network, &networks), note))
        });
        looked.unwrap_or_else(|error: StepError| {
            let reason = Some(format!("[{}] {}", error.code().id, with_causes(&error)));
            (Self { ready: false, reason, commands: Vec::new() }, None)
        })
    }

    fn judged(network: &Network, networks: &Networks) -> Self {
        let closed = closed_firewalls(network, networks);
        let reason = closed.first().map(|Finding { code, measured, fix, .. }| format!("[{code}] {measured}. {fix}"));
        Self {
            ready: closed.is_empty(),
            reason,
            commands: closed.into_iter().flat_map(|finding| finding.commands).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::{ClosedChain, ClosedHook, Filter, sample};

    use super::*;

    #[test]
    fn a_chain_that_drops_what_comes_from_pods_is_named_with_its_commands() {
        let networks = Networks::of(&SiteConfiguration::default()).unwrap();
        let mut network = sample::sample().network;
        assert_eq!(
            FirewallStatus::judged(&network, &networks),
            FirewallStatus { ready: true, reason: None, commands: Vec::new() }
        );
        network.closed_chains.push(ClosedChain {
            filter: Filter::Nftables,
            name: "inet filter forward".to_owned(),
            hook: ClosedHook::Forward,
            accepts: vec!["eth0".to_owned()],
            accepts_to: Some(Vec::new()),
        });
        let closed = FirewallStatus::judged(&network, &networks);
        let reason = closed.reason.unwrap();
        assert!(
            !closed.ready && reason.starts_with("[LF3023] packets of pods are dropped by inet filter forward"),
            "{reason}"
        );
        assert_eq!(closed.commands[0], "nft insert rule inet filter forward iifname cni0 accept");
        network.closed_chains[0].accepts.push("cni0".to_owned());
        assert!(FirewallStatus::judged(&network, &networks).ready);
    }
}
