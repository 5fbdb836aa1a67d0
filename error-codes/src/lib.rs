//! Error codes: what every crate's errors carry, and the one registry of them.

pub mod codes;

pub use codes::{Code, Coded, ExitClass};
