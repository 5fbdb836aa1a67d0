//! What runs on a node beside containerd and the kubelet: the agent, `landfall node run`, which keeps right what changes
//! slowly, and what systemd runs before it starts the other two. It owns no decision: what it does is in its settings,
//! which the plan wrote.

pub mod boot;
pub mod bridge;
pub mod certificates;
pub mod clock;
pub mod concerns;
pub mod held;
pub mod kubelet;
pub mod kubelet_files;
pub mod nameservers;
pub mod notify;
pub mod packet_filter;
pub mod prepare;
pub mod programs;
pub mod renewal;
pub mod run;
pub mod settings;
pub mod units;
pub mod validity;

pub use boot::check_identity;
pub use clock::clock_plausibility;
pub use held::{Held, held};
pub use run::run;
