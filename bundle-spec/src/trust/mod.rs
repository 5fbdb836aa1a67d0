//! Who may sign what: keys, root documents, and the walk from a first trust to the root that counts.

mod chain;
mod keys;
mod root;
mod sigstore_bundle;

pub use chain::{TrustAnchor, TrustedRoot, walk};
pub use keys::{KeyId, KeyKind, PublicKey, SigningKey};
pub use root::{Role, RoleKeys, Root, RootContents, UnsignedRoot, root_file_name};
pub use sigstore_bundle::{SignatureFile, signature_file_name};

#[cfg(test)]
mod tests;
