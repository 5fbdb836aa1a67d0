//! The developers' commands, one file per command, each with its `Arguments` and `run`.

pub mod bench;
pub mod charts;
pub mod demo;
pub mod dist;
pub mod documents;
pub mod fuzz;
pub mod gpu;
pub mod images;
pub mod site;
pub mod start_order;
pub mod test;
pub mod vm;
