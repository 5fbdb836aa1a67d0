//! Topics of facts, for people and for the findings that judge them.

use schemars::JsonSchema;
use serde::Serialize;

/// Topic of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// Processor and memory.
    Machine,
    /// GPUs and their driver.
    Gpu,
    /// Kernel, systemd, and other software on the host.
    System,
    /// Filesystems.
    Storage,
    /// The clock.
    Clock,
    /// Addresses, ports and firewalls.
    Network,
    /// Rules of the release.
    Rules,
    /// Data and software of the site.
    Site,
    /// The license.
    License,
}

impl Topic {
    /// Returns the title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Machine => "Machine",
            Self::Gpu => "GPUs",
            Self::System => "Operating system",
            Self::Storage => "Storage",
            Self::Clock => "Clock",
            Self::Network => "Network",
            Self::Rules => "Rules of the release",
            Self::Site => "Site",
            Self::License => "License",
        }
    }
}
