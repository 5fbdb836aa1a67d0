//! Upgrade and rollback: another release replaces the installed one. All changes and all reasons against them are
//! reported before the first change. Any failure before the commit is undone automatically.

mod request;
mod result;
mod seen;

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_documents::backups::BackupSummary;
use landfall_documents::operation::Operation;
use landfall_documents::warning::AcceptedWarning;
use landfall_host::facts::Facts;
use landfall_media::stage::check_held;
use landfall_media::store::ContentStore;
use landfall_release_document::UpgradeRoute;
use serde_json::Value;

use self::seen::CurrentState;
pub use request::UpgradeRequest;
pub use result::UpgradeOutcome;

use landfall_cluster::Edits;
use landfall_engine::journal::JournalFile;
use landfall_engine::plan::Plan;

use super::Operations;
use super::bundle::TrustedRelease;
use super::change::ChangeOutcome;
use super::changed_data::{DataChoice, PlannedData};
use super::changing::{ObjectEdit, refuse_edits};
use super::error::{OperationError, Result, refuse_blocked};
use super::history::History;
use super::planned::sizes;
use super::secrets::SecretInput;
use super::trust::Trust;
use crate::backups::refuse_lacking;
use crate::configuration::{ChangedValues, ResolvedValues, SiteConfiguration, resolve_values};
use crate::findings::{self, Finding, Severity};
use crate::license::{LicensedHost, Licensing};
use crate::marks::Marks;
use crate::pins::{KeptRelease, Pins};
use crate::plan::components::ComponentInputs;
use crate::plan::computed::computed_values;
use crate::plan::configure::SettingChange;
use crate::plan::host_ports::HostPorts;
use crate::plan::models::FittedModels;
use crate::plan::network::Networks;
use crate::plan::upgrade::{
    ComponentChange, DocumentsOfBoth, EarlierRelease, Experience, NodeChange, Outlook, UpgradeInputs, UpgradePlan,
    plan_upgrade, set_edits,
};
use crate::preflight::{self, EarlierSite, Subject};
use crate::room::FilesystemPeak;
use crate::site_secrets::GivenSecrets;
use crate::steps::action::{Action, LastActions};
use crate::steps::stage::{check_media, find_media};

/// An upgrade or a rollback that is possible. Nothing is changed yet.
pub struct PreparedUpgrade<'a> {
    pub(super) operations: &'a Operations,
    /// Pins of the last committed operation.
    pub(super) pins: Pins,
    /// Releases that the site keeps, the installed one first.
    kept: Vec<KeptRelease>,
    target: Target,
    planned: UpgradePlan,
    /// Stopping components, the fate of their data, and the point of no return.
    outlook: Outlook,
    /// Values of the installed release that change in the target release.
    values: Vec<SettingChange>,
    /// Peak demand on each filesystem.
    peaks: Vec<FilesystemPeak>,
    /// Changed fields that other managers have edited, and the fate of those edits.
    edits: Vec<ObjectEdit>,
    policy: Edits,
    /// Token that names the operation in the folder of volumes; it differs in each plan.
    pub(super) token: String,
    /// The backup that provides data, if any.
    backup: Option<BackupSummary>,
    /// The applicable license of an upgrade; a rollback needs none.
    licensing: Option<Licensing>,
    /// Warnings of preflight, which do not block.
    warnings: Vec<String>,
    /// Accepted warnings of the operation that brought the target release.
    accepted: Vec<AcceptedWarning>,
    /// Figures of the target release's models, fitted to the host in its current state.
    fitted: FittedModels,
    /// Values of the target release's secrets.
    secrets: GivenSecrets,
}

/// The target release.
struct Target {
    release: TrustedRelease,
    trust: Trust,
    /// Path of its bundle.
    media_path: PathBuf,
    /// Blobs that the site lacks.
    missing: Vec<BlobEntry>,
}

impl Target {
    /// Returns the bytes to copy from the media.
    fn missing_bytes(&self) -> u64 {
        self.missing.iter().map(|blob| blob.size).sum()
    }
}

