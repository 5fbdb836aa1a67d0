//! Master key of a repository: random, and everything in the repository is encrypted with it.

use aes256ctr_poly1305aes::aead::Aead as _;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rand::RngExt as _;
use rustic_core::repofile::MasterKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{BackupError, Result};

/// Bytes of a master key: 32 for AES-256, 16 for AES-128 and 16 for Poly1305.
const MASTER_BYTES: usize = 64;

const NONCE_BYTES: usize = 16;

/// Master key in restic's order: encryption, then the two keys of the authentication.
pub(crate) struct Master(Zeroizing<[u8; MASTER_BYTES]>);

impl Master {
    /// Size in bytes.
    pub(crate) const BYTES: usize = MASTER_BYTES;

    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(rand::rng().random()))
    }

    pub(crate) fn from_fn(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new([0; MASTER_BYTES]);
        fill(&mut *bytes);
        Self(bytes)
    }

    /// Returns the key with these bytes; `None` if their length is wrong.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; MASTER_BYTES] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// Converts the library's key; `None` if it does not have the format's lengths.
    pub(crate) fn of_library(key: &MasterKey) -> Option<Self> {
        let bytes = Zeroizing::new([key.encrypt.as_slice(), &key.mac.k, &key.mac.r].concat());
        Self::of_bytes(&bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; MASTER_BYTES] {
        &self.0
    }

    /// Converts to the library's type, which is not erased when dropped.
    pub(crate) fn to_library(&self) -> MasterKey {
        let mut key = MasterKey::new();
        for (field, range) in [(&mut key.encrypt, 0..32), (&mut key.mac.k, 32..48), (&mut key.mac.r, 48..64)] {
            field.zeroize();
            field.extend_from_slice(&self.0[range]);
        }
        key
    }

    /// Seals bytes as restic does: a nonce, the ciphertext of AES-256 in counter mode, and its Poly1305-AES
    /// authentication.
    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), plain);
        let sealed = sealed.map_err(|error| BackupError::Bug(format!("it was not sealed: {error}")))?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    /// Opens bytes that [`Self::seal`] has sealed; `None` if they were sealed with another key, or changed.
    pub(crate) fn unseal(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.cipher().decrypt(Nonce::from_slice(nonce), sealed).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256CtrPoly1305Aes {
        Aes256CtrPoly1305Aes::new(Key::from_slice(&*self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn master_key_converts_to_library_type() {
        let master = Master::random();
        assert_eq!(Master::of_library(&master.to_library()).unwrap().bytes(), master.bytes());
    }
}
