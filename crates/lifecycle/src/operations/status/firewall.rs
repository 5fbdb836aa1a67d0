//! Check that the host's firewalls let packets of pods pass. If a rule is lost with a boot or a restart, they may be
//! blocked. Every pod then stays ready, and the host still reaches every service.

use landfall_documents::status::FirewallStatus;
use landfall_documents::warning::{AcceptedBy, AcceptedWarning};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::CodedError;
use landfall_host::facts::{self, Network};
use landfall_host::paths::SitePaths;

use crate::plan::network::Networks;
use crate::preflight::{closed_firewalls, inbound};
use landfall_site::configuration::SiteConfiguration;
use landfall_site::findings::Finding;

/// Returns the status of a host with these settings, and a note if pods reach others but cannot be reached. The
/// note also says whether a person has accepted that.
pub(super) fn firewall_status(
    paths: &SitePaths,
    settings: &SiteConfiguration,
    accepted: &[AcceptedWarning],
) -> (FirewallStatus, Option<String>) {
    let looked = Networks::of(settings).and_then(|networks| {
        let network = facts::collect_network(paths)?;
        let note = inbound(&network, &networks).map(|finding| note(finding, settings, accepted));
        Ok((from_network(&network, &networks), note))
    });
    looked.unwrap_or_else(|error: StepError| {
        let reason = Some(format!("[{}] {}", error.code().id, with_causes(&error)));
        (FirewallStatus { ready: false, reason, commands: Vec::new() }, None)
    })
}

fn from_network(network: &Network, networks: &Networks) -> FirewallStatus {
    let closed = closed_firewalls(network, networks);
    let reason = closed.first().map(|Finding { code, measured, fix, .. }| format!("[{code}] {measured}. {fix}"));
    FirewallStatus {
        ready: closed.is_empty(),
        reason,
        commands: closed.into_iter().flat_map(|finding| finding.commands).collect(),
    }
}

/// Formats the note. A warning that was accepted before an operation counts only for the same measurement; a name in
/// the settings counts for any.
fn note(finding: Finding, settings: &SiteConfiguration, accepted: &[AcceptedWarning]) -> String {
    let is_same = |one: &&AcceptedWarning| one.name == finding.name && one.measured == finding.measured;
    let before = accepted.iter().find(is_same).map(|one| one.by);
    let listed = settings.accept.contains(&finding.name).then_some(AcceptedBy::SiteConfiguration);
    Finding { accepted: before.or(listed), ..finding }.note()
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::{ClosedChain, ClosedHook, Filter, sample};

    use super::*;

    #[test]
    fn chain_dropping_pods_names_commands() {
        let networks = Networks::of(&SiteConfiguration::default()).unwrap();
        let mut network = sample::sample().network;
        assert_eq!(
            from_network(&network, &networks),
            FirewallStatus { ready: true, reason: None, commands: Vec::new() }
        );
        network.closed_chains.push(ClosedChain {
            filter: Filter::Nftables,
            name: "inet filter forward".to_owned(),
            hook: ClosedHook::Forward,
            accepts: vec!["eth0".to_owned()],
            accepts_to: Some(Vec::new()),
            drops: Vec::new(),
            drops_to: Vec::new(),
        });
        let closed = from_network(&network, &networks);
        let reason = closed.reason.unwrap();
        assert!(
            !closed.ready && reason.starts_with("[LF3023] packets of pods are dropped by inet filter forward"),
            "{reason}"
        );
        assert_eq!(closed.commands[0], "nft insert rule inet filter forward iifname cni0 accept");
        network.closed_chains[0].accepts.push("cni0".to_owned());
        assert!(from_network(&network, &networks).ready);
    }

    #[test]
    fn accepted_closed_firewall_is_noted() {
        let mut settings = SiteConfiguration::default();
        let networks = Networks::of(&settings).unwrap();
        let found = |chain: &str| {
            let mut network = sample::sample().network;
            network.closed_chains.push(ClosedChain {
                filter: Filter::Nftables,
                name: chain.to_owned(),
                hook: ClosedHook::Forward,
                accepts: vec!["cni0".to_owned()],
                accepts_to: Some(Vec::new()),
                drops: Vec::new(),
                drops_to: Vec::new(),
            });
            inbound(&network, &networks).unwrap()
        };
        let finding = found("inet filter forward");
        let at_install = AcceptedWarning {
            name: finding.name.clone(),
            message: finding.message.clone(),
            measured: finding.measured.clone(),
            threshold: String::new(),
            by: AcceptedBy::CommandLine,
        };
        let command = "`nft insert rule inet filter forward oifname cni0 accept`";
        let plain = note(finding.clone(), &settings, &[]);
        assert!(plain.contains(command) && !plain.contains("ccepted "), "{plain}");
        let accepted = note(finding.clone(), &settings, std::slice::from_ref(&at_install));
        assert!(accepted.ends_with("Accepted on the command line (firewall-inbound)."), "{accepted}");
        assert!(!accepted.contains(command), "{accepted}");
        // An acceptance of one chain does not cover another.
        let other = note(found("inet other forward"), &settings, &[at_install]);
        assert!(other.contains("inet other forward oifname"), "{other}");
        settings.accept = vec!["firewall-inbound".to_owned()];
        let listed = note(finding, &settings, &[]);
        assert!(listed.ends_with("Accepted in the site configuration (firewall-inbound)."), "{listed}");
    }
}
