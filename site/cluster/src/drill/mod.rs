//! What drills and restores need of a cluster: pods that are made after a workload, to fill a volume and to look at what
//! was filled, and namespaces that are thrown away.
//!
//! A *loader* has a workload's container in which a program waits instead of the workload's own, so that a volume can be
//! filled from outside. A *server* runs the workload's own program.

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

/// Label of what exists for a drill or a restore alone, with [`DRILL`] or [`RESTORE`] as its value.
pub const TEMPORARY_LABEL: &str = "landfall.dev/temporary";

/// Value of [`TEMPORARY_LABEL`]: of a drill, in a namespace of its own.
pub const DRILL: &str = "drill";

/// The runtime class of drills, on nodes whose containerd has a runtime of that name: its pods reach their node and nothing else.
pub const RUNTIME_CLASS: &str = "landfall-drill";

/// Value of [`TEMPORARY_LABEL`]: of a restore, in the component's namespace.
pub const RESTORE: &str = "restore";
