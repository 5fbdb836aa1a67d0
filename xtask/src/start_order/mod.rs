//! Order of the program's code by the start of its commands: functions that a run executes, found by single steps, in a
//! linker script that places them together.

mod functions;
mod link_map;
mod script;
mod trace;

pub use functions::UsedFunctions;
pub use link_map::LinkMap;
pub use script::script;
pub use trace::executed;
