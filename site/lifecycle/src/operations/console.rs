//! The console as the host sees it: where it is, who may enter it first, and what the host answers it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_agent::settings::AgentSettings;
use landfall_audit::{Checkpoint, CheckpointWish};
use landfall_cluster::{COMPONENT_LABEL, Cluster, LogSource, ObjectName, Owner, RecentLines};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::progress::Event;
use landfall_peer::Certificate;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::administration::component_of;
use super::error::{OperationError, Result};
use super::license_answer::site_of;
use super::unit::RunEvents;
use crate::console::{AuditRecord, ConsoleCertificate, ConsoleFiles, OneUseToken, PeerKeys, console_of};
use crate::steps::console_secrets::ConsoleSecrets;

/// The Secret by which a site supplies the console's certificate.
const SUPPLIED_CERTIFICATE: &str = "console-tls";

/// How long a question of the console waits for the API server.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a page waits for an API server that accepts connections, and says nothing.
pub(super) const CLUSTER_SILENCE: Duration = Duration::from_secs(3);

/// How long logs are read in all: the console waits for fifteen seconds.
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// Where the console is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleAddress {
    /// Its addresses for a browser; none where the cluster did not name its port.
    pub addresses: Vec<String>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of its certificate, as browsers show it.
    pub fingerprint: String,
    /// SHA-256 of the authority that issued it; the authority stays when the certificate is renewed.
    pub authority_fingerprint: String,
    /// The certificate's last day.
    pub certificate_ends: String,
    /// SHA-256 of the certificate that the site supplies in the Secret `console-tls`, which browsers see in place of the other; none where there
    /// is none, or where the cluster does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplied_fingerprint: Option<String>,
}

/// What an operation that runs, or ran last, reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Whether it runs.
    pub running: bool,
    /// What it does.
    pub operation: Option<String>,
    /// What distinguishes the run of the events.
    pub run: u64,
    /// Its events after the wanted number, each with its own.
    pub events: Vec<(u64, Event)>,
}

impl Operations {
    /// Where the console is, and how a browser recognizes it.
    pub fn console_address(&self) -> Result<ConsoleAddress> {
        let ConsoleSecrets { namespace, owner } = self.console_secrets()?;
        let files = ConsoleFiles::of(&self.paths);
        let certificate = ConsoleCertificate::read(&files)?.ok_or_else(missing)?;
        let [fingerprint, authority_fingerprint] = certificate.fingerprints()?;
        let node = AgentSettings::read(&self.paths)?.node;
        let host = if node.address.is_ipv6() { format!("[{}]", node.address) } else { node.address.to_string() };
        let ports = self.node_ports(&owner);
        let reason = ports.as_ref().err().map(|error| with_causes(error));
        let ports = ports.unwrap_or_default();
        Ok(ConsoleAddress {
            addresses: ports.iter().map(|port| format!("https://{host}:{port}/")).collect(),
            reason,
            fingerprint,
            authority_fingerprint,
            certificate_ends: certificate.ends().to_string(),
            supplied_fingerprint: self.supplied_fingerprint(&namespace),
        })
    }

    /// That of the certificate in the Secret that an administrator may have made.
    fn supplied_fingerprint(&self, namespace: &str) -> Option<String> {
        let name = ObjectName::new("v1", "Secret", namespace, SUPPLIED_CERTIFICATE);
        let secret = self.patient_cluster().ok()?.get(&name).ok()??;
        let chain = STANDARD.decode(secret["data"]["tls.crt"].as_str()?).ok()?;
        Some(Certificate::from_pem(&chain).ok()?.fingerprint())
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

    /// The keys of the console and of its host; those that are missing are made.
    pub fn console_keys(&self) -> Result<PeerKeys> {
        self.console_secrets()?;
        Ok(PeerKeys::ensure(&ConsoleFiles::of(&self.paths))?)
    }

    /// Refuses a site without a console (LF4802).
    pub fn require_console(&self) -> Result<()> {
        self.console_secrets().map(drop)
    }

    /// What the host has signed of the console's audit log; none where the console has never asked.
    pub fn audit_record(&self) -> Result<Option<AuditRecord>> {
        Ok(AuditRecord::read(&ConsoleFiles::of(&self.paths))?)
    }

    /// The same; its key is made where there is none.
    pub fn ensure_audit_record(&self) -> Result<AuditRecord> {
        self.console_secrets()?;
        Ok(AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?)
    }

    /// Signs the end of the console's audit log, if its entries continue what was signed last. On the disk when this returns. Two
    /// calls must not overlap.
    pub fn sign_audit(&self, wish: &CheckpointWish) -> Result<Checkpoint> {
        let site = site_of(&self.paths)?;
        let record = self.ensure_audit_record()?;
        Ok(record.sign(&ConsoleFiles::of(&self.paths), &site, wish, Timestamp::now())?)
    }

    /// Gives the console's pods their keys and their certificate, which is issued again if it no longer serves.
    pub fn renew_console_secrets(&self) -> Result<()> {
        let node = AgentSettings::read(&self.paths)?.node;
        let cluster = self.patient_cluster()?;
        Ok(self.console_secrets()?.apply(&self.paths, &node, &cluster, Timestamp::now())?)
    }

    /// What the change that runs, or ran last, reported after a number of this run; all of it if its run is another one. Of what
    /// runs outside of the unit of changes, such as a backup, nothing is known but its name.
    pub fn reported(&self, run: u64, after: u64) -> Reported {
        let holder = self.journals().holder();
        let RunEvents { run: last, events } = RunEvents::read(&self.paths);
        let after = if run == last { after } else { 0 };
        let is_other = holder.as_ref().is_some_and(|holder| is_outside(&holder.operation));
        let events = if is_other { Vec::new() } else { events };
        Reported {
            running: holder.is_some(),
            operation: holder.map(|holder| holder.operation),
            run: last,
            events: (1..).zip(events).skip_while(|(number, _)| *number <= after).collect(),
        }
    }

    /// The last lines of each container of a component's pods, by their source. A container that has logged nothing is left out.
    pub(super) fn recent_logs(&self, component: &str, lines: u32) -> Result<BTreeMap<LogSource, RecentLines>> {
        let (cluster, inventory) = component_of(self.cluster_within(LOGS_LIMIT)?, component)?;
        Ok(cluster.recent_logs(&inventory, lines).map_err(StepError::from)?)
    }

    /// The cluster for a page: it has answered just now, and is asked for this long in all.
    pub(super) fn cluster_within(&self, limit: Duration) -> Result<Cluster> {
        let cluster = self.patient_cluster()?;
        cluster.answers(CLUSTER_SILENCE).map_err(StepError::from)?;
        Ok(cluster.within(limit))
    }

    pub(super) fn patient_cluster(&self) -> Result<Cluster> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            return Err(OperationError::NoCluster { missing: kubeconfig });
        }
        let cluster = Cluster::connect(&kubeconfig).map_err(StepError::from)?;
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

/// Whether a verb holds the site's lock without being a change.
pub(super) fn is_outside(verb: &str) -> bool {
    verb == "drill" || verb.starts_with("backup")
}

fn missing() -> StepError {
    StepError::new(codes::CONSOLE_MISSING, "the installed release has no console")
}
