//! The site's key, with which a host signs checkpoints of the audit log, reports of usage and manifests of carried
//! parts. It also signs answers to software that asks about the license.

use landfall_bundle_spec::trust::PublicKey;
use landfall_error_codes::codes;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

use crate::error::{AuditError, Result};

/// A key on P-256. It has no `Debug`, so that it cannot reach a log.
pub struct SiteKey {
    pair: KeyPair,
    public: PublicKey,
}

impl SiteKey {
    /// Generates a key from the operating system's random numbers.
    pub fn generate() -> Result<Self> {
        Self::of(KeyPair::generate().map_err(|error| unusable("made", &error))?)
    }

    /// Reads the output of [`SiteKey::to_pem`]. The error never quotes it.
    pub fn from_pem(pem: &str) -> Result<Self> {
        Self::of(KeyPair::from_pem(pem).map_err(|error| unusable("read", &error))?)
    }

    fn of(pair: KeyPair) -> Result<Self> {
        let public = PublicKey::from_der("the audit log's key", &pair.subject_public_key_info());
        let public = public.map_err(|error| unusable("read", &error))?;
        Ok(Self { pair, public })
    }

    /// Returns the private key as unencrypted PKCS #8 in PEM.
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The public key, which verifies.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. No two kinds of messages may begin alike: checkpoints, reports of usage and manifests of
    /// carried parts begin with the context of their kind, answers to software with `{`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.pair.sign(message).map_err(|error| unusable("used", &error))
    }
}

fn unusable(action: &str, why: &dyn std::fmt::Display) -> AuditError {
    AuditError::new(codes::AUDIT_KEY, format!("the key of the audit log cannot be {action}: {why}"))
}
