//! Plans the steps of components: in the order of the later release, then removed components in reverse order.

use std::collections::{BTreeMap, BTreeSet};

use landfall_error_codes::codes;
use landfall_release_document::{ComponentEntry, ReleaseDocument};
use serde_json::Value;

use super::canary::{CanaryChoice, Obstacle};
use super::data::ChangedData;
use super::difference::{ComponentChange, Fate, object_changes, resolve_objects};
use super::stopped::StoppedWorkloads;
use super::{EarlierRelease, UpgradeInputs, supersede};
use crate::plan::components::component_steps;
use crate::plan::site_steps::step;
use crate::steps::action::{Action, LastActions};
use crate::steps::component::{Component, for_each_claim};
use crate::steps::component_ready::ComponentReady;
use crate::steps::ready_again::ReadyAgain;
use crate::steps::retire::Retire;
use crate::steps::soak::Soak;
use landfall_cluster::{Edits, ObjectName};
use landfall_engine::plan::{Plan, PlannedStep, StepId};
use landfall_engine::step::StepError;

/// Kinds whose pods keep the mounts with which they were created.
const HOLDERS: [&str; 2] = ["Job", "Pod"];

/// Planned steps and the changes that they make.
pub(super) struct ComponentPlan {
    /// Notes of readiness before anything changes. Undone last, when everything that a component may need is restored.
    pub(super) noted: Vec<PlannedStep<Action>>,
    pub(super) steps: Vec<PlannedStep<Action>>,
    /// Steps after the commit.
    pub(super) closing: Vec<PlannedStep<Action>>,
    pub(super) components: Vec<ComponentChange>,
    /// True once `steps` contains the stops.
    have_stopped: bool,
}

/// Plans the steps. If the node changes, pods of every component may be briefly unavailable, so the undo waits for all
/// components.
pub(super) fn plan(inputs: &UpgradeInputs<'_>, node_changes: bool) -> Result<ComponentPlan, StepError> {
    let (noted, steps, closing, components) = Default::default();
    let mut planned = ComponentPlan { noted, steps, closing, components, have_stopped: false };
    let wanted = component_steps(&inputs.after)?;
    let stopped = StoppedWorkloads::of(inputs);
    let ids: BTreeSet<StepId> = wanted.iter().map(|step| step.id.clone()).collect();
    let mut group = Vec::new();
    for step in wanted {
        refuse_other_secret(&step, inputs.before.made)?;
        // The wait is the last step of each component.
        let is_last = matches!(step.action, Action::ComponentReady(_));
        group.push(step);
        if is_last {
            planned.component(inputs, &stopped, std::mem::take(&mut group))?;
        }
    }
    planned.stop_once(inputs, &stopped);
    planned.remove_components(inputs, &ids)?;
    if node_changes {
        planned.note_others(inputs);
    }
    Ok(planned)
}

fn id(kind: &str, component: &str) -> StepId {
    StepId(format!("{kind}/{component}"))
}

fn ready_again(component: &str) -> StepId {
    id("ready-again", component)
}

/// Fails if a Secret of the same name changes its type or origin. A type cannot change. The undo of a given Secret that
/// was generated before would remove the earlier release's Secret.
fn refuse_other_secret(planned: &PlannedStep<Action>, made: &LastActions) -> Result<(), StepError> {
    let is_made =
        |kind: &str, namespace: &str, name: &str| made.contains_key(&id(kind, &format!("{namespace}/{name}")));
    let (name, why) = match (&planned.action, made.get(&planned.id)) {
        (Action::SiteSecret(after), Some(Action::SiteSecret(before)))
            if before.secret_type() != after.secret_type() =>
        {
            (&after.secret.name, "has another type in the new release")
        }
        (Action::SiteSecret(after), None) if is_made("secret", &after.namespace, &after.secret.name) => {
            (&after.secret.name, "is generated now, and given by the site in the new release")
        }
        (Action::Secret(after), None) if is_made("site-secret", &after.namespace, &after.secret.name) => {
            (&after.secret.name, "is given by the site now, and generated in the new release")
        }
        _ => return Ok(()),
    };
    let refused = StepError::new(codes::CHANGE_UNFIT, format!("the Secret {name} {why}"));
    Err(refused.hint("Ask the vendor for a release in which the Secret has another name."))
}

/// Returns the component that its step last applied.
fn made_component<'a>(before: &EarlierRelease<'a>, component: &str) -> Option<&'a Component> {
    match before.made.get(&id("component", component)) {
        Some(Action::Component(component)) => Some(component),
        _ => None,
    }
}

