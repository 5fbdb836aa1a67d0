//! The place of a site: access to its cluster, content, secrets, data, peer and hosts. Also the releases of an
//! operation.

mod access;
mod pinned;
mod release;

pub use access::CONTROL_PLANE_LIMIT;
pub use access::{ClusterAccess, ContentAccess, Data, HostAccess, Hosts, Peer, Secrets};
pub use pinned::Place;
pub use release::{Medium, Releases, SiteRelease};