impl Operations {
    /// Determines whether and how the bundle's release can replace the installed one, under the license in this file or
    /// the site's. Reads journals, heads, the host and the cluster; changes nothing.
    pub fn prepare_upgrade(&self, request: &UpgradeRequest<'_>) -> Result<PreparedUpgrade<'_>> {
        let UpgradeRequest { bundle, license, policy, accept, secrets } = *request;
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?.clone();
        // The chain of roots begins at the newest one that the site trusts, even after a rollback.
        let trust = Trust::from_pinned(history.newest_trust()?.unwrap_or(&pins.trust));
        let release = TrustedRelease::find(bundle, &trust, self)?;
        refuse_unrelated(&pins, &release)?;
        Marks::read(&self.paths)?.check(&release.verified.identity(), release.verified.id())?;
        let place = LicensedHost::Here { paths: &self.paths, cluster: self.cluster_identifier() };
        let licensing = release.licensing(&place, license)?;
        // The process that continues may have another working directory.
        let media_path = std::path::absolute(bundle).map_err(|error| OperationError::io("find", bundle, error))?;
        self.refuse_unfit_delta(&media_path, &release)?;
        let missing = self.missing(&release);
        let target = Target { release, trust, media_path, missing };
        let installed = self.release_of(&pins)?;
        let data = self.data_of_upgrade(&installed.release, &target.release.release)?;
        let wish = SecretInput { brought: secrets, are_read: false };
        let made = history.last_actions()?;
        let given = self.secrets_of(&target, &pins, &made, wish)?;
        let (seen, facts) = self.see_for_upgrade(&target.release, &settings_of(&pins, &target.release)?)?;
        let unready = seen.unready();
        let (kind, past, found) = ((Operation::Upgrade, policy), (&history, &made), (data, given, seen));
        let mut prepared = self.planned_upgrade(kind, past, pins, target, &installed, found)?;
        let mut findings = self.upgrade_findings(&prepared, &facts)?;
        findings.extend(unready);
        findings.append(&mut prepared.fitted.findings);
        findings.append(&mut prepared.secrets.findings);
        let TrustedRelease { release, .. } = &prepared.target.release;
        findings.extend(licensing.blockers(release, prepared.target.release.built_at()));
        // Names in the site's settings may belong to rules of another release.
        findings::accept(&mut findings, accept, &prepared.pins.settings.accept)?;
        findings::sort(&mut findings);
        prepared.licensing = Some(licensing);
        let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        prepared.warnings = warnings.map(Finding::note).collect();
        prepared.accepted = findings::accepted_warnings(&findings);
        refuse_blocked(findings)?;
        Ok(prepared)
    }

    /// Fails if a delta leaves out content that this site lacks. Other faults of the media are found when they are
    /// used, because a head may arrive before its bundle.
    fn refuse_unfit_delta(&self, media_path: &Path, release: &TrustedRelease) -> Result<()> {
        let Ok(media) = find_media(media_path, &release.payload(), self.io.media.clone()) else { return Ok(()) };
        Ok(check_held(&media, &ContentStore::at(self.paths.registry()))?)
    }

    /// Determines how a kept release can replace the installed one: the release of this version, or the previous one.
    /// An unready site may roll back, because that may be the reason. `choice` is the treatment of data that the
    /// installed release has changed; it is required in that case.
    pub fn prepare_rollback(
        &self,
        version: Option<&str>,
        choice: Option<DataChoice>,
        policy: Edits,
    ) -> Result<PreparedUpgrade<'_>> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?.clone();
        let earlier: Vec<KeptRelease> = history.kept_releases().into_iter().skip(1).collect();
        let found = earlier.iter().find(|kept| version.is_none_or(|version| kept.version == version));
        let Some(kept) = found else {
            let kept = earlier.iter().map(|kept| kept.version.clone()).collect();
            return Err(OperationError::NoEarlierRelease { wanted: version.map(str::to_owned), kept });
        };
        let trust = Trust::from_pinned(&kept.trust);
        let release = TrustedRelease::read(&self.head_file(kept.bundle), &trust)?;
        let target = Target { release, trust, media_path: pins.media_path.clone(), missing: Vec::new() };
        let installed = self.release_of(&pins)?;
        let data = self.data_of_rollback(&installed.release, &target.release.release, choice)?;
        let made = history.last_actions()?;
        let given = self.secrets_of(&target, &pins, &made, SecretInput::none())?;
        given.refuse()?;
        let seen = self.see_for_rollback(&target.release, &settings_of(&pins, &target.release)?)?;
        let (kind, past, found) = ((Operation::Rollback, policy), (&history, &made), (data, given, seen));
        let mut prepared = self.planned_upgrade(kind, past, pins, target, &installed, found)?;
        prepared.accepted = history.accepted_warnings(prepared.bundle());
        refuse_lacking(&prepared.peaks, "the data that changes")?;
        Ok(prepared)
    }

