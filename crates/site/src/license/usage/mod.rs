//! A site's usage of what its license limits: counted in the cluster and on the host, kept beside the license, and
//! reported. It only warns, and no installation depends on it.

mod count;
mod kept;
mod report;

pub use count::cluster_counts;
pub use count::{host_gpus, needed_entitlements};
pub use kept::{adopt, break_note, newest, read, read_usage, remove, users, write, write_users};
pub use report::{notes, usage_status};
