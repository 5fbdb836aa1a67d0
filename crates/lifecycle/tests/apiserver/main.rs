//! Applying, owning, waiting and comparing against a real API server with etcd and the controller manager.
//!
//! `LANDFALL_TEST_BINARIES` names a folder with etcd and the programs of Kubernetes; `cargo xtask test` makes it.
//! Without it the tests fail when they are asked for, so they are ignored unless asked for.

mod applying;
mod canary;
mod certificates;
mod drills;
mod edits;
mod fixture;
mod installing;
mod kinds;
mod logs;
mod objects;
mod phases;
mod probe;
mod snapshots;
mod soak;
mod steps;
mod usage;
