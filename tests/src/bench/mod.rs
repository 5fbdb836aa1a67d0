//! The performance table: ratios to the commands that a person would run by hand, from interleaved pairs, byte counters, what [a site](site)
//! with a gigabyte of data does, and what [the console](console) takes.
//!
//! An absolute time says more about the machine than about the program. So each run of `landfall` is followed by a run of its rival where
//! there is one, and the ratio of the two counts. Some ratios have a [limit](limits). Times of a site have goals that are far from what any
//! machine takes.

pub mod console;
pub mod limits;
mod pairs;
mod peaks;
pub mod site;
pub mod startup;
mod table;
pub mod verbs;

pub use pairs::{Ratio, pairs};
pub use table::{Figure, Row, Unit, missed, render};
pub use verbs::{measure, released_program, released_vendor};
