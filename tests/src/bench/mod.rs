//! The performance table: ratios to the commands that a person would run by hand, from interleaved pairs, and byte
//! counters.
//!
//! An absolute time says more about the machine than about the program, so none is quoted. Each run of `landfall` is
//! followed by a run of its rival, and only the ratio of the two counts. Some ratios have a [limit](limits).

pub mod limits;
mod pairs;
mod table;
mod verbs;

pub use pairs::{Ratio, pairs};
pub use table::{Row, render};
pub use verbs::measure;
