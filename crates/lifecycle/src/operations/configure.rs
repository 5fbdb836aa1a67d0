//! Configure: changes the settings of the installed release. All changes and all reasons against them are reported
//! before the first change. A failed change is undone automatically.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Operations;
use super::backup::refuse_without_rules;
use super::bundle::TrustedRelease;
use super::change::ChangeOutcome;
use super::changing::{ObjectEdit, refuse_edits};
use super::error::{OperationError, Result, refuse_blocked};
use super::secrets::{SecretInput, refuse_given};
use crate::plan::components::ComponentInputs;
use crate::plan::computed::computed_values;
use crate::plan::configure::{
    ConfigurePlan, FieldChange, SettingChange, plan_configure, secret_change, setting_changes,
};
use crate::plan::gpu_resources::{self, GpuResourceInputs};
use crate::plan::models::{FittedModels, fit_models, is_changed, is_fitted};
use crate::plan::network::Networks;
use crate::plan::upgrade::{DocumentsOfBoth, set_edits};
use crate::steps::action::Action;
use crate::steps::replace::Replace;
use landfall_bundle_spec::head::Contents;
use landfall_cluster::Edits;
use landfall_engine::journal::JournalFile;
use landfall_engine::plan::Plan;
use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_models::MODELS_DOCUMENT_NAME;
use landfall_release_document::ReleaseDocument;
use landfall_site::configuration::{BackupSettings, ChangedValues, ResolvedValues, SiteConfiguration, resolve_values};
use landfall_site::findings::{Finding, refuse_unknown};
use landfall_site::pins::Pins;
use landfall_site::site_secrets::{BroughtSecrets, NewSecrets};

/// A change of settings that is possible. Nothing is changed yet.
pub struct PreparedConfigure<'a> {
    pub(super) operations: &'a Operations,
    /// Pins of the last committed operation.
    pub(super) pins: Pins,
    release: TrustedRelease,
    settings: SiteConfiguration,
    /// Figures of models that were fitted to the host.
    fitted: ResolvedValues,
    planned: ConfigurePlan,
    /// Secret values that a person supplied.
    secrets: NewSecrets,
    /// Changed fields that other managers have edited.
    edits: Vec<ObjectEdit>,
    policy: Edits,
}

/// Result of a change of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigureOutcome {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Components whose objects were changed, in order; empty if the settings do not affect them.
    pub components: Vec<String>,
    /// Changed settings of Landfall itself, such as `backups.time`.
    pub settings: Vec<String>,
}

impl ConfigureOutcome {
    /// Returns the result of a committed change.
    pub(super) fn of(pins: &Pins, plan: &Plan<Action>) -> Self {
        let (release, version) = (pins.release.clone(), pins.version.clone());
        Self { release, version, components: changed_components(plan), settings: changed_settings(plan) }
    }
}

