//! Listeners of the program: those without TLS, and the end of each.

mod ending;
mod plain;

pub use ending::end_on_signal;
pub use plain::{Limits, serve_plain};
