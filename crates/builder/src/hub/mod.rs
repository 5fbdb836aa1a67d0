//! Model repositories on a hub: names in the lock, URLs of files, and the hub's lists.

mod list;
mod name;

pub use list::{ListedContent, ListedFile, Listing};
pub use name::{Commit, HubName, InvalidName};