impl Operations {
    /// Plans the change to another site configuration and to supplied secrets; without a configuration, all settings
    /// stay. Reads journals, the kept head and files; changes nothing. `policy` decides about fields that other
    /// managers have edited.
    pub fn prepare_configure(
        &self,
        site: Option<&Path>,
        secrets: &BroughtSecrets,
        policy: Edits,
    ) -> Result<PreparedConfigure<'_>> {
        let request = SecretInput { brought: secrets, are_read: site.is_some() };
        self.prepare_settings(policy, request, |present, schema| match site {
            Some(site) => Ok(SiteConfiguration::read(site, schema)?),
            None => Ok(present.clone()),
        })
    }

    /// Plans a change of some values and secrets of the release, and of the daily backup's time if given, such as
    /// `03:15` or `default`. All other settings stay. Fails if nothing would change.
    pub fn prepare_values(
        &self,
        changed: &ChangedValues,
        backup_time: Option<&str>,
        secrets: &BroughtSecrets,
        policy: Edits,
    ) -> Result<PreparedConfigure<'_>> {
        let request = SecretInput { brought: secrets, are_read: false };
        let prepared = self.prepare_settings(policy, request, |present, schema| {
            let valued = present.with_values(changed, "the changed settings", schema)?;
            match backup_time {
                Some(time) => Ok(valued.with_backup_time(time)?),
                None => Ok(valued),
            }
        })?;
        if backup_time.is_some() {
            refuse_without_rules(&prepared.release)?;
        }
        if prepared.plan().all().next().is_none() {
            return Err(OperationError::SettingsSame);
        }
        Ok(prepared)
    }

    /// Plans the change to the settings that `wanted` derives from the current ones and the release's schema.
    pub(super) fn prepare_settings(
        &self,
        policy: Edits,
        secrets: SecretInput<'_>,
        wanted: impl FnOnce(&SiteConfiguration, &[u8]) -> Result<SiteConfiguration>,
    ) -> Result<PreparedConfigure<'_>> {
        let history = self.idle_history()?;
        let pins = self.changeable(&history)?.clone();
        let release = self.release_of(&pins)?;
        let settings = wanted(&pins.settings, release.site_schema())?;
        refuse_fixed(&pins.settings, &settings)?;
        refuse_unknown(&settings.accept, &release.release)?;
        let made = history.last_actions()?;
        let given = self.given_secrets(&release.release, (&pins.settings, &settings), &made, secrets)?;
        refuse_given(&given)?;
        let fitted = self.refit_models(&pins, &release, &settings)?;
        let computed = computed_values(&Networks::of(&settings)?, &fitted);
        let values = resolve_values(&release.release, &settings, &computed)?;
        let inputs = ComponentInputs {
            release: &release.release,
            documents: &release.documents,
            values: &values,
            secrets: &given.numbers,
            node: &pins.place.node().name,
        };
        let mut planned = plan_configure(&inputs, &settings.backups, &made)?;
        planned.settings.extend(unplanned_changes(&pins.settings, &settings));
        let edits =
            self.dry_run(&planned.plan, DocumentsOfBoth { before: &release.documents, after: &release.documents })?;
        set_edits(&mut planned.plan, policy);
        let secrets = given.new;
        Ok(PreparedConfigure { operations: self, pins, release, settings, fitted, planned, secrets, edits, policy })
    }

    /// Returns the figures of models under these settings. They stay unless settings of models change; then the models
    /// are fitted to the host again. Fails if the host cannot run the models, or would offer fewer GPUs than pods
    /// request.
    fn refit_models(
        &self,
        pins: &Pins,
        release: &TrustedRelease,
        settings: &SiteConfiguration,
    ) -> Result<ResolvedValues> {
        let is_fitted_again = is_fitted(&release.release) && is_changed(&pins.settings, settings);
        if !is_fitted_again && !gpu_resources::is_changed(&release.release, &pins.settings, settings) {
            return Ok(pins.fitted.clone());
        }
        let facts = facts::collect(&self.paths, &ProbedGpus::recent(&self.paths))?;
        if is_fitted_again {
            let FittedModels { values, findings } = fitted_to(&facts, &release.release, &release.verified, settings);
            refuse_blocked(findings)?;
            return Ok(values);
        }
        refuse_blocked(gpu_findings(&facts, &release.release, &release.verified, settings, &pins.fitted))?;
        Ok(pins.fitted.clone())
    }

    /// Returns the figures of a release's models for this host in its current state, with the detected GPUs.
    pub(super) fn fit_models(
        &self,
        release: &TrustedRelease,
        settings: &SiteConfiguration,
        gpus: &ProbedGpus,
    ) -> Result<FittedModels> {
        if !is_fitted(&release.release) {
            return Ok(FittedModels::default());
        }
        let facts = facts::collect(&self.paths, gpus)?;
        Ok(fitted_to(&facts, &release.release, &release.verified, settings))
    }
}

/// Returns the figures of a release's models for these facts, with findings about the GPUs that pods then request.
/// `contents` is its head.
pub(super) fn fitted_to(
    facts: &Facts,
    release: &ReleaseDocument,
    contents: &Contents,
    settings: &SiteConfiguration,
) -> FittedModels {
    let mut found = fit_models(release, contents.small_document(MODELS_DOCUMENT_NAME), facts, settings);
    found.findings.extend(gpu_findings(facts, release, contents, settings, &found.values));
    found
}

/// Compares the GPUs that the pods of a release request with those of the host.
fn gpu_findings(
    facts: &Facts,
    release: &ReleaseDocument,
    contents: &Contents,
    configuration: &SiteConfiguration,
    fitted: &ResolvedValues,
) -> Vec<Finding> {
    let inputs = GpuResourceInputs { release, gpus: facts.gpus.as_ref(), configuration, fitted };
    gpu_resources::findings(&inputs, |name| contents.small_document(name))
}

