//! Removable media of the host: which there are, what filesystem is on each, and a shelf where they are mounted while they are read.
//!
//! Threats: whoever plugs a stick in chooses every byte of it. Only four kinds of filesystem are mounted, each named to the kernel, read-only and
//! without devices, set-user-id programs or programs at all; ext4 without its journal, so that nothing is written. No name from a
//! stick becomes the name of a folder here: a filesystem is known by a digest.

mod devices;
mod filesystem;
mod medium_id;
mod search;
mod shelf;

pub use devices::{Device, devices};
pub use filesystem::{Filesystem, FilesystemKind};
pub use medium_id::medium_id;
pub use search::{FoundFile, bundles_below};
pub use shelf::{MountedPlace, Shelf};
