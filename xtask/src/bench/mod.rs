//! The performance table: ratios to the commands that a user would run by hand, from interleaved pairs, and byte
//! counters. It also covers [a site](site) with a gigabyte of data, and [the console](console).
//!
//! An absolute time says more about the machine than about the program. So each run of `landfall` is followed by a run
//! of its rival, and only the ratio of the two is used. Some verbs have no rival, and some ratios have a
//! [limit](limits). Times of a site have goals far above what any machine needs.

pub mod console;
pub mod limits;
mod pairs;
mod peaks;
pub mod site;
pub mod startup;
mod table;
pub mod verbs;

pub use pairs::{Ratio, pairs};
pub use table::{Figure, Row, Unit, missed_goals, render};
pub use verbs::{measure, released_program, released_vendor};
