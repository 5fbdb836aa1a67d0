//! Status of a site from its journal, cluster and files. Works at any time: during an operation, after an interruption,
//! and without the API server. Changes nothing and takes no lock.

mod agent;
mod backups;
mod certificates;
mod components;
mod firewall;
mod gpus;
mod host;
mod models;
mod nodes;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod services;
mod verdict;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use landfall_documents::backups::BackupsStatus;
use landfall_documents::status::{OperationStatus, RegistryStatus, ReleaseStatus, SiteState, StatusReport, StepReport};
use landfall_media::store::ContentStore;
use landfall_models::MODELS_DOCUMENT_NAME;
use landfall_release_document::ReleaseDocument;
use serde_json::Value;

use super::Operations;
use super::bundle::TrustedRelease;
use super::console::CLUSTER_SILENCE;
use super::decision::{Decision, Position, Verb, decide};
use super::error::{OperationError, Result};
use super::history::UnreadableJournal;
use super::kept::KeptData;
use crate::replaced_data;
use agent::agent_status;
pub(super) use backups::backups_status;
use certificates::certificates_status;
use firewall::firewall_status;
use gpus::gpus_status;
use host::{clock_status, disk_status, etcd_note, etcd_status, memory_status};
use landfall_agent::units::{HOST_API, UnitState};
use landfall_cluster::{COMPONENT_LABEL, Cluster, ClusterError, MANAGED_BY, MANAGED_BY_LABEL};
use landfall_engine::causes::with_causes;
use landfall_engine::journal::Phase;
use landfall_engine::plan::Plan;
use landfall_host::command::Subprocesses;
use landfall_host::facts::ProbedGpus;
use landfall_site::backups::{BackupFolder, has_rules};
use landfall_site::pins::{Pins, Replay};
use landfall_site::registry::{REGISTRY, answers};
use landfall_site::settled::containers;
use nodes::node_status;
pub use services::ServiceStatus;
use services::service_addresses;
pub(super) use verdict::is_stuck;

/// Time for which status waits for the API server.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Total time of status's queries to the API server: its callers wait for fifteen seconds.
const CLUSTER_LIMIT: Duration = Duration::from_secs(8);

/// Note that prevents a wrong assumption about network policies.
const POLICIES_NOTE: &str = "network policies are stored but not enforced: flannel does not implement them";

impl Operations {
    /// Returns the current status of this host. Facts about GPUs may be up to a minute old.
    pub fn status(&self) -> Result<StatusReport> {
        self.status_with(|| ProbedGpus::recent(&self.paths))
    }

    /// Like [`Self::status`], with a source of GPU facts, which is called only if a release is installed.
    pub(super) fn status_with(&self, gpus: impl FnOnce() -> ProbedGpus) -> Result<StatusReport> {
        let mut report = StatusReport::absent(disk_status(self.paths.data()));
        let history = self.history()?;
        let accepted = history.all_accepted();
        let unreadable: Vec<_> = history.unreadable().iter().map(UnreadableJournal::note).collect();
        let Some(past) = history.into_deciding() else {
            self.check_not_missing()?;
            report.notes.extend(KeptData::find(&self.paths)?.map(|kept| kept.note(&self.paths)));
            report.license = self.license_status(None);
            return Ok(report);
        };
        report.notes.extend(unreadable);
        let running = self.journals().holder();
        report.state = site_state(Some(past.position()), running.is_some());
        let replay = past.replay;
        if replay.torn_bytes > 0 && running.is_none() {
            report.notes.push(format!("the last record was cut off ({} bytes); resume drops it", replay.torn_bytes));
        }
        report.operation = replay.state.pins.as_ref().map(|pins| OperationStatus {
            operation: pins.operation.name().to_owned(),
            running,
            record: replay.last_sequence(),
            at: replay.entries.last().map(|entry| format!("{:.0}", entry.at)),
            journal: past.file.path,
            step: step_report(&replay),
        });
        report.agent = agent_status(&self.paths);
        let probed = gpus();
        report.gpus = gpus_status(&probed);
        self.look_at_host(&mut report, Timestamp::now());
        let pins = replay.state.pins.as_ref();
        let firewall = pins.map(|pins| firewall_status(&self.paths, &pins.settings, &accepted));
        let (firewall, closed_to_others) = firewall.unzip();
        report.firewall = firewall;
        report.notes.extend(closed_to_others.flatten());
        let settings = replay.state.pins.as_ref().map(|pins| pins.settings.backups.clone()).unwrap_or_default();
        report.backups = backups_status(&self.paths, &settings.copy_places());
        report.notes.extend(report.backups.iter().flat_map(|backups| backups::notes(backups, Timestamp::now())));
        report.notes.extend(BackupFolder::of(&self.paths).note());
        report.replaced_data = self.replaced_data()?;
        report.notes.extend(report.replaced_data.iter().map(replaced_data::note));
        let head = replay.state.pins.as_ref().and_then(|pins| {
            report.release = Some(release_status(pins));
            report.accepted.clone_from(&pins.accepted);
            self.head(pins, &mut report.notes)
        });
        report.no_backup = head.as_ref().and_then(|head| no_backup(&head.release, report.backups.as_ref()));
        report.license = self.license_status(head.as_ref());
        report.notes.extend(report.license.iter().flat_map(|license| license.notes.iter().cloned()));
        report.registry = head.as_ref().map(|head| self.registry(head));
        self.ask_cluster(&mut report);
        if let (Some(head), Some(pins)) = (&head, replay.state.pins.as_ref()) {
            gpus::compare_gpus(&mut report, &probed, &head.release, &pins.settings, &self.paths);
            models::add_models(&mut report, head.verified.small_document(MODELS_DOCUMENT_NAME), &probed, pins);
        }
        if let Some(head) = head.filter(|_| report.state == SiteState::Installed) {
            components::add_missing(&mut report, &head.release);
        }
        report.ready = report.is_ready();
        report.verdict = report.judge();
        Ok(report)
    }

