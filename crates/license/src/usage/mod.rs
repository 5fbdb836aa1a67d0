//! A site's usage of the quantities that its license limits: samples, the record that keeps them, and the signed report
//! of it.
//!
//! Everything in this module is a function of bytes and times. A sample is taken once an hour. [`UsageLog`] keeps the
//! samples of a few days, and the peaks of older days. A [`UsageReport`] has the days and their totals; its recipient
//! checks it with [`UsageReport::verify`]. No install depends on it, and it stops nothing.

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
pub use report::{KIND, ReportContents, ReportExpectations, SCHEMA, UsageReport};
