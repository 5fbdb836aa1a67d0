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
use crate::context::ComponentContext;
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
fn remove_component(component: &Component, context: &ComponentContext) -> Result<Value, StepError> {
    let cluster = context.cluster.connect()?;
    let (namespace, name) = (&component.namespace, &component.owner.component);
    let Some(inventory) = Inventory::read(&cluster, namespace, name)? else { return Ok(Value::Null) };
    let (removed, left) = prune(&cluster, &inventory, &[], context)?;
    cluster.delete(&Inventory::name(namespace, name), Duration::from_secs(DELETION_SECONDS))?;
    Ok(json!({"removed": removed, "left": left}))
}

fn other(action: &Action) -> StepError {
    StepError::new(codes::BUG, format!("an upgrade cannot remove what {action:?} made"))
}

impl Step<ComponentContext> for Retire {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        Ok(match &*self.before {
            Action::Component(component) => {
                let cluster = context.cluster.connect()?;
                match Inventory::read(&cluster, &component.namespace, &component.owner.component)? {
                    None => ObservedState::Done,
                    Some(inventory) => {
                        ObservedState::Partial(format!("{} of its objects exist", inventory.objects.len()))
                    }
                }
            }
            Action::Mount(mount) => match mount.observe(&mut context.as_it_was()?)? {
                ObservedState::Absent => ObservedState::Done,
                observed => ObservedState::Partial(format!("the volume exists: {observed:?}")),
            },
            action => return Err(other(action)),
        })
    }

    fn prepare(&self, context: &mut ComponentContext) -> Result<Value, StepError> {
        let Action::Component(component) = &*self.before else { return Ok(Value::Null) };
        component.edits_before_removal(&context.as_it_was()?)
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        match &*self.before {
            Action::Component(component) => remove_component(component, context),
            Action::Mount(mount) => Mount::undo(mount, context, &Value::Null).map(|()| Value::Null),
            action => Err(other(action)),
        }
    }

    fn undo(&self, context: &mut ComponentContext, before: &Value) -> Result<(), StepError> {
        // Remaining objects may have been edited since then, and no edit may stop the undo.
        let again = self.before.on_the_way_back_from(&self.before);
        let mut earlier = context.as_it_was()?;
        match &again {
            Action::Component(component) => component.act(&mut earlier, before).map(drop),
            Action::Mount(mount) => mount.act(&mut earlier, before).map(drop),
            action => Err(other(action)),
        }
    }
}