    fn planned_upgrade(
        &self,
        (operation, policy): (Operation, Edits),
        (history, made): (&History, &LastActions),
        pins: Pins,
        target: Target,
        installed: &TrustedRelease,
        (data, secrets, seen): (PlannedData, GivenSecrets, CurrentState),
    ) -> Result<PreparedUpgrade<'_>> {
        let settings = settings_of(&pins, &target.release)?;
        let release = &target.release;
        let computed = computed_values(&Networks::of(&settings)?, &seen.fitted.values);
        let values = resolve_values(&release.release, &settings, &computed)?;
        let changed_values = changed_values(&values_of(&pins, installed)?, &values, &pins.settings);
        let mut planned = plan_upgrade(&UpgradeInputs {
            token: &data.token,
            ready: &seen.ready_components(),
            node_ready: seen.is_node_ready(),
            changed_data: &data.changed,
            clients: &data.clients,
            webhooks: &data.webhooks,
            operation,
            before: EarlierRelease { release: &installed.release, documents: &installed.documents, made },
            after: ComponentInputs {
                release: &release.release,
                documents: &release.documents,
                values: &values,
                secrets: &secrets.numbers,
                node: &pins.node.name,
            },
            bundle: release.verified.id(),
            missing_bytes: target.missing_bytes(),
            backups: &settings.backups,
        })?;
        let releases = (&*installed.release, &*release.release);
        let (times, copied) = (history.step_times(), self.copy_sizes(&planned.plan)?);
        let experience = Experience { times: &times, copied: &copied };
        let outlook = Outlook::of(&planned.plan, &planned.components, releases, &experience);
        let edits =
            self.dry_run(&planned.plan, DocumentsOfBoth { before: &installed.documents, after: &release.documents })?;
        set_edits(&mut planned.plan, policy);
        let peaks = self.peaks(&planned.plan, &installed.release, &release.release, &target.missing, &copied)?;
        let (kept, backup, token) = (history.kept_releases(), data.backup, data.token);
        Ok(PreparedUpgrade {
            operations: self,
            pins,
            kept,
            target,
            planned,
            outlook,
            values: changed_values,
            peaks,
            edits,
            policy,
            token,
            backup,
            licensing: None,
            warnings: Vec::new(),
            accepted: Vec::new(),
            fitted: seen.fitted,
            secrets,
        })
    }

    /// Returns the values of the target release's secrets. The site's earlier values stay unless new ones are supplied.
    fn secrets_of(
        &self,
        target: &Target,
        pins: &Pins,
        made: &LastActions,
        request: SecretInput<'_>,
    ) -> Result<GivenSecrets> {
        let settings = (&pins.settings, &pins.settings);
        self.given_secrets(&target.release.release, settings, made, request)
    }

    /// Returns the blobs that the site lacks.
    fn missing(&self, release: &TrustedRelease) -> Vec<BlobEntry> {
        let (store, payload) = (ContentStore::at(self.paths.registry()), release.payload());
        let missing = (0..payload.blobs().len()).filter(|blob| !store.holds(&payload, *blob));
        missing.map(|blob| payload.blob(blob).clone()).collect()
    }

    /// Returns all of the host's blockers of an upgrade at once: insufficient space, and unmet requirements of the
    /// release.
    fn upgrade_findings(&self, prepared: &PreparedUpgrade<'_>, facts: &Facts) -> Result<Vec<Finding>> {
        let target = &prepared.target.release;
        let settings = settings_of(&prepared.pins, target)?;
        let installed = self.release_of_site()?;
        let host_ports = |one: &TrustedRelease| one.host_ports(&prepared.pins.settings, &prepared.pins.fitted);
        let known = installed.as_ref().map(host_ports).unwrap_or_default();
        let before = installed.as_ref().map(|one| EarlierSite { release: &one.release, host_ports: &known });
        let host_ports = target.host_ports(&settings, &prepared.fitted.values);
        let asked = AskedOfHost { release: target, settings: &settings, host_ports: &host_ports };
        Ok(findings_of(&asked, facts, before.as_ref(), &prepared.peaks))
    }
}