/// Returns true if a volume of this name has other files. A volume never changes and running pods hold its claim, so
/// all three are replaced. Two releases share a name only in a namespace with fixed names of claims.
fn has_other_volume(group: &[PlannedStep<Action>], made: &LastActions) -> bool {
    group.iter().any(|step| {
        matches!(step.action, Action::Mount(_)) && made.get(&step.id).is_some_and(|known| *known != step.action)
    })
}

/// Returns true if a Job or Pod keeps the claims with which it was created and reads others in the later release.
fn holds_claims(before: &Component, inputs: &UpgradeInputs<'_>, later: &[Value]) -> Result<bool, StepError> {
    let held = |objects: &[Value]| -> Result<BTreeMap<String, Vec<String>>, StepError> {
        let held = objects.iter().filter(|object| HOLDERS.iter().any(|kind| object["kind"] == *kind));
        held.map(|object| Ok((ObjectName::of(object)?.to_string(), claims_of(object)))).collect()
    };
    let (earlier, later) = (held(&resolve_objects(before, inputs.before.documents)?)?, held(later)?);
    Ok(later.iter().any(|(name, claims)| earlier.get(name).is_some_and(|known| known != claims)))
}

fn claims_of(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for_each_claim(&mut object.clone(), &mut |claim| found.extend(claim["claimName"].as_str().map(str::to_owned)));
    found
}

fn made_ready(before: &EarlierRelease<'_>, component: &str) -> Option<ComponentReady> {
    match before.made.get(&id("ready", component)) {
        Some(Action::ComponentReady(ready)) => Some(ready.clone()),
        _ => None,
    }
}

fn retire(id: &StepId, title: &str, before: Action) -> PlannedStep<Action> {
    let action = Action::Retire(Retire { step: id.clone(), before: Box::new(before) });
    step(format!("retire/{id}"), title, 10, action)
}

impl ComponentPlan {
    /// Plans the steps of one component, all of which are in `group`; none if it is unchanged.
    fn component(
        &mut self,
        inputs: &UpgradeInputs<'_>,
        stopped: &StoppedWorkloads,
        group: Vec<PlannedStep<Action>>,
    ) -> Result<(), StepError> {
        let Some(after) = group.iter().find_map(|step| match &step.action {
            Action::Component(component) => Some(component.clone()),
            _ => None,
        }) else {
            return Ok(());
        };
        let name = after.owner.component.clone();
        let before = made_component(&inputs.before, &name);
        if let Some(before) = before.filter(|before| before.namespace != after.namespace) {
            let what = format!("{name} is in {} now, and in {} in the new release", before.namespace, after.namespace);
            return Err(StepError::new(codes::UPGRADE_MOVED, what));
        }
        let change = object_changes(&name, before, inputs.before.documents, Some(&after), inputs.after.documents)?;
        let made = inputs.before.made;
        let objects = resolve_objects(&after, inputs.after.documents)?;
        let is_remounted = has_other_volume(&group, made)
            || before.map(|before| holds_claims(before, inputs, &objects)).transpose()?.unwrap_or_default();
        // Another component can change data although the component's own objects stay.
        let data = inputs.changed_data.get(&name);
        let is_changed = change.fate != Fate::Unchanged || is_remounted || data.is_some();
        let stops = !stopped.component(&name).is_empty();
        if (is_changed || stops) && before.is_some() {
            self.note_ready(inputs, &name);
        }
        if stops || data.is_some() {
            self.stop_once(inputs, stopped);
        }
        let is_replaced = change.fate == Fate::Changed || is_remounted;
        let obstacle = Obstacle::of(is_replaced && before.is_some(), is_remounted, stops || data.is_some());
        let canary = CanaryChoice::of(inputs, &change, before, &objects, obstacle)?;
        self.steps.extend(data.map(|data| data.set_apart(&name, inputs.token)).unwrap_or_default());
        self.closing.extend(data.map(|data| data.closing(&name, inputs.token)).unwrap_or_default());
        if let Some(before) = before.filter(|_| is_remounted) {
            let title = format!("stop {name}, whose files change");
            self.steps.push(retire(&id("component", &name), &title, Action::Component(before.clone())));
        }
        for planned in group {
            match (&planned.action, made.get(&planned.id)) {
                (Action::ComponentReady(_), _) if !is_changed && !stops => {}
                (Action::ComponentReady(_), _) => {
                    self.steps.extend(data.map(|data| data.loads(&name, &objects)).unwrap_or_default());
                    let are_applied = change.fate != Fate::Unchanged || is_remounted;
                    let starts =
                        if are_applied { stopped.starts(&name, &objects) } else { stopped.starts_as_before(&name) };
                    self.steps.extend(starts);
                    // The ID distinguishes a changed component from one that only waited.
                    let id = if is_changed { planned.id } else { id("started", &name) };
                    self.steps.push(PlannedStep { id, ..planned });
                    self.steps.extend(data.map(ChangedData::checks).unwrap_or_default());
                }
                (_, None) => self.steps.push(planned),
                (Action::Component(_), Some(_)) if is_remounted => self.steps.push(planned),
                (Action::Component(_), Some(_)) if change.fate == Fate::Unchanged => {}
                (Action::Component(_), Some(known)) => {
                    self.steps.extend(canary.as_ref().and_then(|canary| canary.step(inputs, &after)));
                    let title = format!("change {}", planned.title.trim_start_matches("apply "));
                    self.steps.push(supersede(PlannedStep { title, ..planned }, known));
                }
                (action, Some(known)) if action == known => {}
                (_, Some(known)) => self.steps.push(supersede(planned, known)),
            }
        }
        let fate = if is_changed && change.fate == Fate::Unchanged { Fate::Changed } else { change.fate };
        self.components.push(ComponentChange { fate, stops, canary, ..change });
        Ok(())
    }

