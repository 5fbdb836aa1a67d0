//! Licenses: what a vendor allows a site to install, signed under the root role `license`, and which of them are valid
//! now.
//!
//! Everything in this crate is a function of bytes and of times that are passed in: no files, no cluster, no clock. The
//! types follow a license through its checks. [`SealedLicense`] is the content of a file, and gives no access to
//! entitlements. Only [`SealedLicense::verify`] turns it into a [`License`], and only the license's [`Standing`]
//! states whether it is valid at a site.
//!
//! [`usage`] meters what a site uses of the limited quantities, and refuses nothing at a site.
//!
//! No license stops running software. A standing refuses only in [`shortfalls`], before an install or an upgrade; an
//! [`answer`] reports it to software that asks.

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
pub use trusted_time::{Agreement, Clocks, Confirmation, MachineClocks, TrustedTime, UnconfirmableDate};

#[cfg(test)]
mod tests;
