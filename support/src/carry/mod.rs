//! What a site sends out on a stick for its vendor: a folder with the parts and a manifest of their digests, signed by the site's key.
//! Here are the documents, as functions of bytes; writing them is the site's business (`landfall-lifecycle`).
//!
//! Threats: a part that was changed, left out, taken from another folder or added (the manifest names kind, size and digest of each, and
//! lists which are missing and why); a manifest that another host signed (its reader names the key); one that was cut by a removed stick
//! (it is written last); names that lead out of the folder (each part's name follows from its kind).

mod error;
mod inventory;
mod manifest;
mod part;
#[cfg(test)]
mod tests;

pub use error::CarryError;
pub use inventory::{INVENTORY_BYTES, InstalledRelease, PinnedRoot, SiteInventory};
pub use manifest::{CarryManifest, MANIFEST, MANIFEST_BYTES};
pub use part::{MissingPart, PartKind, PartRecord};
