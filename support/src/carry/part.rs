//! Kinds of parts, and the names of their files.

use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::CarryError;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PartKind {
    /// What the site has: releases, roots, license, identifiers.
    Inventory,
    /// The facts of its host, as `landfall facts` prints them.
    Facts,
    /// The report of usage, as `landfall license report` writes it.
    Usage,
    /// The console's audit log with its checkpoints, as the console exports it.
    Audit,
    /// A support bundle, as `landfall support collect` writes it.
    Support,
}

impl PartKind {
    /// All kinds, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Inventory, Self::Facts, Self::Usage, Self::Audit, Self::Support];

    /// Name of the part's file.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory.json",
            Self::Facts => "facts.json",
            Self::Usage => "usage.json",
            Self::Audit => "audit.jsonl",
            Self::Support => "support.tar.gz",
        }
    }

    /// Title of the part, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Facts => "facts of the host",
            Self::Usage => "report of usage",
            Self::Audit => "audit log",
            Self::Support => "support bundle",
        }
    }
}

/// A part that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartRecord {
    /// What it is.
    pub kind: PartKind,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Digest of its file.
    #[schemars(with = "String")]
    pub sha256: Sha256,
}

/// A part that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MissingPart {
    /// What it would be.
    pub kind: PartKind,
    /// Why it is missing.
    pub reason: String,
}

impl PartRecord {
    /// Returns an error for another size or digest than the part's.
    pub fn check(&self, found_bytes: u64, found: Sha256) -> Result<(), CarryError> {
        if (found_bytes, found) == (self.size_bytes, self.sha256) {
            return Ok(());
        }
        Err(CarryError::Differs {
            name: self.kind.file_name(),
            found_bytes,
            found,
            size_bytes: self.size_bytes,
            wanted: self.sha256,
        })
    }
}
