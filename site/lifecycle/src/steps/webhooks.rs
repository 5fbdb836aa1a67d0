//! Webhooks whose servers stop while data changes: what they would judge would be refused, on the way forward and on the way back. So they are
//! suspended before, and resumed once their servers are ready again. Each of the two undoes the other.

use landfall_cluster::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

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

/// What is found where each configuration that exists should be suspended, or not.
fn found(site: &Site, configurations: &[ObjectName], suspended: bool) -> Result<Observed, StepError> {
    let cluster = site.cluster()?;
    for configuration in configurations {
        if cluster.is_webhook_suspended(configuration)?.is_some_and(|is_suspended| is_suspended != suspended) {
            return Ok(Observed::Absent);
        }
    }
    Ok(Observed::Done)
}

impl Step<Site> for SuspendWebhooks {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        found(site, &self.configurations, true)
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
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        found(site, &self.configurations, false)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        resume(site, &self.configurations)?;
        Ok(Value::Null)
    }

    /// Whatever is undone after this stops the servers once more.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        suspend(site, &self.configurations)
    }
}
