//! Decides whether an upgrade tries a component's new form in a canary, and why not.

use landfall_documents::operation::Operation;
use landfall_engine::plan::PlannedStep;
use landfall_release_document::{Canary as Declared, ComponentEntry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use landfall_engine::step::StepError;

use super::UpgradeInputs;
use super::difference::{ComponentChange, Fate, resolve_objects};
use crate::plan::site_steps::step;
use crate::steps::action::Action;
use crate::steps::canary::Canary;
use crate::steps::component::Component;

/// Default seconds until a pod becomes ready.
const READY_SECONDS: u64 = 15;

/// Canary of a changing component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum CanaryChoice {
    /// A pod of the new form is proved next to the running pods, before the rest changes.
    Tried {
        /// Workload of the pod.
        workload: String,
        /// Names of the proofs that the pod must pass.
        proofs: Vec<String>,
        /// Seconds for which it is watched after it starts to receive requests.
        soak_seconds: u64,
    },
    /// There is no canary.
    Skipped {
        /// Reason why there is none, for a person.
        reason: String,
    },
}

/// Reason in a plan that leaves no room for a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// No obstacle.
    None,
    /// The component's objects stay, or none of its pods run yet.
    NotReplaced,
    /// Its pods are replaced for other files.
    Files,
    /// The component stops while data changes.
    Stops,
}

impl Obstacle {
    pub(super) fn of(is_replaced: bool, is_remounted: bool, stops: bool) -> Self {
        match (is_replaced, is_remounted, stops) {
            (false, ..) => Self::NotReplaced,
            (_, true, _) => Self::Files,
            (_, _, true) => Self::Stops,
            _ => Self::None,
        }
    }
}

fn declared_canary<'a>(inputs: &UpgradeInputs<'a>, component: &str) -> Option<(&'a ComponentEntry, &'a Declared)> {
    let entry = inputs.after.release.components.iter().find(|entry| entry.name == component)?;
    entry.canary.as_ref().map(|canary| (entry, canary))
}

fn workload<'a>(canary: &Declared, objects: &'a [Value]) -> Option<&'a Value> {
    let is_it = |object: &&Value| {
        object["kind"] == canary.workload.kind.name() && object["metadata"]["name"] == *canary.workload.name
    };
    objects.iter().find(is_it)
}

impl CanaryChoice {
    /// Returns the canary of a component; `None` if the later release declares none or the component is unchanged.
    /// `objects` are the component's objects in the later release, with the site's values.
    pub(super) fn of(
        inputs: &UpgradeInputs<'_>,
        change: &ComponentChange,
        before: Option<&Component>,
        objects: &[Value],
        obstacle: Obstacle,
    ) -> Result<Option<Self>, StepError> {
        let Some((_, canary)) = declared_canary(inputs, &change.component) else { return Ok(None) };
        let earlier =
            before.map(|before| resolve_objects(before, inputs.before.documents)).transpose()?.unwrap_or_default();
        let reason = match (change.fate, obstacle) {
            (Fate::Added, _) => "nothing of it runs yet".to_owned(),
            (_, Obstacle::NotReplaced) => return Ok(None),
            _ if inputs.operation != Operation::Upgrade => "a rollback returns to what has run here".to_owned(),
            (_, Obstacle::Files) => "its files change, and no pod has those of two releases".to_owned(),
            (_, Obstacle::Stops) => "it stops while data changes".to_owned(),
            (_, Obstacle::None) => match unfit(canary, &earlier, objects) {
                Some(reason) => reason,
                None => return Ok(Some(Self::from_declared(canary))),
            },
        };
        Ok(Some(Self::Skipped { reason }))
    }

    fn from_declared(canary: &Declared) -> Self {
        Self::Tried {
            workload: canary.workload.to_string(),
            proofs: canary.proofs.clone(),
            soak_seconds: canary.soak_seconds,
        }
    }

    /// Plans the step, if there is a canary. It precedes the step that changes the component, and is undone after it.
    pub(super) fn step(&self, inputs: &UpgradeInputs<'_>, component: &Component) -> Option<PlannedStep<Action>> {
        let Self::Tried { soak_seconds, .. } = self else { return None };
        let name = &component.owner.component;
        let (entry, canary) = declared_canary(inputs, name)?;
        let action = Canary { component: component.clone(), canary: canary.clone(), seconds: entry.ready_seconds };
        let title = format!("try {name} in one pod before the rest changes");
        Some(step(format!("canary/{name}"), &title, READY_SECONDS + soak_seconds, Action::Canary(action)))
    }
}

/// Returns the reason why a workload gets no canary at this site.
fn unfit(canary: &Declared, earlier: &[Value], later: &[Value]) -> Option<String> {
    let name = &canary.workload;
    let (Some(was), Some(is)) = (workload(canary, earlier), workload(canary, later)) else {
        return Some(format!("nothing of {name} runs yet"));
    };
    let replicas = is["spec"]["replicas"].as_u64().unwrap_or(1);
    if replicas < 2 {
        let pods = if replicas == 1 { "one pod".to_owned() } else { format!("{replicas} pods") };
        return Some(format!("{name} has {pods} at this site"));
    }
    (was["spec"]["template"] == is["spec"]["template"]).then(|| format!("the pods of {name} do not change"))
}