/// Key of the accepted warnings in `site.yaml`.
const ACCEPT: &str = "accept";

/// Key of the files of secrets in `site.yaml`.
const SECRETS: &str = "secrets";

/// Returns the changes of the accepted warnings and of the files of secrets. No step makes them: the journal of the
/// change has the new settings.
fn unplanned_changes(before: &SiteConfiguration, after: &SiteConfiguration) -> Vec<SettingChange> {
    let accepted = |settings: &SiteConfiguration| (!settings.accept.is_empty()).then(|| json!(settings.accept));
    let sources = |settings: &SiteConfiguration| (!settings.secrets.is_empty()).then(|| json!(settings.secrets));
    let change = |setting: &str, from, to| SettingChange { setting: setting.to_owned(), from, to };
    let changes = [change(ACCEPT, accepted(before), accepted(after)), change(SECRETS, sources(before), sources(after))];
    changes.into_iter().filter(|change| change.from != change.to).collect()
}

/// Returns true if no step makes this change of settings.
fn is_unplanned(change: &SettingChange) -> bool {
    [ACCEPT, SECRETS].contains(&change.setting.as_str())
}

/// Returns the components whose objects a plan replaces, in order.
fn changed_components(plan: &Plan<Action>) -> Vec<String> {
    let component = |action: &Action| match action {
        Action::Component(step) => Some(step.owner.component.clone()),
        _ => None,
    };
    let replaced = plan.all().filter_map(|planned| match &planned.action {
        Action::Replace(step) => component(&step.after),
        _ => None,
    });
    replaced.collect()
}

/// Returns Landfall's own settings that a plan changes.
fn changed_settings(plan: &Plan<Action>) -> Vec<String> {
    let changed = plan.all().filter_map(|planned| match &planned.action {
        Action::BackupSchedule(after) => Some(setting_changes(&BackupSettings::default(), &after.settings)),
        Action::Replace(Replace { before, after }) => match (&**before, &**after) {
            (Action::BackupSchedule(before), Action::BackupSchedule(after)) => {
                Some(setting_changes(&before.settings, &after.settings))
            }
            (Action::SiteSecret(before), Action::SiteSecret(after)) => Some(vec![secret_change(before, after)]),
            _ => None,
        },
        _ => None,
    });
    changed.flatten().map(|change| change.setting).collect()
}

/// Fails if settings change that only an install can set.
fn refuse_fixed(before: &SiteConfiguration, after: &SiteConfiguration) -> Result<()> {
    let fields: Vec<String> = [
        ("node.name", before.node.name == after.node.name),
        ("node.address", before.node.address == after.node.address),
        ("network.podRanges", before.network.pod_ranges == after.network.pod_ranges),
        ("network.serviceRanges", before.network.service_ranges == after.network.service_ranges),
    ]
    .into_iter()
    .filter(|(_, is_equal)| !is_equal)
    .map(|(field, _)| field.to_owned())
    .collect();
    if fields.is_empty() { Ok(()) } else { Err(OperationError::SettingsFixed { fields }) }
}

