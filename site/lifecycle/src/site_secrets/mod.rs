//! Secrets that a site gives: a password that a person types, a certificate with its key, a license of other software.
//!
//! A value goes from a file or a terminal to a file in the data folder that root alone may read, and from there into a
//! Secret of the cluster. The plan, the journal, events and logs know its number alone: the first value that a site
//! gives has the number 1, and each other one the next. Undo of a change makes the Secret again from the number before.
//!
//! What the values are, and what they reveal:
//! - They come from people and from other software: each is bounded, and checked before anything changes.
//! - No message quotes a value or a line of a file that holds one, and none says how long a password is.
//! - No digest of a value is stored where others may read it: a password could be guessed from it.

mod certificates;
mod given;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

pub(crate) use given::{Asked, GivenSecrets, Kept, NewSecrets};
pub use sources::{AskSecret, BroughtSecrets, NO_SECRETS, SecretArgument, SecretQuestion, SentSecret};
#[cfg(test)]
pub(crate) use store::StoredValue;
pub(crate) use store::{SecretKey, SecretStore};
pub(crate) use value::data;

use crate::plan::configure::Made;
use crate::steps::action::Action;

/// The number of the value of each secret that a site gives.
pub type SecretNumbers = BTreeMap<SecretName, u64>;

/// Where a Secret is: its namespace and its name.
pub type SecretName = (String, String);

/// The numbers of the values that a site has.
pub(crate) fn numbers(made: &Made) -> SecretNumbers {
    let given = made.values().filter_map(|action| match action {
        Action::SiteSecret(step) => Some(((step.namespace.clone(), step.secret.name.clone()), step.number)),
        _ => None,
    });
    given.collect()
}
