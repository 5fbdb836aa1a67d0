//! Error codes: what every crate's errors carry, and the one registry of them.

pub mod cases;
mod code;
pub mod codes;
#[cfg(test)]
mod codes_tests;
mod runbooks;

pub use code::{Code, Coded, ExitClass, remedy};
