//! Webhooks whose servers stop while data changes. Requests that they would judge would fail, both going forward and on
//! undo. They are therefore suspended first, and resumed after their servers are ready again. Each of the two steps
//! undoes the other.

use landfall_cluster::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
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

fn suspend(site: &Site, configurations: &[ObjectName]) -> Result<(), StepError> {
    let cluster = site.cluster()?;
    Ok(configurations.iter().try_for_each(|configuration| cluster.suspend_webhook(configuration))?)
}

fn resume(site: &Site, configurations: &[ObjectName]) -> Result<(), StepError> {
    let cluster = site.cluster()?;
    Ok(configurations.iter().try_for_each(|configuration| cluster.resume_webhook(configuration))?)
}

/// Observes whether each existing configuration is suspended as wanted.
fn observe_suspension(site: &Site, configurations: &[ObjectName], suspended: bool) -> Result<ObservedState, StepError> {
    let cluster = site.cluster()?;
    for configuration in configurations {
        if cluster.is_webhook_suspended(configuration)?.is_some_and(|is_suspended| is_suspended != suspended) {
            return Ok(ObservedState::Absent);
        }
    }
    Ok(ObservedState::Done)
}

impl Step<Site> for SuspendWebhooks {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        observe_suspension(site, &self.configurations, true)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        suspend(site, &self.configurations)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        resume(site, &self.configurations)
    }
}

impl Step<Site> for ResumeWebhooks {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        observe_suspension(site, &self.configurations, false)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        resume(site, &self.configurations)?;
        Ok(Value::Null)
    }

    /// Suspends the webhooks again, because the undo that follows stops their servers.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        suspend(site, &self.configurations)
    }
}
