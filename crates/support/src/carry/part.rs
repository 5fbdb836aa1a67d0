//! Kinds of parts, and the names of their files.

use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::CarryError;

/// Kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PartKind {
    /// Inventory of the site: releases, roots, license, identifiers.
    Inventory,
    /// Facts of the host, as `landfall facts` prints them.
    Facts,
    /// Report of usage, as `landfall license report` writes it.
    Usage,
    /// Audit log of the console with its checkpoints, as the console exports it.
    Audit,
    /// Support bundle, as `landfall support collect` writes it.
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

/// Part that is present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartRecord {
    /// Kind of the part.
    pub kind: PartKind,
    /// Size of its file in bytes.
    pub size_bytes: u64,
    /// SHA-256 of its file.
    #[schemars(with = "String")]
    pub sha256: Sha256,
}

/// Part that is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MissingPart {
    /// Kind of the missing part.
    pub kind: PartKind,
    /// Reason why it is missing.
    pub reason: String,
}

impl PartRecord {
    /// Returns an error if size or digest differ from the part's.
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
