//! Lifecycle of a site: configuration, preflight, plans, steps and operations. The engine defines how an operation
//! runs; hosts and clusters have separate crates.

pub mod backups;
mod choice;
pub mod configuration;
pub mod console;
pub mod content;
mod etcd_tools;
pub mod findings;
pub mod host_approvals;
mod host_pack;
pub mod license;
pub mod marks;
mod node_name;
pub mod operations;
pub mod pins;
pub mod plan;
mod pod_packets;
mod pods;
pub mod preflight;
mod proofs;
mod registry;
pub mod removable;
pub mod replaced_data;
pub mod room;
mod settled;
pub mod site;
pub mod site_secrets;
pub mod steps;
mod support;
pub mod uploads;
