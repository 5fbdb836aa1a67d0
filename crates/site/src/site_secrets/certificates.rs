//! Certificates and keys that a site gives as PEM. They are encoded again, so that no other text of a file reaches
//! software.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use pem_rfc7468::LineEnding;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::time::Time;
use zeroize::Zeroizing;

/// Certificates in the order of their file: a server's own first, then those of its authorities.
pub(super) struct Certificates(Vec<CertificateDer<'static>>);

impl Certificates {
    /// Parses all certificates of a text; fails if there are none.
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        // The error could quote a line of a key.
        let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = read.map_err(|_| "a certificate in it is damaged".to_owned())?;
        if certificates.is_empty() {
            return Err("it has no certificate in PEM".to_owned());
        }
        certificates.iter().try_for_each(|der| parse_certificate(der).map(drop))?;
        Ok(Self(certificates))
    }

    /// Returns all of them as PEM.
    pub(super) fn pem(&self) -> Result<Vec<u8>, String> {
        let mut text = String::new();
        for der in &self.0 {
            text += &encode_pem("CERTIFICATE", der)?;
        }
        Ok(text.into_bytes())
    }

    /// Fails for certificates that are not authorities.
    pub(super) fn expect_authorities(&self) -> Result<(), String> {
        let is_authority = |der: &CertificateDer<'_>| -> Result<bool, String> {
            let certificate = parse_certificate(der)?;
            let found = certificate.tbs_certificate.get::<BasicConstraints>().map_err(|_| damage_text())?;
            Ok(found.is_some_and(|(_, constraints)| constraints.ca))
        };
        for (index, der) in self.0.iter().enumerate() {
            if !is_authority(der)? {
                return Err(format!("certificate {} in it is not that of an authority", index + 1));
            }
        }
        Ok(())
    }

    /// Fails for certificates that are not valid at this time.
    pub(super) fn expect_valid(&self, now: Timestamp) -> Result<(), String> {
        for (index, der) in self.0.iter().enumerate() {
            let validity = parse_certificate(der)?.tbs_certificate.validity;
            let (begins, ends) = (timestamp(validity.not_before)?, timestamp(validity.not_after)?);
            if now < begins {
                return Err(format!("certificate {} in it is not valid before {}", index + 1, day(begins)));
            }
            if now >= ends {
                return Err(format!("certificate {} in it ended on {}", index + 1, day(ends)));
            }
        }
        Ok(())
    }

    /// Fails if the first certificate is not for this host name or address.
    pub(super) fn expect_name(&self, name: &str) -> Result<(), String> {
        let server = ServerName::try_from(name).map_err(|_| format!("`{name}` is not a host name or address"))?;
        let leaf = ParsedCertificate::try_from(self.leaf()?).map_err(|_| unusable())?;
        verify_server_name(&leaf, &server).map_err(|_| format!("the first certificate in it is not for {name}"))
    }

    fn leaf(&self) -> Result<&CertificateDer<'static>, String> {
        self.0.first().ok_or_else(|| "it has no certificate in PEM".to_owned())
    }
}

/// Returns the key of the first certificate as PEM. Fails if the key belongs to another certificate.
pub(super) fn key_of(certificates: &Certificates, pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it has no private key in PEM; one with a password cannot be used".to_owned())?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let matched = CertifiedKey::from_der(certificates.0.clone(), key.clone_key(), &provider);
    matched.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "its key does not belong to its first certificate".to_owned(),
        rustls::Error::InvalidCertificate(_) => unusable(),
        _ => "its key is of a kind that TLS servers do not use".to_owned(),
    })?;
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    encode_pem(label, key.secret_der()).map(|text| Zeroizing::new(text.into_bytes()))
}

fn encode_pem(label: &str, der: &[u8]) -> Result<String, String> {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).map_err(|_| "it cannot be written as PEM".to_owned())
}

fn parse_certificate(der: &CertificateDer<'_>) -> Result<Certificate, String> {
    Certificate::from_der(der.as_ref()).map_err(|_| damage_text())
}

fn damage_text() -> String {
    "a certificate in it is damaged".to_owned()
}

fn unusable() -> String {
    "its first certificate cannot be used by a TLS server".to_owned()
}

fn timestamp(time: Time) -> Result<Timestamp, String> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| damage_text())?;
    Timestamp::from_second(seconds).map_err(|_| damage_text())
}

fn day(time: Timestamp) -> civil::Date {
    time.to_zoned(TimeZone::UTC).date()
}