    fn look_at_host(&self, report: &mut StatusReport, now: Timestamp) {
        report.certificates = certificates_status(landfall_agent::held_certificates(&self.paths), now);
        let plausibility = landfall_agent::clock_plausibility(&self.paths, now);
        report.clock = Some(clock_status(plausibility, &self.paths, now));
        report.notes.extend(plausibility.note(now, &self.paths));
        report.notes.extend(self.host_api_note());
        report.memory = memory_status();
        report.etcd = etcd_status(&self.paths);
        report.notes.extend(report.etcd.as_ref().and_then(etcd_note));
    }

    /// Returns a note if the console cannot reach the host API.
    fn host_api_note(&self) -> Option<String> {
        let is_wanted = self.paths.host(format!("/etc/systemd/system/{HOST_API}")).exists();
        (is_wanted && !UnitState::of(HOST_API, &Subprocesses).is_on()).then(|| {
            format!(
                "{HOST_API} does not run, so the console knows nothing of this host: `journalctl --unit {HOST_API}` \
                 shows why"
            )
        })
    }

    /// Returns the services of components.
    pub(super) fn services(&self) -> Result<Vec<ServiceStatus>, ClusterError> {
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig())?.with_patience(CLUSTER_PATIENCE);
        let landfalls = format!("{MANAGED_BY_LABEL}={MANAGED_BY}");
        let services = cluster.list(&cluster.resource("v1", "Service")?, None, &landfalls)?;
        Ok(services.iter().filter_map(service_status).collect())
    }

    /// Reads the stored head of the release.
    fn head(&self, pins: &Pins, notes: &mut Vec<String>) -> Option<TrustedRelease> {
        match self.release_of(pins) {
            Ok(head) => Some(head),
            Err(OperationError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                notes.push(format!("the release's head cannot be used: {}", with_causes(&error)));
                None
            }
        }
    }

    fn registry(&self, head: &TrustedRelease) -> RegistryStatus {
        let store = ContentStore::at(self.paths.registry());
        let payload = head.payload();
        let staged = payload.blobs().iter().filter(|blob| store.contains(blob.sha256));
        let (staged_blobs, staged_bytes) = staged.fold((0, 0), |(count, bytes), blob| (count + 1, bytes + blob.size));
        let reason = answers(REGISTRY).err();
        RegistryStatus {
            address: REGISTRY.to_string(),
            ready: reason.is_none(),
            reason,
            staged_blobs,
            blobs: payload.blobs().len(),
            staged_bytes,
        }
    }

    fn ask_cluster(&self, report: &mut StatusReport) {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            report.notes.push("there is no cluster yet".to_owned());
            return;
        }
        let asked =
            Cluster::connect(&kubeconfig).map(|cluster| cluster.with_patience(CLUSTER_PATIENCE)).and_then(|cluster| {
                cluster.answers(CLUSTER_SILENCE)?;
                let cluster = cluster.within(CLUSTER_LIMIT);
                let list = |version: &str, kind: &str| cluster.list(&cluster.resource(version, kind)?, None, "");
                let (pods, leases) = (list("v1", "Pod")?, list("coordination.k8s.io/v1", "Lease")?);
                // Listed after the pods, so that a container that starts in the meantime does not seem to be missing.
                let containers = containers(&self.paths);
                let observed = nodes::Observations { pods, leases, containers, now: Timestamp::now() };
                Ok((list("v1", "Node")?, list("v1", "Service")?, observed, cluster.components()?))
            });
        match asked {
            Ok((nodes, services, observed, components)) => {
                report.nodes = nodes.iter().map(node_status).collect();
                report.components = components;
                nodes::doubt(&mut report.nodes, &mut report.components, &observed);
                if let Some(gpus) = &mut report.gpus {
                    gpus::see_nodes(gpus, &nodes);
                    gpus::name_pods(gpus, &observed.pods, &self.paths);
                }
                report.service_addresses = Some(service_addresses(&services));
                report.notes.push(POLICIES_NOTE.to_owned());
            }
            Err(error) => {
                let silence = format!("the cluster does not answer: {}", with_causes(&error));
                report.notes.push(silence.clone());
                report.cluster_silence = Some(silence);
            }
        }
    }
}

