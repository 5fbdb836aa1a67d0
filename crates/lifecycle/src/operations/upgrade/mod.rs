//! Upgrade and rollback: another release replaces the installed one. All changes and all reasons against them are
//! reported before the first change. Any failure before the commit is undone automatically.

mod prepared;
mod request;
mod result;
mod seen;

use std::path::Path;

use landfall_bundle_spec::blobs::BlobEntry;
use landfall_documents::change::DataChoice;
use landfall_documents::operation::Operation;
use landfall_host::facts::Facts;
use landfall_media::stage::check_held;
use landfall_media::store::ContentStore;
use landfall_release_document::UpgradeRoute;
use serde_json::Value;

use self::prepared::Target;
use self::seen::CurrentState;
pub use prepared::PreparedUpgrade;
pub use request::UpgradeRequest;
pub use result::UpgradeOutcome;

use landfall_cluster::Edits;

use super::Operations;
use super::bundle::TrustedRelease;
use super::changed_data::PlannedData;
use super::error::{OperationError, Result, refuse_blocked};
use super::history::History;
use super::planned::sizes;
use super::secrets::{SecretInput, refuse_given};
use super::trust::Trust;
use crate::plan::components::ComponentInputs;
use crate::plan::computed::computed_values;
use crate::plan::configure::SettingChange;
use crate::plan::host_ports::HostPorts;
use crate::plan::network::Networks;
use crate::plan::upgrade::{
    DocumentsOfBoth, EarlierRelease, Experience, Outlook, UpgradeInputs, plan_upgrade, set_edits,
};
use crate::preflight::{self, EarlierSite, Subject};
use crate::steps::action::LastActions;
use crate::steps::stage::find_media;
use landfall_site::backups::refuse_lacking;
use landfall_site::configuration::{ChangedValues, ResolvedValues, SiteConfiguration, resolve_values};
use landfall_site::findings::{self, Finding, Severity};
use landfall_site::license::LicensedHost;
use landfall_site::marks::Marks;
use landfall_site::pins::{KeptRelease, Pins};
use landfall_site::room::FilesystemPeak;
use landfall_site::site_secrets::GivenSecrets;

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
        let input = SecretInput { brought: secrets, are_read: false };
        let made = history.last_actions()?;
        let given = self.secrets_of(&target, &pins, &made, input)?;
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
        refuse_given(&given)?;
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
                node: &pins.place.node().name,
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

#[cfg(test)]
pub(super) mod tests;
