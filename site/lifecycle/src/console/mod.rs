//! The console: a component whose pods may ask the host. What the host keeps for it, and what its pods get.

mod audit;
mod certificate;
mod files;
mod keys;
mod secrets;
mod token;

use landfall_release_document::{ComponentEntry, ReleaseDocument};

pub(crate) use audit::AUDIT_FILE;
pub use audit::AuditRecord;
pub use certificate::ConsoleCertificate;
pub(crate) use files::ConsoleFiles;
pub use keys::PeerKeys;
pub(crate) use secrets::secrets;
pub use token::OneUseToken;

/// The port of the host's API, on the node's address.
pub const HOST_PORT: u16 = 10280;

/// The component of a release that is the console, if it has one.
pub fn console_of(release: &ReleaseDocument) -> Option<&ComponentEntry> {
    release.components.iter().find(|component| component.console)
}
