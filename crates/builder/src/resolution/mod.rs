//! Resolution of a lock: `landfall lock` in its forms, which pin, update, check and list upstream inputs.

mod charts;
mod check;
mod chosen;
mod command;
mod difference;
mod discovery;
#[cfg(test)]
mod examples;
mod folder_files;
mod models;
mod npm;
mod objects;
mod ollama_files;
mod platform;
mod requests;
mod resolve;
mod sums;
mod update;
mod wheels;

pub use check::{LockCheck, check};
pub use command::{LockReport, lock};
pub use difference::{ChangedKind, EntryChange, InputChange, PinnedInput};
pub use discovery::{AddedImage, ImageInDoubt, LockFindings, UnlistedImage, UnrenderedComponent, UnusedEntry};
#[cfg(test)]
pub(crate) use requests::requests_of_lock;
pub use requests::{FollowUp, FollowUpKind, LockRequest, LockRequests, RequestKind, requests};
pub use resolve::MovedPin;
#[cfg(test)]
pub use resolve::{Resolution, resolve};
pub use update::{LockUpdate, update};
