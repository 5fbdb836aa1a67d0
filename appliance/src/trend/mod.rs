//! The last 24 hours of the site: a point every five minutes, for a site without Prometheus. It contains the console's
//! observations, kept for people; no decision depends on it, and only the host's current answer is the truth.

mod point;
mod store;
mod watch;

use jiff::SignedDuration;

pub use point::{Point, Share, TrendReading};
#[cfg(test)]
pub use store::keep;
pub use store::recent;
pub use watch::watch;

/// Time between two points.
pub const PERIOD: SignedDuration = SignedDuration::from_mins(5);
/// Time for which a point is kept.
pub const SPAN: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests;
