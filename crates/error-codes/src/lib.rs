//! Error codes: the codes in the errors of all crates, and their single registry.

pub mod cases;
mod code;
pub mod codes;
#[cfg(test)]
mod codes_tests;
mod runbooks;

pub use code::{Code, CodedError, ExitClass, remedy};
pub use runbooks::Runbook;
