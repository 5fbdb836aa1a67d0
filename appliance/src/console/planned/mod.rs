//! What plans of every kind have: what happens meanwhile, the space that is needed, the steps, and how one is approved.

mod further;
mod outlook;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use self::further::{Further, further};
pub use self::outlook::{ComponentOutlook, Edit, Outlook, Peak, PointOfNoReturn, ValueChange};

/// None for a field that another version has in another form: it is shown with the document's own words.
pub fn where_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| T::deserialize(value).ok())
}

/// The steps of a plan.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Steps {
    pub steps: Vec<Step>,
    pub closing: Vec<Step>,
}

impl Steps {
    /// Seconds that all of them are predicted to take.
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

/// How a plan is approved: where the forms lead, and what they say.
pub struct Approving {
    /// The page of its kind of change.
    pub home: &'static str,
    pub button: &'static str,
    /// The same for a second person.
    pub second: &'static str,
    /// Why the host could find another plan when it begins.
    pub example: &'static str,
    /// What is true of the steps after the commit.
    pub after_commit: &'static str,
    /// Whether data is replaced.
    pub loses_data: bool,
    /// What an administrator of the host runs to take edited fields over; empty where a change touches no object.
    pub overwriting_command: &'static str,
}