/// Returns why this release's data would be lost with the machine; `None` if it has no data or a backup exists. Also
/// `None` if backups cannot be read, because that reason is reported instead.
fn no_backup(release: &ReleaseDocument, backups: Option<&BackupsStatus>) -> Option<String> {
    let may_exist = backups.is_some_and(|backups| backups.count > 0 || backups.reason.is_some());
    (has_rules(release) && !may_exist).then(|| "no backup exists: if this machine is lost, so is all data".to_owned())
}

/// Returns the state of a site in this position.
pub(super) fn site_state(position: Position, running: bool) -> SiteState {
    match decide(Verb::Status { running }, position) {
        Decision::Report(state) => state,
        _ => SiteState::Absent,
    }
}

fn release_status(pins: &Pins) -> ReleaseStatus {
    ReleaseStatus {
        name: pins.release.clone(),
        version: pins.version.clone(),
        counter: pins.counter,
        bundle: pins.bundle.to_string(),
        root: pins.trust.fingerprint.to_string(),
        development: pins.trust.development,
        trust: pins.trust.source.clone(),
    }
}

/// Returns the next or running step. The plan is parsed without its actions, which may come from a later version.
fn step_report(replay: &Replay) -> Option<StepReport> {
    let state = &replay.state;
    let index = match state.phase {
        Phase::Forward => state.next_forward(),
        Phase::Undoing { .. } => state.next_undo(),
        Phase::Empty | Phase::Committed | Phase::Undone { .. } => None,
    }?;
    let plan: Option<Plan<Value>> = serde_json::from_str(&state.pins.as_ref()?.plan).ok();
    let planned = plan.as_ref().and_then(|plan| plan.step(index));
    let step = &state.steps[index];
    Some(StepReport {
        index: index + 1,
        count: state.steps.len(),
        id: state.pins.as_ref()?.steps[index].to_string(),
        title: planned.map(|planned| planned.title.clone()).unwrap_or_default(),
        status: step.status.name().to_owned(),
        failure: step.undo_failure.clone().or_else(|| step.failure.clone()),
        blocked: step.blocked.clone(),
        stuck: is_stuck(state.phase, step),
    })
}

/// Returns a service that has ports.
fn service_status(service: &Value) -> Option<ServiceStatus> {
    let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let address = Some(text("/spec/clusterIP")).filter(|address| !address.is_empty() && *address != "None");
    // A port with several protocols is shown as one port.
    let ports: BTreeSet<u64> =
        service.pointer("/spec/ports")?.as_array()?.iter().filter_map(|port| port["port"].as_u64()).collect();
    Some(ServiceStatus {
        component: service["metadata"]["labels"][COMPONENT_LABEL].as_str().unwrap_or_default().to_owned(),
        name: format!("{}.{}.svc", text("/metadata/name"), text("/metadata/namespace")),
        address: address.map(ToOwned::to_owned),
        ports: ports.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests;
