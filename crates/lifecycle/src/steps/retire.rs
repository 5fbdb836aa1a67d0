//! Removes a resource of the earlier release that the later one lacks or must recreate. Undo restores it, including
//! edits. An upgrade never removes data: volumes, claims, secrets and namespaces stay.

use std::time::Duration;

use landfall_engine::plan::StepId;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::Action;
use super::component::{Component, prune};
use super::mount::Mount;
use super::objects::DELETION_SECONDS;
use super::resolve;
use crate::site::Site;
use landfall_cluster::Inventory;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// The step that made it.
    pub step: StepId,
    /// Its result: a component's objects, or an artifact's volume.
    pub before: Box<Action>,
}

impl Retire {
    /// Returns true if this step can remove the result of an action.
    pub fn takes(action: &Action) -> bool {
        matches!(action, Action::Component(_) | Action::Mount(_))
    }
}

/// Removes a component's objects, then their inventory. Data objects, and objects that another component takes over or
/// has taken over, stay.
fn remove_component(component: &Component, site: &Site) -> Result<Value, StepError> {
    let cluster = site.cluster()?;
    let (namespace, name) = (&component.namespace, &component.owner.component);
    let Some(inventory) = Inventory::read(&cluster, namespace, name)? else { return Ok(Value::Null) };
    let (removed, left) = prune(&cluster, &inventory, &[], site)?;
    cluster.delete(&Inventory::name(namespace, name), Duration::from_secs(DELETION_SECONDS))?;
    Ok(json!({"removed": removed, "left": left}))
}

fn other(action: &Action) -> StepError {
    StepError::new(codes::BUG, format!("an upgrade cannot remove what {action:?} made"))
}

impl Step<Site> for Retire {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(match &*self.before {
            Action::Component(component) => {
                let cluster = site.cluster()?;
                match Inventory::read(&cluster, &component.namespace, &component.owner.component)? {
                    None => ObservedState::Done,
                    Some(inventory) => {
                        ObservedState::Partial(format!("{} of its objects exist", inventory.objects.len()))
                    }
                }
            }
            Action::Mount(mount) => match mount.observe(&mut site.as_it_was()?)? {
                ObservedState::Absent => ObservedState::Done,
                observed => ObservedState::Partial(format!("the volume exists: {observed:?}")),
            },
            action => return Err(other(action)),
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        let Action::Component(component) = &*self.before else { return Ok(Value::Null) };
        component.edits_before_removal(&site.as_it_was()?)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        match &*self.before {
            Action::Component(component) => remove_component(component, site),
            Action::Mount(mount) => Mount::undo(mount, site, &Value::Null).map(|()| Value::Null),
            action => Err(other(action)),
        }
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        // Remaining objects may have been edited since then, and no edit may stop the undo.
        let again = self.before.on_the_way_back_from(&self.before);
        resolve(&again).act(&mut site.as_it_was()?, before).map(drop)
    }
}
