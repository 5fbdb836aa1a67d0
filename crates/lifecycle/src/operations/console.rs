//! The console from the host's side: its address, its first administrator, and the host's answers to it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_agent::settings::AgentSettings;
use landfall_audit::{Checkpoint, CheckpointRequest};
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
use crate::steps::console_secrets::ConsoleSecrets;
use landfall_site::console::{AuditRecord, ConsoleCertificate, ConsoleFiles, OneUseToken, PeerKeys, console_of};

/// Secret in which a site supplies the console's certificate.
const SUPPLIED_CERTIFICATE: &str = "console-tls";

/// Time for which a console request waits for the API server.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Time for which a page waits for an API server that accepts connections but does not answer.
pub(super) const CLUSTER_SILENCE: Duration = Duration::from_secs(3);

/// Total time for reading logs: the console waits for fifteen seconds.
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// Addresses and certificates of the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleAddress {
    /// Addresses for a browser; empty if the cluster did not name the port.
    pub addresses: Vec<String>,
    /// Reason why there are no addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of its certificate, as browsers show it.
    pub fingerprint: String,
    /// SHA-256 of the authority that issued it; the authority stays when the certificate is renewed.
    pub authority_fingerprint: String,
    /// Last day of the certificate.
    pub certificate_ends: String,
    /// SHA-256 of the certificate that the site supplies in the Secret `console-tls`, which browsers see instead. It is
    /// absent without that certificate, or if the cluster does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplied_fingerprint: Option<String>,
}

/// Reports of the running or latest operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationProgress {
    /// True if the operation is running.
    pub running: bool,
    /// The operation's name.
    pub operation: Option<String>,
    /// Number that distinguishes the run of the events.
    pub run: u64,
    /// Events after the requested number, each with its number.
    pub events: Vec<(u64, Event)>,
}

impl Operations {
    /// Returns the console's address, and how a browser recognizes the console.
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

    /// Returns the fingerprint of the certificate in the Secret that an administrator may have created.
    fn supplied_fingerprint(&self, namespace: &str) -> Option<String> {
        let name = ObjectName::new("v1", "Secret", namespace, SUPPLIED_CERTIFICATE);
        let secret = self.patient_cluster().ok()?.get(&name).ok()??;
        let chain = STANDARD.decode(secret["data"]["tls.crt"].as_str()?).ok()?;
        Some(Certificate::from_pem(&chain).ok()?.fingerprint())
    }

    /// Issues a one-use token, with which a person becomes an administrator of the console. Earlier tokens are no
    /// longer valid.
    pub fn console_token(&self) -> Result<OneUseToken> {
        self.console_secrets()?;
        Ok(OneUseToken::issue(&ConsoleFiles::of(&self.paths), Timestamp::now())?)
    }

    /// Returns true if a one-use token is valid, and invalidates it.
    pub fn claim_console_token(&self, text: &str) -> Result<bool> {
        Ok(OneUseToken::claim(&ConsoleFiles::of(&self.paths), text, Timestamp::now())?)
    }

    /// Returns the keys of the console and its host, and creates missing ones.
    pub fn console_keys(&self) -> Result<PeerKeys> {
        self.console_secrets()?;
        Ok(PeerKeys::ensure(&ConsoleFiles::of(&self.paths))?)
    }

    /// Fails if the site has no console (LF4802).
    pub fn require_console(&self) -> Result<()> {
        self.console_secrets().map(drop)
    }

    /// Returns the host's signatures of the console's audit log; `None` if the console has never requested one.
    pub fn audit_record(&self) -> Result<Option<AuditRecord>> {
        Ok(AuditRecord::read(&ConsoleFiles::of(&self.paths))?)
    }

    /// Like [`Self::audit_record`], but creates the key if needed.
    pub fn ensure_audit_record(&self) -> Result<AuditRecord> {
        self.console_secrets()?;
        Ok(AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?)
    }

    /// Signs the end of the console's audit log, if its entries continue the last signed ones. On the disk on return.
    /// Two calls must not overlap.
    pub fn sign_audit(&self, request: &CheckpointRequest) -> Result<Checkpoint> {
        let site = site_of(&self.paths)?;
        let record = self.ensure_audit_record()?;
        Ok(record.sign(&ConsoleFiles::of(&self.paths), &site, request, Timestamp::now())?)
    }

    /// Applies the keys and the certificate of the console's pods, and reissues an invalid certificate.
    pub fn renew_console_secrets(&self) -> Result<()> {
        let node = AgentSettings::read(&self.paths)?.node;
        let cluster = self.patient_cluster()?;
        Ok(self.console_secrets()?.apply(&self.paths, &node, &cluster, Timestamp::now())?)
    }

    /// Returns reports of the running or latest change after a number of this run, or all of them for another run. Only
    /// the name is known of operations outside the unit of changes, such as a backup.
    pub fn read_progress(&self, run: u64, after: u64) -> OperationProgress {
        let holder = self.journals().holder();
        let RunEvents { run: last, events } = RunEvents::read(&self.paths);
        let after = if run == last { after } else { 0 };
        let is_other = holder.as_ref().is_some_and(|holder| is_outside(&holder.operation));
        let events = if is_other { Vec::new() } else { events };
        OperationProgress {
            running: holder.is_some(),
            operation: holder.map(|holder| holder.operation),
            run: last,
            events: (1..).zip(events).skip_while(|(number, _)| *number <= after).collect(),
        }
    }

    /// Returns the last lines of each container of a component's pods, by source. A container without logs is left out.
    pub(super) fn recent_logs(&self, component: &str, lines: u32) -> Result<BTreeMap<LogSource, RecentLines>> {
        let (cluster, inventory) = component_of(self.cluster_within(LOGS_LIMIT)?, component)?;
        Ok(cluster.recent_logs(&inventory, lines).map_err(StepError::from)?)
    }

    /// Returns the cluster for a page: it has just answered, and all queries together take at most this long.
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

    /// Returns the step of the console's Secrets, by the installed release.
    fn console_secrets(&self) -> Result<ConsoleSecrets> {
        let release = self.release_of_site()?.ok_or_else(missing)?.release;
        let component = console_of(&release).ok_or_else(missing)?;
        let owner = Owner { release: release.name.clone(), component: component.name.clone() };
        Ok(ConsoleSecrets { namespace: component.namespace.clone(), owner })
    }

    /// Returns the ports of the node that lead to a component's pods.
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

/// Returns true if a verb holds the site's lock without being a change.
pub(super) fn is_outside(verb: &str) -> bool {
    verb == "drill" || verb.starts_with("backup")
}

fn missing() -> StepError {
    StepError::new(codes::CONSOLE_MISSING, "the installed release has no console")
}
