//! The signature of the checksums, which `cosign verify-blob` accepts.

use std::path::Path;

use anyhow::{Context, Result};
use landfall_bundle_spec::trust::{SignatureFile, SigningKey};

use super::{SUMS, read};

/// Environment variables of the password. The first one that is set is used.
const PASSWORDS: [&str; 2] = ["LANDFALL_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// Reads a key file of cosign or of `landfall key new`.
pub(super) fn key(path: &Path) -> Result<SigningKey> {
    let password = PASSWORDS.iter().find_map(|name| std::env::var(name).ok());
    let password = password.with_context(|| format!("no password of {}: set {}", path.display(), PASSWORDS[0]))?;
    SigningKey::from_encrypted_pem(&read(path)?, password.as_bytes())
        .with_context(|| format!("{} cannot be used to sign", path.display()))
}

fn name() -> String {
    format!("{SUMS}.sigstore.json")
}

/// Signs the checksums, and writes the signature as a Sigstore bundle.
pub(super) fn write(key: &SigningKey, folder: &Path, sums: &[u8]) -> Result<()> {
    super::write(&folder.join(name()), &SignatureFile::sign(key, sums)?.to_bytes()?)
}

/// Removes a signature, if there is one.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let path = folder.join(name());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::trust::{KeyKind, find_detached_signature};

    use super::*;

    #[test]
    fn signature_covers_sums() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(KeyKind::EcdsaP256).unwrap();
        write(&key, folder.path(), b"sums").unwrap();
        let bytes = read(&folder.path().join(name())).unwrap();
        let fits = |message: &[u8]| find_detached_signature(&bytes, message, [key.public().clone()]).is_some();
        assert!(fits(b"sums") && !fits(b"sumt"));
        remove(folder.path()).unwrap();
        remove(folder.path()).unwrap();
        assert!(!folder.path().join(name()).exists());
    }
}