/// A release with the settings of a site.
#[derive(Clone, Copy)]
pub(super) struct AskedOfHost<'a> {
    pub(super) release: &'a TrustedRelease,
    pub(super) settings: &'a SiteConfiguration,
    /// Ports of the host that its components use.
    pub(super) host_ports: &'a HostPorts,
}

/// Returns a release's additional requirements for a host with a site, compared with the installed release.
pub(super) fn findings_of(
    asked: &AskedOfHost<'_>,
    facts: &Facts,
    before: Option<&EarlierSite<'_>>,
    peaks: &[FilesystemPeak],
) -> Vec<Finding> {
    let AskedOfHost { release, settings, host_ports } = *asked;
    let subject = Subject {
        facts,
        release: &release.release,
        configuration: settings,
        sizes: sizes(&release.verified, &release.release),
        host_ports,
        built_at: &release.verified.identity().built_at,
    };
    preflight::upgrade(&subject, before, peaks)
}

/// Returns the site's settings in the terms of the release.
fn settings_of(pins: &Pins, release: &TrustedRelease) -> Result<SiteConfiguration> {
    let unchanged = ChangedValues::new();
    Ok(pins.settings.with_values(&unchanged, "the settings of this site", release.site_schema())?)
}

/// Returns the values of the installed release, as resolved by its last change.
fn values_of(pins: &Pins, installed: &TrustedRelease) -> Result<ResolvedValues> {
    let computed = computed_values(&Networks::of(&pins.settings)?, &pins.fitted);
    Ok(resolve_values(&installed.release, &pins.settings, &computed)?)
}

/// Returns values with another result, and the site's settings that the later release no longer has. Values that only
/// the later release has are not changes.
fn changed_values(before: &ResolvedValues, after: &ResolvedValues, settings: &SiteConfiguration) -> Vec<SettingChange> {
    let counts = |name: &String| after.contains_key(name) || settings.values.contains_key(name);
    let changed = before.iter().filter(|(name, value)| counts(name) && after.get(*name) != Some(value));
    let change = |(name, value): (&String, &Value)| SettingChange {
        setting: format!("values.{name}"),
        from: Some(value.clone()),
        to: after.get(name).cloned(),
    };
    changed.map(change).collect()
}

/// Fails if the bundle's release cannot follow the installed one.
pub(super) fn refuse_unrelated(pins: &Pins, release: &TrustedRelease) -> Result<()> {
    let identity = release.verified.identity();
    let installed = format!("{} {}", pins.release, pins.version);
    if identity.name != pins.release {
        return Err(OperationError::OtherRelease { bundle: release.name(), installed });
    }
    if release.verified.id() == pins.bundle {
        return Err(OperationError::SameRelease { release: installed });
    }
    if identity.counter <= pins.counter {
        return Err(OperationError::OlderRelease { bundle: release.name(), installed });
    }
    let through = match release.release.upgrade_path(&pins.version) {
        UpgradeRoute::Direct => return Ok(()),
        UpgradeRoute::Through(version) => Some(version.to_owned()),
        UpgradeRoute::NotAllowed => None,
    };
    Err(OperationError::NoUpgradePath { bundle: release.name(), installed, through })
}

