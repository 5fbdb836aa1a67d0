//! Repositories of models on a hub: how a lock names one, where the hub has its files, and what its list of them says.

mod list;
mod name;

pub use list::{ListedContent, ListedFile, Listing};
pub use name::{Commit, HubName, InvalidName};
