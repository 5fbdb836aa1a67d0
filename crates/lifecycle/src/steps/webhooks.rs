//! Webhooks whose servers stop while data changes. Requests that they would judge would fail, both going forward and on
//! undo. They are therefore suspended first, and resumed after their servers are ready again. Each of the two steps
//! undoes the other.

use landfall_cluster::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step that suspends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendWebhooks {
    /// The configurations.
    pub configurations: Vec<ObjectName>,
}

/// Parameters of the step that resumes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeWebhooks {
    /// The configurations.
    pub configurations: Vec<ObjectName>,
}

fn suspend(context: &ComponentContext, configurations: &[ObjectName]) -> Result<(), StepError> {
    let cluster = context.cluster.connect()?;
    Ok(configurations.iter().try_for_each(|configuration| cluster.suspend_webhook(configuration))?)
}

fn resume(context: &ComponentContext, configurations: &[ObjectName]) -> Result<(), StepError> {
    let cluster = context.cluster.connect()?;
    Ok(configurations.iter().try_for_each(|configuration| cluster.resume_webhook(configuration))?)
}

/// Observes whether each existing configuration is suspended as wanted.
fn observe_suspension(
    context: &ComponentContext,
    configurations: &[ObjectName],
    suspended: bool,
) -> Result<ObservedState, StepError> {
    let cluster = context.cluster.connect()?;
    for configuration in configurations {
        if cluster.is_webhook_suspended(configuration)?.is_some_and(|is_suspended| is_suspended != suspended) {
            return Ok(ObservedState::Absent);
        }
    }
    Ok(ObservedState::Done)
}

impl Step<ComponentContext> for SuspendWebhooks {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        observe_suspension(context, &self.configurations, true)
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        suspend(context, &self.configurations)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        resume(context, &self.configurations)
    }
}

impl Step<ComponentContext> for ResumeWebhooks {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        observe_suspension(context, &self.configurations, false)
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        resume(context, &self.configurations)?;
        Ok(Value::Null)
    }

    /// Suspends the webhooks again, because the undo that follows stops their servers.
    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        suspend(context, &self.configurations)
    }
}