impl PreparedUpgrade<'_> {
    /// Returns the warnings, which do not block.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the steps.
    pub fn plan(&self) -> &Plan<Action> {
        &self.planned.plan
    }

    /// Returns the change of the node, if any.
    pub fn node(&self) -> Option<&NodeChange> {
        self.planned.node.as_ref()
    }

    /// Returns the changes by component.
    pub fn components(&self) -> &[ComponentChange] {
        &self.planned.components
    }

    /// Returns name and version of the installed release.
    pub fn from(&self) -> String {
        format!("{} {}", self.pins.release, self.pins.version)
    }

    /// Returns name and version of the target release.
    pub fn to(&self) -> String {
        self.target.release.name()
    }

    /// Returns its vendor's release notes.
    pub fn notes(&self) -> Option<&str> {
        self.target.release.notes()
    }

    /// Returns the bytes to copy from the media.
    pub fn missing_bytes(&self) -> u64 {
        self.target.missing_bytes()
    }

    /// Returns the stopping components, the fate of their data, and the point of no return.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Returns values of the installed release whose result changes: to another default, or to none.
    pub fn values(&self) -> &[SettingChange] {
        &self.values
    }

    /// Returns the peak demand on each filesystem, in addition to existing data.
    pub fn peaks(&self) -> &[FilesystemPeak] {
        &self.peaks
    }

    /// Returns the changed fields that were edited, and whether each edit stays.
    pub fn edits(&self) -> &[ObjectEdit] {
        &self.edits
    }

    /// Returns the backup that replaces data, if any. Later writes are lost.
    pub fn backup(&self) -> Option<&BackupSummary> {
        self.backup.as_ref()
    }

    /// Runs the change, if `confirmation` is the name of the site whose data is replaced.
    pub fn run_confirmed(self, confirmation: &str) -> Result<UpgradeOutcome> {
        self.operations.confirm(confirmation)?;
        self.execute()
    }

    /// Runs the change. Fails if data would be lost, or if edits would be lost and the policy does not overwrite them.
    pub fn run(self) -> Result<UpgradeOutcome> {
        if self.backup.is_some() {
            self.operations.confirm("")?;
        }
        self.execute()
    }

    /// Returns the ID of the target release's bundle.
    pub(super) fn bundle(&self) -> Sha256 {
        self.target.release.verified.id()
    }

    fn execute(self) -> Result<UpgradeOutcome> {
        let operations = self.operations;
        let file = self.begin_with_media()?;
        match operations.end_change(&file)? {
            ChangeOutcome::Upgrade(upgraded) | ChangeOutcome::Rollback(upgraded) => Ok(upgraded),
            other => Err(other.into_unexpected_error()),
        }
    }

    /// Writes the journal, after a check that the media are complete. Fails if edits would be lost, unless the policy
    /// overwrites them.
    pub(super) fn begin_with_media(self) -> Result<JournalFile> {
        refuse_edits(&self.edits, self.policy)?;
        if self.target.missing_bytes() > 0 {
            // A missing part is reported before anything is written.
            let payload = self.target.release.payload();
            let Operations { paths, io, .. } = self.operations;
            check_media(paths, &self.target.media_path, &payload, io.media.clone())?;
        }
        self.begin()
    }

    fn begin(self) -> Result<JournalFile> {
        let Self { operations, pins, kept, target, planned, licensing, accepted, fitted, secrets, .. } = self;
        let Target { release, trust, media_path, .. } = target;
        if let Some(revocation) = release.verified.revocation() {
            Marks::learn(&operations.paths, revocation)?;
        }
        if let Some(licensing) = licensing {
            licensing.store(&operations.paths)?;
        }
        let identity = release.verified.identity();
        let (bundle, trust): (Sha256, _) = (release.verified.id(), trust.pin(&release.verified));
        operations.begin_change(&planned.plan, &release, &pins, &secrets.new, |change| Pins {
            bundle,
            release: identity.name,
            version: identity.version,
            counter: identity.counter,
            trust,
            media_path,
            kept,
            accepted,
            fitted: fitted.values,
            ..change
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