impl PreparedConfigure<'_> {
    /// Returns the steps; empty if nothing changes.
    pub fn plan(&self) -> &Plan<Action> {
        &self.planned.plan
    }

    /// Returns the changes of components' objects.
    pub fn changes(&self) -> &[FieldChange] {
        &self.planned.changes
    }

    /// Returns the changed fields that were edited, and whether each edit stays.
    pub fn edits(&self) -> &[ObjectEdit] {
        &self.edits
    }

    /// Returns the changes of Landfall's own settings.
    pub fn settings(&self) -> &[SettingChange] {
        &self.planned.settings
    }

    /// Returns the release whose settings change.
    pub(super) fn release(&self) -> &TrustedRelease {
        &self.release
    }

    /// Fails if edits would be lost, unless the policy overwrites them.
    pub(super) fn refuse_edited(&self) -> Result<()> {
        refuse_edits(&self.edits, self.policy)
    }

    /// Runs the change. Fails if edits would be lost, unless the policy overwrites them.
    pub fn run(self) -> Result<ConfigureOutcome> {
        let unplanned = self.planned.settings.iter().filter(|change| is_unplanned(change));
        let unplanned: Vec<String> = unplanned.map(|change| change.setting.clone()).collect();
        if self.planned.plan.all().next().is_none() && unplanned.is_empty() {
            let (release, version) = (self.pins.release, self.pins.version);
            return Ok(ConfigureOutcome { release, version, components: Vec::new(), settings: Vec::new() });
        }
        self.refuse_edited()?;
        let operations = self.operations;
        let file = self.begin()?;
        match operations.end_change(&file)? {
            ChangeOutcome::Configure(mut configured) => {
                // The plan does not contain these settings.
                configured.settings.extend(unplanned);
                Ok(configured)
            }
            other => Err(other.into_unexpected_error()),
        }
    }

    /// Writes the journal of the change. From here on, the change ends even if this process does not.
    pub(super) fn begin(self) -> Result<JournalFile> {
        let Self { operations, pins, release, settings, fitted, planned, secrets, .. } = self;
        let with = |change: Pins| Pins { settings, fitted, ..change };
        operations.begin_change(&planned.plan, &release, &pins, &secrets, with)
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;
    use landfall_media::durable;

    use super::*;
    use crate::operations::install::tests::{Fixture, release};
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_site::site_secrets::NO_SECRETS;

    /// No step makes this change, so only the journal can hold it.
    #[test]
    fn accepted_warning_is_kept_in_settings() {
        let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
        fixture.prepared_install().run().unwrap();
        let operations = &fixture.operations;
        let site = fixture.path("site.yaml");
        let configure = |text: &str| {
            durable::write_file(&site, text.as_bytes(), 0o644).unwrap();
            operations.prepare_configure(Some(&site), &NO_SECRETS, Edits::Refuse)
        };
        let prepared = configure("accept: [swap]\n").unwrap();
        assert_eq!(prepared.settings().iter().map(|change| change.setting.as_str()).collect::<Vec<_>>(), [ACCEPT]);
        let file = prepared.begin().unwrap();
        operations.end_change_here(&file, None).unwrap();
        let settings = || {
            let history = operations.history().unwrap();
            operations.changeable(&history).unwrap().settings.accept.clone()
        };
        assert_eq!(settings(), ["swap"]);
        assert!(configure("accept: [swap]\n").unwrap().settings().is_empty());
        let misspelt = configure("accept: [swop]\n").err().unwrap();
        assert_eq!(landfall_error_codes::CodedError::code(&misspelt), landfall_error_codes::codes::ACCEPTED_UNKNOWN);
        let file = configure("{}\n").unwrap().begin().unwrap();
        operations.end_change_here(&file, None).unwrap();
        assert!(settings().is_empty());
    }

    /// The console changes single values; other settings stay.
    #[test]
    fn ineffective_value_changes_are_refused() {
        let mut document = release(3);
        document["values"] = serde_json::json!([
            { "name": "web.mode", "schema": { "enum": ["fast", "slow"] }, "default": "fast", "targets": [] },
            { "name": "web.replicas", "schema": { "type": "integer" }, "targets": [] },
        ]);
        let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &document);
        fixture.prepared_install().run().unwrap();
        let operations = &fixture.operations;
        let changed = |name: &str, value: serde_json::Value| ChangedValues::from([(name.to_owned(), value)]);
        let code = |changed: &ChangedValues| {
            let error = operations.prepare_values(changed, None, &NO_SECRETS, Edits::Refuse).err().unwrap();
            (landfall_error_codes::CodedError::code(&error).id, error.to_string())
        };
        // No component has the value, so nothing would change.
        assert_eq!(code(&changed("web.mode", "slow".into())).0, codes::SETTINGS_SAME.id);
        assert_eq!(code(&changed("web.mod", "slow".into())).0, codes::SITE_UNKNOWN_KEY.id);
        assert_eq!(code(&changed("web.mode", serde_json::Value::Null)).0, codes::SETTINGS_SAME.id);
        let settings = operations.settings().unwrap();
        assert_eq!(settings.values.len(), 2);
        assert_eq!((settings.values[0].default.clone(), settings.values[0].value.clone()), (Some("fast".into()), None));
    }
}
