//! Plans the change from the installed release to another one, from both releases and the recorded actions. Pure. An
//! upgrade and a rollback are the same plan in opposite directions.

mod canary;
mod components;
mod data;
mod difference;
mod node;
mod outlook;
mod stopped;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use landfall_bundle_spec::Sha256;
use landfall_cluster::ObjectName;
use landfall_documents::operation::Operation;
use landfall_error_codes::codes;
use landfall_release_document::ReleaseDocument;

use super::components::ComponentInputs;
use super::install::{STAGING_RATE, content_steps};
use super::restore::{begin_logs, log_streams, resume_webhooks, suspend_webhooks};
use super::site_steps::{backup_schedule, help_files, host_api, step};
use crate::steps::action::{Action, LastActions};
use crate::steps::back_up::BackUp;
use crate::steps::collect::Collect;
use crate::steps::mark::AdvanceMark;
use crate::steps::prove::Prove;
use crate::steps::stage_release::StageRelease;
use crate::steps::stop::Stop;
use crate::steps::supersede::Supersede;
pub use canary::CanaryChoice;
pub(crate) use components::{ChangedObject, DocumentsOfBoth, WayOfChange, changed_objects, set_edits};
pub use data::ChangedData;
pub(in crate::plan) use difference::images as images_of;
pub use difference::{ComponentChange, Fate, ObjectChange};
use landfall_engine::plan::{OnFailure, Plan, PlannedStep, StepId};
use landfall_engine::step::StepError;
use landfall_site::backups::has_rules;
use landfall_site::configuration::BackupSettings;
pub use node::NodeChange;
pub use outlook::{ComponentOutlook, DataFate, Experience, Interruption, Outlook, PointOfNoReturn, StepTimes};

/// The installed release.
#[derive(Debug, Clone, Copy)]
pub struct EarlierRelease<'a> {
    /// Its document.
    pub release: &'a ReleaseDocument,
    /// Small documents of the release's head, by name.
    pub documents: &'a BTreeMap<String, Vec<u8>>,
    /// Last action of each step of the site.
    pub made: &'a LastActions,
}

/// Inputs of an upgrade's plan.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeInputs<'a> {
    /// An upgrade or a rollback.
    pub operation: Operation,
    /// The installed release.
    pub before: EarlierRelease<'a>,
    /// The target release.
    pub after: ComponentInputs<'a>,
    /// ID of the target release's bundle.
    pub bundle: Sha256,
    /// Bytes of its blobs that the site lacks.
    pub missing_bytes: u64,
    /// Token that names the operation in the folder of volumes.
    pub token: &'a str,
    /// Stops of the workloads that use data of a changed component, by their own component.
    pub clients: &'a BTreeMap<String, Vec<Stop>>,
    /// Configurations of webhooks whose workloads stop.
    pub webhooks: &'a [ObjectName],
    /// True if the node is ready now.
    pub node_ready: bool,
    /// The components that are ready now.
    pub ready: &'a BTreeSet<String>,
    /// Data that one of the releases changes, by component.
    pub changed_data: &'a BTreeMap<String, ChangedData>,
    /// The site's settings of backups.
    pub backups: &'a BackupSettings,
}

/// A planned upgrade or rollback.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradePlan {
    /// The steps.
    pub plan: Plan<Action>,
    /// Change of the node, if any.
    pub node: Option<NodeChange>,
    /// Changes by component, in the order of the later release; removed components last.
    pub components: Vec<ComponentChange>,
}

/// Plans an upgrade or a rollback. Fails if the releases differ in something that cannot change in place.
pub fn plan_upgrade(inputs: &UpgradeInputs<'_>) -> Result<UpgradePlan, StepError> {
    let after = inputs.after.release;
    let node = node::plan(inputs)?;
    let mut stage = step(
        "stage",
        "copy what is missing",
        inputs.missing_bytes / STAGING_RATE,
        Action::StageRelease(StageRelease {}),
    );
    stage.bytes = inputs.missing_bytes;
    let mut steps = vec![stage];
    steps.extend(backup(inputs));
    steps.extend(suspend_webhooks(inputs.webhooks));
    let changed = components::plan(inputs, node.change.is_some())?;
    steps.extend(node.noted);
    steps.extend(changed.noted);
    steps.extend(node.steps);
    steps.extend(content(inputs));
    steps.extend(changed.steps);
    steps.extend(node.agent);
    steps.push(again(inputs, backup_schedule(inputs.backups)));
    steps.push(again(inputs, host_api()));
    steps.push(again(inputs, help_files()));
    steps.extend(components::all_ready(after));
    steps.extend(resume_webhooks(inputs.webhooks));
    steps.push(step("prove", "prove that the release can be used", 30, Action::Prove(Prove {})));
    if inputs.operation == Operation::Upgrade {
        steps.extend(components::soak(after));
        let mark = AdvanceMark { release: after.name.clone(), counter: after.counter, bundle: inputs.bundle };
        steps.push(step("mark", "mark the release as the newest one", 0, Action::AdvanceMark(mark)));
    }
    let mut closing = changed.closing;
    closing.extend(node.closing);
    closing.push(step("collect", "remove what no kept release needs", 2, Action::Collect(Collect {})));
    closing.extend(begin_logs(after, inputs.backups, log_streams(after)));
    // Until everything is staged, the site is unchanged. A removed stick stops the upgrade but does not undo it.
    let on_failure = OnFailure::Undo { from: 1 };
    let plan = Plan { closing, on_failure, ..Plan::new(inputs.operation, &after.name, &after.version, steps) };
    Ok(UpgradePlan { plan, node: node.change, components: changed.components })
}

fn supersede(planned: PlannedStep<Action>, before: &Action) -> PlannedStep<Action> {
    let action = Action::Supersede(Supersede { before: Box::new(before.clone()), after: Box::new(planned.action) });
    PlannedStep { action, ..planned }
}

fn missing(id: &str) -> StepError {
    StepError::new(codes::BUG, format!("no operation of this site has made {id}"))
}

/// Plans a proven backup of the earlier release's data before anything changes. A rollback omits it, because unreadable
/// data may be the reason for the rollback.
fn backup(inputs: &UpgradeInputs<'_>) -> Option<PlannedStep<Action>> {
    let is_wanted = inputs.operation == Operation::Upgrade && has_rules(inputs.before.release);
    is_wanted.then(|| {
        step("backup", "back up all data, and prove the backup", 60, {
            Action::BackUp(BackUp { settings: inputs.backups.clone() })
        })
    })
}

/// Plans the registry's list and the files of new or changed artifacts.
fn content(inputs: &UpgradeInputs<'_>) -> Vec<PlannedStep<Action>> {
    let before: BTreeMap<StepId, Action> =
        content_steps(inputs.before.release).into_iter().map(|planned| (planned.id, planned.action)).collect();
    let mut steps = Vec::new();
    for planned in content_steps(inputs.after.release) {
        match before.get(&planned.id) {
            Some(known) if *known == planned.action => {}
            // Files of a changed artifact have a folder of their own.
            Some(known) if matches!(known, Action::RegistryLinks(_)) => steps.push(supersede(planned, known)),
            _ => steps.push(planned),
        }
    }
    steps
}

/// Plans a unit again: units start the later release's `landfall`, and exist only if that release needs them.
fn again(inputs: &UpgradeInputs<'_>, planned: PlannedStep<Action>) -> PlannedStep<Action> {
    match inputs.before.made.get(&planned.id) {
        Some(before) => supersede(planned, before),
        None => planned,
    }
}
