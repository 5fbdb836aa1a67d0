//! The host's agent, `landfall node run`: it supervises containerd and kubelet, and keeps right at every boot what the
//! kernel forgets. It owns no decision: what it does stands in its settings, which the plan wrote.

pub mod boot;
pub mod bridge;
pub mod certificates;
pub mod concerns;
pub mod kubelet;
pub mod kubelet_files;
pub mod logs;
pub mod notify;
pub mod programs;
pub mod run;
pub mod settings;
pub mod supervisor;

pub use boot::check_identity;
pub use run::run;
