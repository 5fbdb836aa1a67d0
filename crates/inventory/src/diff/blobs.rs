//! The part of the second bundle that a site with the first one already has.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::Side;

/// Bytes of blobs in two bundles.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bytes {
    /// Bytes of blobs that both bundles have.
    pub shared_bytes: u64,
    /// Bytes of blobs that only the second bundle has.
    pub new_bytes: u64,
    /// Bytes of blobs that only the first bundle has.
    pub dropped_bytes: u64,
}

pub(super) fn bytes(from: &Side<'_>, to: &Side<'_>) -> Bytes {
    let names = |side: &Side<'_>| side.blobs.iter().map(|blob| blob.sha256).collect::<BTreeSet<_>>();
    let (old, new) = (names(from), names(to));
    let sum = |side: &Side<'_>, is_counted: &dyn Fn(&landfall_bundle_spec::Sha256) -> bool| {
        let counted = side.blobs.iter().filter(|blob| is_counted(&blob.sha256));
        counted.map(|blob| blob.size).fold(0, u64::saturating_add)
    };
    Bytes {
        shared_bytes: sum(to, &|name| old.contains(name)),
        new_bytes: sum(to, &|name| !old.contains(name)),
        dropped_bytes: sum(from, &|name| !new.contains(name)),
    }
}
