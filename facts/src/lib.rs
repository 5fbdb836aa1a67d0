//! What `landfall` and the small program `landfall-facts` have in common: the facts of a host as a person reads them, and how a program
//! says what failed. Facts themselves are collected by `landfall_host`.

pub mod failure;
pub mod printed;
pub mod rows;
pub mod shown;
