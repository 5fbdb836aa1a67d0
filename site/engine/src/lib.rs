//! How an operation runs: a plan is data, a journal is written before every act, and an engine that decides nothing
//! executes the one through the other. What the steps do is stored elsewhere.

pub mod causes;
pub mod engine;
pub mod journal;
#[cfg(any(test, feature = "testing"))]
pub mod mounted;
pub mod plan;
pub mod step;

pub use plan::NodeIdentity;
