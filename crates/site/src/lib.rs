//! A site: its place, configuration, secrets and content, what it keeps between operations, and its backups. Plans,
//! steps and operations that change a site are in `landfall-lifecycle`.

pub mod backups;
pub mod choice;
pub mod configuration;
pub mod console;
pub mod content;
pub mod etcd_tools;
pub mod findings;
pub mod host_approvals;
pub mod license;
pub mod marks;
pub mod node_name;
pub mod pins;
pub mod place;
pub mod pod_packets;
pub mod pods;
pub mod proofs;
pub mod registry;
pub mod removable;
pub mod room;
pub mod settled;
pub mod site_secrets;
pub mod support;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod uploads;
