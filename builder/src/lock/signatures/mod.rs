//! Signatures of images: by which keys an image must be signed, who signed what the lock pins, and what travels of it.
//!
//! Threats: a registry is not trusted, and anyone with its password may push. A signature may be missing, be by another key, be
//! the right key's about another image or another repository, be endless or be one of thousands; a list of referrers may name
//! manifests about something else. So a signature counts by the vendor's keys alone, over exactly these bytes, before any of them
//! is interpreted; then it must state the digest that the lock pins, or that of the index in which the lock found it, and the
//! repository of the image. Sizes and counts are limited before anything is fetched. No clock, no transparency log and no
//! certificate is asked: only keys count.

mod carry;
mod claim;
mod examine;
mod find;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use carry::{CarriedSignature, carried};
pub use find::SignatureSource;
pub(super) use find::{Found, resolve, unchecked};
pub use rule::SignatureRule;
pub(super) use rule::{WrittenRule, read};

/// Each of these once, in order.
fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
