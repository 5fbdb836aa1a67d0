//! Install: collects everything that can be known, and reports every blocker before the first change.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::parts::short_id;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::bundle::TrustedRelease;
use super::console::ConsoleAddress;
use super::decision::{Decision, Verb, decide};
use super::error::{OperationError, Result};
use super::kept::Adoption;
use super::past::JournaledOperation;
use super::planned::{CheckedInputs, PlannedInstall, SuppliedInputs};
use super::running::RunningOperation;
use super::status::ServiceStatus;
use super::trust::Trust;
use super::{Operations, engine_file};
use crate::context::UndoScope;
use crate::steps::stage::check_media;
use landfall_engine::causes::with_causes;
use landfall_engine::journal::{JournalError, JournalErrorKind};
use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_site::console::console_of;
use landfall_site::license::LicensedHost;
use landfall_site::marks::Marks;
use landfall_site::pins::Pins;
use landfall_site::place::Place;
use landfall_site::site_secrets::{BroughtSecrets, SecretStore};

/// A person's request.
#[derive(Debug, Clone)]
pub struct InstallRequest {
    /// A bundle, one of its parts, the folder of the parts, or its head for planning only.
    pub bundle: PathBuf,
    /// A root document's file, or a fingerprint.
    pub trust: Option<String>,
    /// The site configuration's file.
    pub site: Option<PathBuf>,
    /// True if data that an earlier installation left here is used again.
    pub adopt_data: bool,
    /// File of a license; if omitted, a license that an earlier installation left here is used.
    pub license: Option<PathBuf>,
    /// Names of accepted warnings.
    pub accept: Vec<String>,
    /// Secrets that the release requests.
    pub secrets: BroughtSecrets,
}

/// An install that is possible. Nothing is changed yet.
pub struct PreparedInstall<'a> {
    operations: &'a Operations,
    planned: PlannedInstall,
    media_path: PathBuf,
}

/// Result of an install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallOutcome {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// True if its root is for development only.
    pub development: bool,
    /// Name of the node.
    pub node: String,
    /// Address of the node.
    pub address: String,
    /// Kubeconfig of the administrator.
    pub kubeconfig: PathBuf,
    /// Addresses of components within the cluster.
    pub services: Vec<ServiceStatus>,
    /// Addresses of the console for a browser; absent if the release has no console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleAddress>,
    /// Notes on facts that could not be determined for this report.
    pub notes: Vec<String>,
    /// Files with the generated secrets, readable by root.
    pub secrets: Vec<PathBuf>,
    /// Bytes that this run read from the media, including the search for the bundle and its head.
    pub media_read_bytes: u64,
    /// Bytes that this run read from the store, to check the ends of blobs that an earlier run staged in part.
    pub store_read_bytes: u64,
    /// Bytes that this run wrote into the store.
    pub store_written_bytes: u64,
}

impl InstallOutcome {
    pub(super) fn of(running: &RunningOperation, operations: &Operations) -> Self {
        let site = running.site();
        // The install is already committed: a slow API server must not make it look failed, nor hide addresses.
        let (services, mut notes) = match operations.services() {
            Ok(services) => (services, Vec::new()),
            Err(error) => {
                (Vec::new(), vec![format!("where components are reached is not known: {}", with_causes(&error))])
            }
        };
        let console = console_of(&site.releases.own.release).map(|_| operations.console_address());
        let console = console.and_then(|found| match found {
            Ok(address) => Some(address),
            Err(error) => {
                notes.push(format!("where the console is reached is not known: {}", with_causes(&error)));
                None
            }
        });
        Self {
            release: running.pins.release.clone(),
            version: running.pins.version.clone(),
            development: running.pins.trust.development,
            node: running.pins.place.node().name.clone(),
            address: running.pins.place.node().address.to_string(),
            kubeconfig: site.cluster.kubeconfig().to_owned(),
            services,
            console,
            notes,
            secrets: running.secret_files(),
            media_read_bytes: operations.io.media.totals().read_bytes,
            store_read_bytes: operations.io.store.totals().read_bytes,
            store_written_bytes: operations.io.store.totals().written_bytes,
        }
    }
}

