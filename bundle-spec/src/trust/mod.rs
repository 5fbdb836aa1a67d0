//! Who may sign what: keys, root documents, and the walk from a first trust to the root that counts.

mod chain;
mod envelope;
mod keys;
mod revocation;
mod root;
mod root_change;
mod sigstore_bundle;

pub use chain::{TrustAnchor, TrustedRoot, walk};
pub use envelope::Envelope;
pub use keys::{KeyId, KeyKind, PublicKey, SigningKey};
pub use revocation::{REVOCATION_FILE_NAME, Revocation, RevokedLicense, RevokedRelease};
pub use root::{Role, RoleKeys, Root, RootContents, UnsignedRoot, root_file_name};
pub use root_change::RootChange;
pub use sigstore_bundle::{SignatureFile, detached, signature_file_name};

#[cfg(test)]
mod tests;
