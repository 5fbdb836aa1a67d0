//! A fact that a device may not have: the value, or the reason for its absence.

use serde::{Deserialize, Serialize};

/// A queried fact: its value, or the reason for its absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading<T> {
    /// The value.
    Value(T),
    /// The reason for its absence.
    Absent(Absence),
}

impl<T> Reading<T> {
    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent(_) => None,
        }
    }

    /// Returns the reason for the absence of a value, if there is none.
    pub fn absence(&self) -> Option<&Absence> {
        match self {
            Self::Value(_) => None,
            Self::Absent(absence) => Some(absence),
        }
    }

    /// Applies a function to the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(change(value)),
            Self::Absent(absence) => Reading::Absent(absence),
        }
    }
}

/// The reason why a fact is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Absence {
    /// Kind of reason.
    pub reason: AbsenceReason,
    /// Message of the driver's library, if the kind alone is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Absence {
    /// Creates a reason that needs no detail.
    pub fn new(reason: AbsenceReason) -> Self {
        Self { reason, detail: None }
    }
}

/// The kinds of reasons why a fact is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AbsenceReason {
    /// The device does not support it.
    NotSupported,
    /// This process may not read it.
    NotPermitted,
    /// The installed driver's library does not have the function: not yet, or no longer.
    NotInDriver,
    /// The device no longer answers.
    Lost,
    /// The device needs a reset before it answers.
    ResetRequired,
    /// The library returned a value that is not known here, such as a mode of a newer driver.
    NotUnderstood,
    /// Any other failure, described in the detail.
    Failed,
}

impl AbsenceReason {
    /// Returns true if the device itself is unusable, rather than a single fact being absent.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Lost | Self::ResetRequired)
    }
}
