//! Removable media of the host: the devices, their filesystems, and a shelf on which they are mounted while they are
//! read.
//!
//! Threats: an attacker may choose every byte of a stick. Only four kinds of filesystem are mounted, each explicitly by
//! kind, read-only and without devices, set-user-id programs or any programs. ext4 is mounted without its journal, so
//! nothing is written. No name from a stick becomes the name of a folder here: a filesystem is identified by a digest.

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