impl Operations {
    /// Determines whether and how the release can be installed here. Reads the bundle's head, the host and the journal;
    /// changes nothing.
    pub fn prepare_install(&self, request: &InstallRequest) -> Result<PreparedInstall<'_>> {
        let planned = self.judge_request(request)?.plan(self.measured_facts()?)?;
        // The process that resumes may have another working directory.
        let media_path =
            std::path::absolute(&request.bundle).map_err(|error| OperationError::io("find", &request.bundle, error))?;
        Ok(PreparedInstall { operations: self, planned, media_path })
    }

    /// Fails if the request has a problem that no package on this host can fix. Such problems are an untrusted bundle,
    /// a host with a release, or an invalid site configuration, secret, license or kept data. Changes nothing.
    ///
    /// # Errors
    /// All blockers at once, including those of the host, if there is such a problem.
    pub fn check_request(&self, request: &InstallRequest) -> Result<()> {
        let judged = self.judge_request(request)?;
        if judged.has_findings() {
            judged.plan(self.measured_facts()?)?;
        }
        Ok(())
    }

    fn judge_request<'r>(&self, request: &'r InstallRequest) -> Result<CheckedInputs<'r>> {
        let trust = Trust::read(request.trust.as_deref(), &request.bundle)?;
        let release = TrustedRelease::find(&request.bundle, &trust, self)?;
        // While another operation runs, the error names it, not its unfinished steps.
        if let Some(holder) = self.journals().holder() {
            return Err(JournalError::from(JournalErrorKind::Busy { holder }).into());
        }
        self.check_vacant()?;
        Marks::read(&self.paths)?.check(&release.verified.identity(), release.verified.id())?;
        let adoption = Adoption::find(&self.paths, &release, request.adopt_data)?;
        let place = LicensedHost::Here { paths: &self.paths, cluster: None };
        let licensing = release.licensing(&place, request.license.as_deref())?;
        let (site, accept, secrets) = (request.site.as_deref(), &request.accept, &request.secrets);
        SuppliedInputs { site, adoption, licensing, accept, secrets }.judge(release, trust)
    }

    fn measured_facts(&self) -> Result<Facts> {
        Ok(facts::collect_measured(&self.paths, &ProbedGpus::now(&self.paths))?)
    }

    /// Plans an install on the host that these facts describe, independent of this host and its software. Changes
    /// nothing.
    pub fn plan_install_from(&self, request: &InstallRequest, facts: &Path) -> Result<PlannedInstall> {
        let trust = Trust::read(request.trust.as_deref(), &request.bundle)?;
        let release = TrustedRelease::find(&request.bundle, &trust, self)?;
        let facts = Facts::read(facts)?;
        let collected = facts.collected_at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let licensing = release.licensing(&LicensedHost::Elsewhere(collected), request.license.as_deref())?;
        let (site, adoption) = (request.site.as_deref(), Adoption::default());
        let brought = SuppliedInputs { site, adoption, licensing, accept: &request.accept, secrets: &request.secrets };
        brought.judge(release, trust)?.plan(facts)
    }

    /// Fails if the host has a release or an unfinished operation.
    pub(super) fn check_vacant(&self) -> Result<()> {
        if let Some(holder) = self.journals().holder() {
            return Err(JournalError::from(JournalErrorKind::Busy { holder }).into());
        }
        self.check_no_journal()
    }

    fn check_no_journal(&self) -> Result<()> {
        let deciding = self.deciding()?;
        match decide(Verb::Install, deciding.as_ref().map(JournaledOperation::position)) {
            Decision::Refuse(refusal) => {
                Err(refusal.of(deciding.as_ref().map(JournaledOperation::release).unwrap_or_default()))
            }
            _ => self.check_not_missing(),
        }
    }
}

impl PreparedInstall<'_> {
    /// Returns the plan.
    pub fn planned_install(&self) -> &PlannedInstall {
        &self.planned
    }

    /// Runs the install. Until the first record is durable, only the data folder is changed.
    pub fn run(self) -> Result<InstallOutcome> {
        let operations = self.operations;
        // A missing part is reported before anything is written.
        let payload = self.planned.release.payload();
        check_media(&operations.paths, &self.media_path, &payload, operations.io.media.clone())?;
        let mut running = self.begin()?;
        running.forward()?;
        operations.keep_step_times(running.plan());
        Ok(InstallOutcome::of(&running, operations))
    }

    fn begin(self) -> Result<RunningOperation> {
        let operations = self.operations;
        durable::create_own_folder(&operations.paths.data())?;
        let lock = operations.journals().lock("install")?;
        // Another install may have run between the first check and the lock.
        operations.check_no_journal()?;
        let engine = operations.place_own_files(&self.planned.release)?;
        if let Some(revocation) = self.planned.release.verified.revocation() {
            Marks::learn(&operations.paths, revocation)?;
        }
        self.planned.licensing.store(&operations.paths)?;
        self.planned.secrets.store(&SecretStore::of(&operations.paths))?;
        let pins = self.pins(engine)?;
        tracing::info!(
            release = pins.release,
            version = pins.version,
            bundle = short_id(pins.bundle),
            "install begins"
        );
        // Done first, so that the shell finds `landfall resume` even after an early interruption.
        engine_file::offer_command(&operations.paths, engine)?;
        let journal = operations.journals().create(&lock, pins)?;
        if let Some(file) = operations.journals().latest()? {
            operations.note_asker(file.number, operations.asker());
        }
        operations.hold(lock, journal, &self.planned.release, None, UndoScope::STEP)
    }

    fn pins(&self, engine: Sha256) -> Result<Pins> {
        let planned = &self.planned;
        let identity = planned.release.verified.identity();
        let plan = serde_json::to_string(planned.plan())
            .map_err(|source| OperationError::Plan { path: self.operations.paths.journal(), source })?;
        Ok(Pins {
            operation: planned.plan().operation,
            bundle: planned.release.verified.id(),
            release: identity.name,
            version: identity.version,
            counter: identity.counter,
            settings: planned.settings.clone(),
            engine,
            trust: planned.trust.pin(&planned.release.verified),
            media_path: self.media_path.clone(),
            place: Place::Host(planned.plan.node.clone()),
            steps: planned.plan().steps.iter().map(|step| step.id.clone()).collect(),
            closing: 0,
            plan,
            kept: Vec::new(),
            accepted: planned.accepted.clone(),
            fitted: planned.fitted.clone(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
