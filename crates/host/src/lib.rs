//! Access to one host: its paths, files, facts, processes, mounts, network and programs. Nothing here knows about
//! clusters or releases.

pub mod command;
pub mod facts;
pub mod files;
pub mod hosts_entry;
pub mod identifiers;
pub mod invoker;
pub mod mounts;
pub mod netlink;
pub mod node;
pub mod pack;
pub mod paths;
pub mod process;
pub mod range;
pub mod service_route;
pub mod site_time;
pub mod space;
pub mod step_times;
pub mod twin;
