//! Node programs next to containerd and the kubelet: the agent and the preparations. The agent, `landfall node run`,
//! maintains slowly changing state; systemd runs the preparations before it starts the other two. The agent decides
//! nothing: the plan wrote its settings.

pub mod boot;
pub mod bridge;
pub mod certificates;
pub mod clock;
pub mod concerns;
pub mod control_plane_files;
mod deletions;
pub mod due;
mod frozen;
mod gpu_specification;
pub mod held;
pub mod kubelet;
pub mod kubelet_files;
mod measuring;
pub mod nameservers;
pub mod notify;
mod open_operation;
mod overdue;
pub mod packet_filter;
pub mod pods;
pub mod prepare;
pub mod programs;
pub mod renewal;
pub mod run;
pub mod settings;
pub mod site_pods;
pub mod units;
pub mod validity;

pub use boot::check_identity;
pub use clock::clock_plausibility;
pub use held::held_certificates;
pub use overdue::{DailyBackup, daily_backup};
pub use run::run;
pub use validity::HeldCertificate;
