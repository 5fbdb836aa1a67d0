//! Error codes: what every crate's errors carry, and the one registry of them.

mod code;
pub mod codes;
#[cfg(test)]
mod codes_tests;

pub use code::{Code, Coded, ExitClass};
