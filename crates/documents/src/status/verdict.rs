//! Verdict of a status: one word, which selects the command's exit code.

use landfall_error_codes::ExitClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SiteState, StatusReport};

/// Verdict of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A release is installed, and everything that should run is ready.
    Ready,
    /// A release is installed, but not everything that should run is ready.
    NotReady,
    /// Nothing is installed.
    Absent,
    /// An operation runs or was interrupted.
    Unfinished,
    /// An operation was interrupted, and only a person can remove the cause.
    Stuck,
    /// Verdict of a newer version.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl Verdict {
    /// Returns the exit code of a program that reports this verdict: 0 for a ready site, otherwise the code of the
    /// matching error class.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::NotReady | Self::Absent | Self::Unknown => ExitClass::NotReady.exit_code(),
            Self::Unfinished => ExitClass::Resumable.exit_code(),
            Self::Stuck => ExitClass::Stuck.exit_code(),
        }
    }
}

impl StatusReport {
    /// Returns the verdict of the report.
    pub fn judge(&self) -> Verdict {
        let is_stuck = || self.operation.as_ref().and_then(|one| one.step.as_ref()).is_some_and(|step| step.stuck);
        match self.state {
            SiteState::Absent => Verdict::Absent,
            SiteState::Installed if self.is_ready() => Verdict::Ready,
            SiteState::Installed => Verdict::NotReady,
            SiteState::InstallInterrupted | SiteState::ChangeInterrupted | SiteState::UninstallInterrupted
                if is_stuck() =>
            {
                Verdict::Stuck
            }
            _ => Verdict::Unfinished,
        }
    }
}
