//! Answers to software that asks what the license permits, on a separate listener within the cluster. It forwards
//! questions to the host and signed answers back, and has no other route.
//!
//! It uses plain HTTP without sign-in. An answer states one fact about one name, and the host signs it for one
//! question. The software has the host's key, so it detects any change in transit. Nothing of the console is reachable
//! from here, and the console cannot create an answer.

mod allowance;
mod router;
mod serve;
#[cfg(test)]
mod tests;

pub use serve::serve;
