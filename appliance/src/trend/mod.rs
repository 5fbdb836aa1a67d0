//! The last 24 hours of the site: a point every five minutes, for a site without Prometheus. It is what the console saw, kept for a
//! person to look at; nothing decides by it, and the host's present answer is the only truth.

mod point;
mod store;
mod watch;

use jiff::SignedDuration;

pub use point::{Point, Reading, Share};
#[cfg(test)]
pub use store::keep;
pub use store::recent;
pub use watch::watch;

/// Between two points.
pub const PERIOD: SignedDuration = SignedDuration::from_mins(5);
/// How long a point is kept.
pub const SPAN: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests;
