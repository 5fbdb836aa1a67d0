//! The console as the host sees it: where it is, who may enter it first, and what the host answers it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use landfall_agent::settings::AgentSettings;
use landfall_agent::units::{BACKUP, UnitState, systemctl};
use landfall_cluster::{COMPONENT_LABEL, Cluster, LogSource, Owner};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner as _, Subprocesses};
use landfall_media::progress::Event;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::error::Result;
use super::unit::reported;
use crate::console::{ConsoleCertificate, ConsoleFiles, LinkKeys, OneUseToken, console_of};
use crate::steps::console_secrets::ConsoleSecrets;

/// How long a question of the console waits for the API server.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Where the console is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleAddress {
    /// Its addresses for a browser.
    pub addresses: Vec<String>,
    /// SHA-256 of its certificate, as browsers show it.
    pub fingerprint: String,
    /// SHA-256 of the authority that issued it; the authority stays when the certificate is renewed.
    pub authority_fingerprint: String,
    /// The certificate's last day.
    pub certificate_ends: String,
}

/// What an operation that runs, or ran last, reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Whether it runs.
    pub running: bool,
    /// What it does.
    pub operation: Option<String>,
    /// Its events after the wanted number, each with its own.
    pub events: Vec<(u64, Event)>,
}

impl Operations {
    /// Where the console is, and how a browser recognizes it.
    pub fn console_address(&self) -> Result<ConsoleAddress> {
        let owner = self.console_secrets()?.owner;
        let files = ConsoleFiles::of(&self.paths);
        let certificate = ConsoleCertificate::read(&files)?.ok_or_else(missing)?;
        let [fingerprint, authority_fingerprint] = certificate.fingerprints()?;
        let node = AgentSettings::read(&self.paths)?.node;
        let host = if node.address.is_ipv6() { format!("[{}]", node.address) } else { node.address.to_string() };
        let ports = self.node_ports(&owner)?;
        Ok(ConsoleAddress {
            addresses: ports.iter().map(|port| format!("https://{host}:{port}/")).collect(),
            fingerprint,
            authority_fingerprint,
            certificate_ends: certificate.ends().to_string(),
        })
    }

    /// Makes a one-use token, by which a person becomes an administrator of the console. Earlier ones no longer count.
    pub fn console_token(&self) -> Result<OneUseToken> {
        self.console_secrets()?;
        Ok(OneUseToken::issue(&ConsoleFiles::of(&self.paths), Timestamp::now())?)
    }

    /// Whether a one-use token counts; from then on it does not.
    pub fn claim_console_token(&self, text: &str) -> Result<bool> {
        Ok(OneUseToken::claim(&ConsoleFiles::of(&self.paths), text, Timestamp::now())?)
    }

    /// The keys of the link between console and host.
    pub fn console_keys(&self) -> Result<LinkKeys> {
        Ok(LinkKeys::read(&ConsoleFiles::of(&self.paths))?.ok_or_else(missing)?)
    }

    /// Issues the console's certificate again if it no longer serves, and gives it to the console's pods.
    pub fn renew_console_certificate(&self) -> Result<()> {
        let node = AgentSettings::read(&self.paths)?.node;
        let cluster = self.patient_cluster()?;
        Ok(self.console_secrets()?.apply(&self.paths, &node, &cluster, Timestamp::now())?)
    }

    /// What the operation that runs, or ran last, reported after a number. An operation that begins starts with 1 again.
    pub fn reported(&self, after: u64) -> Reported {
        let running = self.journals().holder();
        let events = reported(&self.paths);
        // A number that does not exist yet is one of an earlier operation.
        let after = if after > events.len() as u64 { 0 } else { after };
        let numbered = (1..).zip(events).skip_while(|(number, _)| *number <= after);
        Reported {
            running: running.is_some(),
            operation: running.map(|holder| holder.operation),
            events: numbered.collect(),
        }
    }

    /// Starts the unit of backups; false if it runs already.
    pub fn begin_backup(&self) -> Result<bool> {
        if UnitState::of(BACKUP, &Subprocesses).is_on() {
            return Ok(false);
        }
        let start = systemctl(&["start", "--no-block", BACKUP]);
        start.checked(Subprocesses.run(&start, None))?;
        Ok(true)
    }

    /// The last lines of each container of a component's pods, by their source. A container that has logged nothing is left out.
    pub fn recent_logs(&self, component: &str, lines: u32) -> Result<BTreeMap<LogSource, String>> {
        let (cluster, inventory) = self.component(component)?;
        let cluster = cluster.with_patience(CLUSTER_PATIENCE);
        Ok(cluster.recent_logs(&inventory, lines).map_err(StepError::from)?)
    }

    fn patient_cluster(&self) -> Result<Cluster> {
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        Ok(cluster.with_patience(CLUSTER_PATIENCE))
    }

    /// The step that makes the console's Secrets, by the installed release.
    fn console_secrets(&self) -> Result<ConsoleSecrets> {
        let release = self.release_of_site()?.ok_or_else(missing)?.release;
        let component = console_of(&release).ok_or_else(missing)?;
        let owner = Owner { release: release.name.clone(), component: component.name.clone() };
        Ok(ConsoleSecrets { namespace: component.namespace.clone(), owner })
    }

    /// The ports of the node that lead to a component's pods.
    fn node_ports(&self, owner: &Owner) -> Result<Vec<u64>> {
        let cluster = self.patient_cluster()?;
        let listed = cluster
            .resource("v1", "Service")
            .and_then(|kind| cluster.list(&kind, None, &format!("{COMPONENT_LABEL}={}", owner.component)));
        let services = listed.map_err(StepError::from)?;
        let ports = |service: &Value| service.pointer("/spec/ports").and_then(Value::as_array).cloned();
        let ports = services.iter().filter_map(ports).flatten();
        Ok(ports.filter_map(|port| port["nodePort"].as_u64()).collect())
    }
}

fn missing() -> StepError {
    StepError::new(codes::CONSOLE_MISSING, "the installed release has no console")
}