    /// Stops all affected workloads once, before the first component that stops or whose data changes. Nothing stops
    /// while earlier steps run, such as a canary.
    fn stop_once(&mut self, inputs: &UpgradeInputs<'_>, stopped: &StoppedWorkloads) {
        if !std::mem::replace(&mut self.have_stopped, true) {
            self.steps.extend(stopped.stops(inputs.before.release));
        }
    }

    /// Makes the undo wait until a component is ready, if it is ready now.
    fn note_ready(&mut self, inputs: &UpgradeInputs<'_>, component: &str) {
        let made = made_ready(&inputs.before, component).filter(|_| inputs.ready.contains(component));
        if let Some(ready) = made {
            let action = Action::ReadyAgain(ReadyAgain { ready });
            let title = format!("note that {component} was ready");
            self.noted.push(step(ready_again(component).0, &title, 0, action));
        }
    }

    /// Notes the readiness of all other components.
    fn note_others(&mut self, inputs: &UpgradeInputs<'_>) {
        for component in &inputs.before.release.components {
            if self.noted.iter().all(|step| step.id != ready_again(&component.name)) {
                self.note_ready(inputs, &component.name);
            }
        }
    }

    /// Removes the objects of components that only the earlier release has, after everything that may use them has
    /// changed. Namespaces, secrets and volumes stay.
    fn remove_components(&mut self, inputs: &UpgradeInputs<'_>, wanted: &BTreeSet<StepId>) -> Result<(), StepError> {
        let before = &inputs.before;
        for component in before.release.components.iter().rev() {
            let id = id("component", &component.name);
            let Some(known) = made_component(before, &component.name).filter(|_| !wanted.contains(&id)) else {
                continue;
            };
            self.note_ready(inputs, &component.name);
            let title = format!("remove {}; its data stays", component.name);
            self.steps.push(retire(&id, &title, Action::Component(known.clone())));
            let change = object_changes(&component.name, Some(known), before.documents, None, before.documents)?;
            self.components.push(change);
        }
        for (id, action) in before.made.iter().filter(|(id, _)| !wanted.contains(id)) {
            if let Action::Mount(mount) = action {
                let title = format!("remove the volume of {}/{}", mount.namespace, mount.claim);
                self.steps.push(retire(id, &title, action.clone()));
            }
        }
        Ok(())
    }
}

/// Waits for every component of a release, including unchanged ones, because the host may have rebooted.
pub(super) fn all_ready(release: &ReleaseDocument) -> impl Iterator<Item = PlannedStep<Action>> {
    release.components.iter().map(|component| {
        let title = format!("check that {} is ready", component.name);
        let id = format!("still-ready/{}", component.name);
        step(id, &title, 0, Action::ComponentReady(ready(component)))
    })
}

fn ready(component: &ComponentEntry) -> ComponentReady {
    ComponentReady {
        component: component.name.clone(),
        namespace: component.namespace.clone(),
        seconds: component.ready_seconds,
    }
}

/// Plans the soak before the commit, if the release declares one.
pub(super) fn soak(release: &ReleaseDocument) -> Option<PlannedStep<Action>> {
    let seconds = release.soak_seconds?;
    let components = release.components.iter().map(ready).collect();
    Some(step("soak", "watch the release before the commit", seconds, Action::Soak(Soak { seconds, components })))
}

/// JSON Pointer to a workload's number of pods.
const REPLICAS: &str = "/spec/replicas";

