//! What every component is expected to have, and its own statements of what it does without.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// Properties that a component lacks, each with one sentence on why a site can do without.
pub type Without = BTreeMap<Property, Spanned<String>>;

/// A property that every component is expected to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Property {
    /// A probe by which each pod that keeps running tells when it is ready.
    Probes,
    /// Requests for CPU and memory, and a limit of memory, for each container.
    Limits,
    /// A proof that its use works at a site.
    Proofs,
}

impl Property {
    /// All properties, in the order in which messages name them.
    pub const ALL: [Self; 3] = [Self::Probes, Self::Limits, Self::Proofs];

    /// Name in a component's own file, under `without`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::Limits => "limits",
            Self::Proofs => "proofs",
        }
    }
}
