//! Planning: pure functions from a verified release, facts and configuration to ordered steps.

mod claims;
pub mod components;
pub mod computed;
pub mod configure;
pub mod figures;
pub mod gpu_resources;
pub mod host_ports;
pub mod install;
pub mod models;
pub mod network;
pub mod objects;
#[cfg(test)]
mod power_cuts;
pub mod restore;
mod site_steps;
pub mod upgrade;