/// An object that a plan changes.
pub(crate) struct ChangedObject {
    pub(crate) component: String,
    /// The object in the later release, or in the earlier one if it is removed.
    pub(crate) object: Value,
    /// JSON Pointers to its editable fields, whose edits stay.
    pub(crate) editable: Vec<String>,
    pub(crate) way: WayOfChange,
}

/// Kind of change of an object, which decides whether edits survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayOfChange {
    /// Changed in place.
    InPlace,
    /// Deleted and recreated, which loses all edits.
    MadeAnew,
    /// Deleted, with its edits.
    Removed,
}

/// Small documents of both releases of a plan, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentsOfBoth<'a> {
    pub(crate) before: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) after: &'a BTreeMap<String, Vec<u8>>,
}

/// Returns the objects of components that a plan changes, for review before the first change.
pub(crate) fn changed_objects(
    plan: &Plan<Action>,
    documents: DocumentsOfBoth<'_>,
) -> Result<Vec<ChangedObject>, StepError> {
    let (mut retired, mut stopped) = (BTreeMap::new(), Vec::new());
    let (mut objects, mut known) = (Vec::new(), BTreeMap::new());
    for planned in plan.all() {
        let (after, is_made_anew) = match &planned.action {
            Action::Replace(replace) => {
                known.extend(known_component(&replace.before));
                (&*replace.after, false)
            }
            Action::Supersede(supersede) => {
                known.extend(known_component(&supersede.before));
                (&*supersede.after, false)
            }
            Action::Retire(Retire { before, .. }) => {
                retired.extend(known_component(before));
                continue;
            }
            Action::Stop(stop) => {
                stopped.push(&stop.workload);
                continue;
            }
            after => (after, true),
        };
        let Action::Component(component) = after else { continue };
        let name = &component.owner.component;
        if is_made_anew && !retired.contains_key(name.as_str()) {
            continue;
        }
        for object in resolve_objects(component, documents.after)? {
            // Data objects are not removed with their component.
            let is_made_anew = is_made_anew && !ObjectName::of(&object)?.is_never_pruned();
            let mut editable = if is_made_anew { Vec::new() } else { component.editable_of(&object) };
            // Stop overrides the replica count, whoever set it.
            let is_stopped = stopped.iter().any(|workload: &&ObjectName| {
                object["kind"] == *workload.kind && object["metadata"]["name"] == *workload.name
            });
            editable.retain(|path| path != REPLICAS || !is_stopped);
            let way = if is_made_anew { WayOfChange::MadeAnew } else { WayOfChange::InPlace };
            objects.push(ChangedObject { component: name.clone(), object, editable, way });
        }
    }
    known.extend(retired);
    objects.extend(removed_objects(&known, documents.before, &objects)?);
    Ok(objects)
}

fn known_component(action: &Action) -> Option<(&str, &Component)> {
    match action {
        Action::Component(component) => Some((component.owner.component.as_str(), component)),
        _ => None,
    }
}

/// Returns objects of changed or removed components that the later release lacks. Data objects stay.
fn removed_objects(
    before: &BTreeMap<&str, &Component>,
    documents: &BTreeMap<String, Vec<u8>>,
    after: &[ChangedObject],
) -> Result<Vec<ChangedObject>, StepError> {
    let kept: Vec<ObjectName> =
        after.iter().map(|changed| ObjectName::of(&changed.object)).collect::<Result<_, _>>()?;
    let mut removed = Vec::new();
    for (component, known) in before {
        for object in resolve_objects(known, documents)? {
            let name = ObjectName::of(&object)?;
            if !name.is_never_pruned() && !kept.contains(&name) {
                let (component, editable) = ((*component).to_owned(), Vec::new());
                removed.push(ChangedObject { component, object, editable, way: WayOfChange::Removed });
            }
        }
    }
    Ok(removed)
}

/// Sets how a plan treats edits of the fields that it changes.
pub(crate) fn set_edits(plan: &mut Plan<Action>, edits: Edits) {
    let mut retired = BTreeSet::new();
    for planned in plan.steps.iter_mut().chain(&mut plan.closing) {
        let after = match &mut planned.action {
            Action::Replace(replace) => &mut replace.after,
            Action::Supersede(supersede) => &mut supersede.after,
            Action::Retire(Retire { before, .. }) => {
                if let Action::Component(component) = &**before {
                    retired.insert(component.owner.component.clone());
                }
                continue;
            }
            // The component is deleted and recreated; data objects, and edits to them, survive.
            Action::Component(component) if retired.contains(&component.owner.component) => {
                component.edits = edits;
                continue;
            }
            _ => continue,
        };
        **after = after.as_ref().clone().with_edits(edits);
    }
}
