//! What a site uses of what its license limits: samples, the record that keeps them, and the signed report of it.
//!
//! Everything here is a function of bytes and times. A sample counts once an hour. [`UsageLog`] keeps the samples of some
//! days, and of older days their peaks. A [`UsageReport`] has the days and what they come to; whoever gets one checks it
//! with [`UsageReport::verify`]. Nothing of it is asked before anything is installed, and nothing stops by it.

mod counts;
mod day;
mod error;
mod log;
mod period;
mod report;
#[cfg(test)]
mod tests;

pub use counts::{Counts, Metric};
pub use day::{Day, first_break};
pub use error::UsageError;
pub use log::{Sample, UsageLog};
pub use period::{ComponentUse, LimitUse, Period, periods};
pub use report::{KIND, ReportContents, SCHEMA, UsageReport, Wanted};
