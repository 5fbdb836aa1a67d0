//! Identity of a peer: a key, and the certificate with its public half.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

/// Certificate as known to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(pub(crate) CertificateDer<'static>);

impl Certificate {
    /// Reads a certificate from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, IdentityError> {
        CertificateDer::from_pem_slice(text).map(Self).map_err(|error| IdentityError::Certificate(error.to_string()))
    }

    /// Returns the SHA-256 of the certificate in the form that browsers show: `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.0);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Identity {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Reason why there is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No key or certificate could be created.
    #[error("cannot make a key and its certificate: {0}")]
    NotMade(String),
    /// A text is not a certificate.
    #[error("is not a certificate in PEM: {0}")]
    Certificate(String),
    /// A text is not a key.
    #[error("is not a private key in PEM: {0}")]
    Key(String),
    /// A key belongs to another certificate.
    #[error("certificate and key do not belong together: {0}")]
    Mismatch(String),
}

impl Identity {
    /// Creates a new P-256 key. Returns its certificate and the key as PEM.
    ///
    /// The certificate is never checked against its dates, so that no clock can end the connection; the dates reflect
    /// that.
    pub fn generate(name: &str) -> Result<(String, String), IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::NotMade(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = date_time_ymd(1970, 1, 1);
        params.not_after = date_time_ymd(9999, 12, 31);
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Reads an identity from both PEM texts.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let certificate = Certificate::from_pem(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| IdentityError::Key(error.to_string()))?;
        Ok(Self { certificate, key })
    }

    /// Returns its certificate, for the other side.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}
