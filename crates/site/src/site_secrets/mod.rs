//! Secrets that a site gives: a password that a person types, a certificate with its key, or a license of other
//! software.
//!
//! A value comes from a file or a terminal. It is written to a file in the data folder that only root may read, and
//! from there to a Secret. The plan, the journal, events and logs contain only its number. The first value of a site
//! has the number 1, and each later one the next. Undo of a change restores the Secret with the earlier number.
//!
//! Threats and confidentiality:
//! - Values come from people and from other software: each is bounded, and checked before anything changes.
//! - No message quotes a value or a line of its file, and none shows the length of a password.
//! - No digest of a value is stored where others may read it: a password could be guessed from it.

mod certificates;
mod given;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

pub use given::{GivenSecrets, KeptSecrets, NewSecrets, SecretInputs};
pub use sources::{AskSecret, BroughtSecrets, NO_SECRETS, SecretArgument, SecretQuestion, SentSecret};
pub use store::{SecretKey, SecretStore, StoredValue};
pub use value::data;

/// Number of each secret's value that a site gives.
pub type SecretNumbers = BTreeMap<SecretName, u64>;

/// Namespace and name of a Secret.
pub type SecretName = (String, String);
