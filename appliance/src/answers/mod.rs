//! Answers to software that asks what the license allows, at a listener of its own within the cluster. It passes questions on to the
//! host and signed answers back, and has no other route.
//!
//! It speaks plain HTTP and knows no sign-in. An answer says one thing about one name, and is signed by the host for one
//! question: who changes it on the way is found out by the software, which has the host's key. Nothing of the console can be
//! reached from here, and the console cannot make an answer.

mod allowance;
mod router;
mod serve;
#[cfg(test)]
mod tests;

pub use serve::serve;
