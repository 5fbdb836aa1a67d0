//! Code that `landfall` and the small program `landfall-facts` share: the facts of a host for people, and the form of
//! errors. `landfall_host` collects the facts themselves.

pub mod failure;
pub mod printed;
pub mod rows;
pub mod shown;
