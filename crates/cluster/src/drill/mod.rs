//! Cluster objects of drills and restores: pods derived from a workload, which fill a volume and check its content, and
//! throw-away namespaces.
//!
//! A *loader* has a workload's container, in which a waiting program replaces the workload's own, so that a volume can
//! be filled from outside. A *server* runs the workload's own program.

mod container;
mod copies;
mod namespace;
mod pod;
mod references;
mod volumes;

pub use copies::copy;
pub use namespace::{DrillNamespace, LeftoverDrill};
pub use pod::{DrillPod, END_LOADING, LOADER};
pub use references::{Reference, references};
pub use volumes::{DataVolume, claims};

/// Label of objects that exist only for a drill or a restore, with [`DRILL`] or [`RESTORE`] as its value.
pub const TEMPORARY_LABEL: &str = "landfall.dev/temporary";

/// Value of [`TEMPORARY_LABEL`] for a drill, in its own namespace.
pub const DRILL: &str = "drill";

/// Runtime class of drills, on nodes whose containerd has a runtime of that name. Its pods reach only their node.
pub const RUNTIME_CLASS: &str = "landfall-drill";

/// Value of [`TEMPORARY_LABEL`] for a restore, in the component's namespace.
pub const RESTORE: &str = "restore";
