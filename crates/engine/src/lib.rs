//! The operation engine. A plan is data, and a journal is written before every act. An engine that decides nothing
//! executes the plan through the journal. Other crates define the steps.

pub mod causes;
pub mod engine;
pub mod journal;
pub mod plan;
pub mod step;
