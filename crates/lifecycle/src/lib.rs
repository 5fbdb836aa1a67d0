//! Lifecycle of a site: preflight, plans, steps and operations. The engine defines how an operation runs. What a site
//! is and keeps is in `landfall-site`; hosts and clusters have separate crates.

pub mod context;
mod host_pack;
pub mod operations;
pub mod plan;
pub mod preflight;
pub mod replaced_data;
pub mod steps;
