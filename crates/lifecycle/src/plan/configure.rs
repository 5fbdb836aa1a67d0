//! Plans a change of a site's settings from the release and the recorded actions of its steps. Pure.

use std::collections::{BTreeMap, BTreeSet};

use landfall_documents::operation::Operation;
use landfall_error_codes::codes;
use serde_json::Value;

use landfall_engine::plan::{OnFailure, Plan, PlannedStep};
use landfall_engine::step::StepError;

use super::components::{ComponentInputs, component_steps};
use super::site_steps::backup_schedule;
use crate::steps::action::{Action, LastActions};
use crate::steps::component::Component;
use crate::steps::replace::Replace;
use crate::steps::site_secret::SiteSecret;
use landfall_site::configuration::{BackupSettings, Patch};

/// Changing field of an object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Name of the component.
    pub component: String,
    /// Name of the value that fills the field.
    pub value: String,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// JSON Pointer to the field.
    pub path: String,
    /// Current value by the site; null if the field is as the vendor rendered it.
    pub from: Option<Value>,
    /// New value; null if the field will be as the vendor rendered it.
    pub to: Option<Value>,
}

/// Changing setting of Landfall itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingChange {
    /// Key in `site.yaml`, such as `backups.time`.
    pub setting: String,
    /// Current value; null if it is the default.
    pub from: Option<Value>,
    /// New value; null if it will be the default.
    pub to: Option<Value>,
}

/// A planned change of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigurePlan {
    /// Steps of the change, empty if nothing changes.
    pub plan: Plan<Action>,
    /// Changed fields of components' objects.
    pub changes: Vec<FieldChange>,
    /// Changes of Landfall's own settings.
    pub settings: Vec<SettingChange>,
}

/// Plans the steps from the recorded actions to the state that the inputs describe. Only objects of components and site
/// secrets may differ: namespaces, generated secrets and mounts of a release do not depend on settings.
pub fn plan_configure(
    inputs: &ComponentInputs<'_>,
    backups: &BackupSettings,
    made: &LastActions,
) -> Result<ConfigurePlan, StepError> {
    let (mut steps, mut changes, mut settings) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_changed = false;
    for planned in component_steps(inputs)? {
        let before = made.get(&planned.id);
        match (&planned.action, before) {
            (Action::Component(after), Some(Action::Component(before))) => {
                // After an upgrade, the editable fields may differ although the component is unchanged.
                is_changed = Component { editable: after.editable.clone(), ..before.clone() } != *after;
                if is_changed {
                    changes.extend(field_changes(before, after));
                    steps.push(replace(&planned, Action::Component(before.clone())));
                }
            }
            (Action::SiteSecret(after), Some(Action::SiteSecret(before))) if before.number != after.number => {
                settings.push(secret_change(before, after));
                steps.push(replace(&planned, Action::SiteSecret(before.clone())));
            }
            // The wait of a component follows a change of its objects.
            (Action::ComponentReady(_), _) if is_changed => steps.push(planned),
            (Action::ComponentReady(_), _) => {}
            (action, Some(before)) if action == before => {}
            _ => {
                let what = format!("step {} differs for another reason than the site's settings", planned.id);
                return Err(StepError::new(codes::BUG, what));
            }
        }
    }
    let schedule = backup_schedule(backups);
    match made.get(&schedule.id) {
        Some(Action::BackupSchedule(before)) if before.settings == *backups => {}
        Some(Action::BackupSchedule(before)) => {
            settings.extend(setting_changes(&before.settings, backups));
            let before = Box::new(Action::BackupSchedule(before.clone()));
            let action = Action::Replace(Replace { before, after: Box::new(schedule.action.clone()) });
            steps.push(PlannedStep { action, ..schedule });
        }
        _ => {
            let differing = setting_changes(&BackupSettings::default(), backups);
            steps.extend((!differing.is_empty()).then_some(schedule));
            settings.extend(differing);
        }
    }
    let (release, version) = (&inputs.release.name, &inputs.release.version);
    let plan =
        Plan { on_failure: OnFailure::Undo { from: 0 }, ..Plan::new(Operation::Configure, release, version, steps) };
    Ok(ConfigurePlan { plan, changes, settings })
}

fn replace(planned: &PlannedStep<Action>, before: Action) -> PlannedStep<Action> {
    let before = Box::new(before);
    let title = format!("change {}", planned.title.trim_start_matches("apply ").trim_start_matches("store "));
    let action = Action::Replace(Replace { before, after: Box::new(planned.action.clone()) });
    PlannedStep { title, action, ..planned.clone() }
}

/// Describes a new value of a secret by both numbers, because the values themselves are unknown.
pub(crate) fn secret_change(before: &SiteSecret, after: &SiteSecret) -> SettingChange {
    let number = |step: &SiteSecret| Some(format!("given ({})", step.number).into());
    SettingChange { setting: format!("secrets.{}", after.secret.name), from: number(before), to: number(after) }
}

/// Returns the settings of backups that differ.
pub(crate) fn setting_changes(before: &BackupSettings, after: &BackupSettings) -> Vec<SettingChange> {
    let keys = |settings: &BackupSettings| match serde_json::to_value(settings) {
        Ok(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (from, to) = (keys(before), keys(after));
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let change = |name: &String| SettingChange {
        setting: format!("backups.{name}"),
        from: from.get(name).cloned(),
        to: to.get(name).cloned(),
    };
    names.into_iter().map(change).filter(|change| change.from != change.to).collect()
}

/// Returns the fields whose content differs, by the values that set them.
fn field_changes(before: &Component, after: &Component) -> Vec<FieldChange> {
    let key = |patch: &Patch| (patch.value.clone(), patch.kind.clone(), patch.name.clone(), patch.path.clone());
    let contents = |component: &Component| -> BTreeMap<_, Value> {
        component.patches.iter().map(|patch| (key(patch), patch.content.clone())).collect()
    };
    let (from, to) = (contents(before), contents(after));
    let fields = from.keys().chain(to.keys().filter(|key| !from.contains_key(*key)));
    let change = |key: &(String, String, String, String)| {
        let (value, kind, name, path) = key.clone();
        let component = after.owner.component.clone();
        FieldChange { component, value, kind, name, path, from: from.get(key).cloned(), to: to.get(key).cloned() }
    };
    fields.map(change).filter(|change| change.from != change.to).collect()
}
