//! The host's agent, `landfall node run`: it supervises containerd and kubelet, and keeps right at every boot what the
//! kernel forgets. It owns no decision: what it does stands in its settings, which the plan wrote.

mod boot;
mod bridge;
mod certificates;
mod concerns;
pub(crate) mod kubelet;
mod kubelet_files;
mod logs;
mod mounts;
mod notify;
mod process;
pub mod programs;
mod run;
pub mod settings;
mod supervisor;
pub mod teardown;
mod traces;
pub(crate) mod wait;

pub(crate) use boot::check_identity;
pub use run::run;

/// Until a control plane that is coming up counts as failed: slow disks take minutes.
pub const CONTROL_PLANE_LIMIT: std::time::Duration = std::time::Duration::from_mins(7);
