//! Licenses: what a vendor allows a site to install, signed under the root role `license`, and what of it counts now.
//!
//! Everything here is a function of bytes and of times that are passed in: no files, no cluster, no clock. The path of a
//! license is in its types. [`SealedLicense`] is what a file says, and cannot be asked for entitlements. Only
//! [`SealedLicense::verify`] makes a [`License`] of it, and only its [`Standing`] says whether it counts at a site.
//!
//! What a site uses of what its license limits is metered in [`usage`], which refuses nothing at a site.
//!
//! No license stops anything that runs. A standing refuses in [`shortfalls`] alone, before an install or an upgrade; an
//! [`answer`] says what it is to software that asks.

pub mod answer;
mod binding;
mod description;
mod document;
mod error;
mod gate;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
mod standing;
mod terms;
mod trusted_time;
pub mod usage;

pub use binding::{Binding, Identifier, IdentifierKind, InvalidIdentifier};
pub use description::describe;
pub use document::{FILE_BYTES, License, SealedLicense, UnsignedLicense};
pub use error::{LicenseError, Result};
pub use gate::{Need, Shortfall, shortfalls};
pub use standing::{Circumstances, Standing, WARNING_DAYS};
pub use terms::{Entitlements, Terms};
pub use trusted_time::{Agreement, Clocks, Confirmation, MachineClocks, TrustedTime, Unconfirmable};

#[cfg(test)]
mod tests;
