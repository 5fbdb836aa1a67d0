//! Everything that a step of a plan may be. Each variant holds all the parameters of its step, which live beside the
//! step's code in `steps/`, so that a journal's plan can be executed without deciding anything.

use serde::{Deserialize, Serialize};

use crate::steps::identity::Identity;

/// One action of a plan with all its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Marks data folder and operating system as one site.
    Identity(Identity),
}
