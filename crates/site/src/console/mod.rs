//! The console: a component whose pods may contact the host. Also its files on the host, and the files of its pods.

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
pub use files::ConsoleFiles;
pub use keys::PeerKeys;
pub use secrets::secrets;
pub use token::OneUseToken;

/// Port of the host API, on the node's address.
pub const HOST_PORT: u16 = 10280;

/// Returns the component of a release that is the console, if it has one.
pub fn console_of(release: &ReleaseDocument) -> Option<&ComponentEntry> {
    release.components.iter().find(|component| component.console)
}
