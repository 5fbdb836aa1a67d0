//! Workloads that stop before data changes: the owners of the data and the components that use it. Undo therefore loses
//! no row, and no software of one release meets data of the other.

use std::collections::BTreeMap;

use landfall_engine::plan::{PlannedStep, StepId};
use landfall_release_document::ReleaseDocument;
use serde_json::Value;

use super::UpgradeInputs;
use crate::plan::site_steps::step;
use crate::steps::action::Action;
use crate::steps::start::Start;
use crate::steps::stop::Stop;

/// Workloads that stop, by component.
pub(super) struct StoppedWorkloads(BTreeMap<String, Vec<Stop>>);

impl StoppedWorkloads {
    pub(super) fn of(inputs: &UpgradeInputs<'_>) -> Self {
        let mut all = inputs.clients.clone();
        for (component, data) in inputs.changed_data {
            let known = all.entry(component.clone()).or_default();
            for stop in data.stops() {
                if known.iter().all(|other| other.workload != stop.workload) {
                    known.push(stop.clone());
                }
            }
        }
        Self(all)
    }

    pub(super) fn component(&self, name: &str) -> &[Stop] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Plans their stops, dependents before the components that they need.
    pub(super) fn stops(&self, before: &ReleaseDocument) -> Vec<PlannedStep<Action>> {
        let names = before.components.iter().rev().map(|component| component.name.as_str());
        let all = names.flat_map(|name| self.component(name).iter().map(move |stop| (name, stop)));
        all.map(|(name, stop)| step(id("stop", name, stop), &format!("stop {name}"), 10, Action::Stop(stop.clone())))
            .collect()
    }

    /// Plans the starts of a component's workloads that the other release has, with the number of pods in `objects`.
    /// `objects` are the component's objects in that release.
    pub(super) fn starts(&self, component: &str, objects: &[Value]) -> Vec<PlannedStep<Action>> {
        Self::plan_starts(component, self.component(component).iter().filter_map(|stop| in_release(stop, objects)))
    }

    /// Plans the starts of a component whose objects do not change, with the earlier number of pods.
    pub(super) fn starts_as_before(&self, component: &str) -> Vec<PlannedStep<Action>> {
        Self::plan_starts(component, self.component(component).iter().cloned())
    }

    fn plan_starts(component: &str, wanted: impl Iterator<Item = Stop>) -> Vec<PlannedStep<Action>> {
        wanted
            .map(|stopped| {
                let id = id("start", component, &stopped);
                step(id, &format!("start {component}"), 0, Action::Start(Start { stopped }))
            })
            .collect()
    }
}

pub(super) fn id(kind: &str, component: &str, stop: &Stop) -> String {
    format!("{kind}/{component}/{}", stop.workload.name)
}

/// Returns true if this step is one of a component's first stops.
pub(super) fn is_stop(step: &StepId, component: &str) -> bool {
    step.0.starts_with(&format!("stop/{component}/"))
}

/// Returns the workload as the other release has it, with the number of pods of its object, if given.
pub(super) fn in_release(stop: &Stop, objects: &[Value]) -> Option<Stop> {
    let is_it =
        |object: &&Value| object["kind"] == stop.workload.kind && object["metadata"]["name"] == stop.workload.name;
    let object = objects.iter().find(is_it)?;
    let replicas = object["spec"]["replicas"].as_u64().and_then(|replicas| u32::try_from(replicas).ok());
    Some(Stop { replicas: replicas.unwrap_or(stop.replicas), ..stop.clone() })
}
