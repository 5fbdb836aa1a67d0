//! Common content of plans of every kind: interruptions, required space, steps, and approval.

mod further;
mod outlook;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use self::further::{PlanStatement, further};
pub use self::outlook::{ComponentOutlook, Edit, Outlook, Peak, PointOfNoReturn, ValueChange};

/// Deserializes a field; `None` if another version has it in another form, which is then shown in the document's own
/// words.
pub fn where_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| T::deserialize(value).ok())
}

/// Steps of a plan.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Steps {
    pub steps: Vec<Step>,
    pub closing: Vec<Step>,
}

impl Steps {
    /// Returns the predicted seconds of all steps.
    pub fn seconds(&self) -> u64 {
        self.steps.iter().chain(&self.closing).map(|step| step.seconds).sum()
    }
}

/// A step.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Step {
    pub title: String,
    seconds: u64,
    undo: String,
}

impl Step {
    pub fn is_final(&self) -> bool {
        self.undo == "irreversible"
    }
}

/// Approval of a plan: the targets and texts of its forms.
pub struct PlanApproval {
    /// Page of its kind of change.
    pub home: &'static str,
    pub button: &'static str,
    /// Target for a second person.
    pub second: &'static str,
    /// Example of why the host could compute another plan when it begins.
    pub example: &'static str,
    /// Description of the state in the steps after the commit.
    pub after_commit: &'static str,
    /// True if data is replaced.
    pub loses_data: bool,
    /// Command for a host administrator to take over edited fields; empty if a change touches no object.
    pub overwriting_command: &'static str,
}
