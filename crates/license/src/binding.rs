//! The site to which a license is bound: digests of identifiers, some of which must match, so that a site stays
//! licensed when a disk or a machine is replaced.
//!
//! Threats:
//! - a license file that reveals serial numbers (it contains only keyed digests);
//! - identifiers that many machines share (placeholders of manufacturers have no digest);
//! - one identifier that counts twice (they are a set).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Context that keys the digests. It must never change, because every license depends on it.
const CONTEXT: &str = "landfall.dev 2026 identifiers of a licensed site";

/// Bytes of a digest: enough that no two sites share one by chance.
const DIGEST_BYTES: usize = 16;

/// Texts that manufacturers write instead of a serial number.
const PLACEHOLDERS: [&str; 13] = [
    "none",
    "n/a",
    "na",
    "unknown",
    "uninitialized",
    "default string",
    "not specified",
    "not applicable",
    "not available",
    "o.e.m.",
    "to be filled by o.e.m.",
    "system serial number",
    "03000200-0400-0500-0006-000700080009",
];

/// The kind of a site's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// Serial number of a main board.
    Board,
    /// UID of the namespace `kube-system`.
    Cluster,
    /// Serial number of a disk.
    Disk,
    /// Machine ID of an operating system.
    Machine,
    /// UUID of a machine, as its firmware reports it.
    Product,
    /// UUID of the site, made by its first install.
    Site,
}

impl IdentifierKind {
    const ALL: [Self; 6] = [Self::Board, Self::Cluster, Self::Disk, Self::Machine, Self::Product, Self::Site];

    /// Name of the kind in a license.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Cluster => "cluster",
            Self::Disk => "disk",
            Self::Machine => "machine",
            Self::Product => "product",
            Self::Site => "site",
        }
    }
}

/// An identifier: its kind and a keyed digest, written `cluster:0123…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    digest: [u8; DIGEST_BYTES],
}

/// The text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identifier such as `cluster:` and 32 hexadecimal digits")]
pub struct InvalidIdentifier(String);

impl Identifier {
    /// Creates the identifier of a value, such as a serial number. Returns `None` for a placeholder, which many
    /// machines share.
    pub fn of(kind: IdentifierKind, value: &str) -> Option<Self> {
        let value = value.trim().to_ascii_lowercase();
        let is_filler = value.chars().all(|letter| matches!(letter, '0' | 'f' | '-' | '.' | ' ' | '_' | 'x'));
        if is_filler || PLACEHOLDERS.contains(&value.as_str()) {
            return None;
        }
        let key = blake3::derive_key(CONTEXT, kind.name().as_bytes());
        let hash = blake3::keyed_hash(&key, value.as_bytes());
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hash.as_bytes()[..DIGEST_BYTES]);
        Some(Self { kind, digest })
    }

    /// Kind of the identifier.
    pub const fn kind(&self) -> IdentifierKind {
        self.kind
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), hex::encode(self.digest))
    }
}

impl FromStr for Identifier {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (kind, digest) = text.split_once(':')?;
            let kind = IdentifierKind::ALL.into_iter().find(|known| known.name() == kind)?;
            let is_lower = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let digest = hex::decode(digest).ok().filter(|_| is_lower)?.try_into().ok()?;
            Some(Self { kind, digest })
        };
        read().ok_or_else(|| InvalidIdentifier(text.chars().take(100).collect()))
    }
}

impl Serialize for Identifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The site to which a license is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Number of the identifiers that must match the site.
    pub needed: u64,
    /// Identifiers of the site when the license was issued, sorted.
    pub identifiers: Vec<Identifier>,
}

impl Binding {
    /// Maximum number of identifiers of a binding.
    const IDENTIFIERS: usize = 64;

    /// Number of the identifiers that match the site.
    pub fn matching_count(&self, site: &BTreeSet<Identifier>) -> u64 {
        self.identifiers.iter().filter(|identifier| site.contains(identifier)).count() as u64
    }

    /// Returns a description of the first defect as an error.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.identifiers.is_sorted_by(|one, next| one < next) {
            return Err("the identifiers of its binding are not sorted, or one is listed twice".to_owned());
        }
        let count = self.identifiers.len();
        if count > Self::IDENTIFIERS {
            return Err(format!("its binding has {count} identifiers, more than {}", Self::IDENTIFIERS));
        }
        if self.needed == 0 || self.needed > count as u64 {
            return Err(format!("its binding needs {} of {count} identifiers", self.needed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_round_trip_and_hide_values() {
        let disk = Identifier::of(IdentifierKind::Disk, " WD-WX11A1234567\n").unwrap();
        assert_eq!(disk.to_string().parse::<Identifier>(), Ok(disk));
        assert!(!disk.to_string().to_lowercase().contains("wx11"));
        assert_eq!(Identifier::of(IdentifierKind::Disk, "wd-wx11a1234567"), Some(disk), "firmware changes case");
        assert_ne!(Identifier::of(IdentifierKind::Board, "WD-WX11A1234567"), Some(disk));
        for bad in ["", "disk", "disk:", "disk:00", "tape:00112233445566778899aabbccddeeff"] {
            assert_eq!(bad.parse::<Identifier>(), Err(InvalidIdentifier(bad.to_owned())));
        }
        let upper = disk.to_string().to_uppercase().replace("DISK", "disk");
        let is_same = upper == disk.to_string();
        assert!(is_same || upper.parse::<Identifier>() == Err(InvalidIdentifier(upper)), "one spelling only");
    }

    #[test]
    fn shared_values_identify_nothing() {
        for shared in [
            "",
            "  ",
            "0",
            "None",
            "uninitialized\n",
            "To Be Filled By O.E.M.",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF",
        ] {
            assert_eq!(Identifier::of(IdentifierKind::Product, shared), None, "{shared}");
        }
    }
}
