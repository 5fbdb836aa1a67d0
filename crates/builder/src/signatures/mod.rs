//! Signatures of images: the keys with which images must be signed, the signatures that the lock pins, and their
//! transport.
//!
//! Threats: a registry is not trusted, and anyone with its password may push. A signature may be missing, be made with
//! another key, or be valid but about another image or repository; it may be endless, or one of thousands. A referrers
//! list may name manifests about something else. Therefore only signatures with the vendor's keys are accepted, over
//! exactly these bytes, before any of these are interpreted. The signed content must then state the repository of the
//! image, and a digest. This is either the pinned one, or that of the index in which the lock found it. Sizes and
//! counts are limited before any fetch. Clocks, transparency logs and certificates are not used, only keys.

mod carry;
mod claim;
mod examine;
mod find;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use carry::fetch_signatures;
pub use find::SignatureSource;
pub(crate) use find::{SignatureResolution, resolve, unsigned_images};

/// Unique items, sorted.
fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
