//! Trust: keys, root documents that state who may sign what, and the walk from the anchor to the effective root.

mod chain;
mod envelope;
mod keys;
mod revocation;
mod root;
mod root_change;
mod sigstore_bundle;

pub use crate::key_id::KeyId;
pub use chain::{TrustAnchor, TrustedRoot, walk};
pub use envelope::Envelope;
pub use keys::{KeyKind, PublicKey, SigningKey};
pub use revocation::{REVOCATION_FILE_NAME, Revocation, RevokedLicense, RevokedRelease};
pub use root::{Role, RoleKeys, Root, RootContents, UnsignedRoot, root_file_name};
pub use root_change::RootChange;
pub use sigstore_bundle::{SignatureFile, find_detached_signature, signature_file_name};

#[cfg(test)]
mod tests;
