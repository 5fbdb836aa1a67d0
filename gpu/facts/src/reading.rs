//! One fact that a device may not have: the value, or the reason why there is none.

use serde::{Deserialize, Serialize};

/// A queried fact: its value, or why it is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading<T> {
    /// What was read.
    Value(T),
    /// Why there is no value.
    Absent(Absence),
}

impl<T> Reading<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// Why there is no value, if there is none.
    pub fn absence(&self) -> Option<&Absence> {
        match self {
            Self::Value(_) => None,
            Self::Absent(absence) => Some(absence),
        }
    }

    /// The same reading with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(change(value)),
            Self::Absent(absence) => Reading::Absent(absence),
        }
    }
}

/// Why a fact is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Absence {
    /// The kind of reason.
    pub reason: AbsenceReason,
    /// The message of the driver's library, if the reason alone is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Absence {
    /// A reason that needs no detail.
    pub fn new(reason: AbsenceReason) -> Self {
        Self { reason, detail: None }
    }
}

/// Kinds of reasons why a fact is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AbsenceReason {
    /// The device does not have it.
    NotSupported,
    /// This process may not read it.
    NotPermitted,
    /// The installed driver's library does not have the function: not yet, or no longer.
    NotInDriver,
    /// The device no longer answers.
    Lost,
    /// The device needs a reset before it answers.
    ResetRequired,
    /// The library answered with something that is not known here, such as a mode of a newer driver.
    NotUnderstood,
    /// Any other failure; the detail says which.
    Failed,
}

impl AbsenceReason {
    /// Whether the device itself is unusable, rather than one fact of it missing.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Lost | Self::ResetRequired)
    }
}
