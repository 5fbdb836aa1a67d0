//! Validity of certificates, and their need for renewal.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::DecodePem;

// The first certificate of a file is located by these lines, not by a PEM parser. kubeadm and the kubelet write keys,
// chains and texts next to it, and a torn end must not hide it. The library decodes the lines in between.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Validity period of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Begin of the period.
    pub begins: Timestamp,
    /// End of the period.
    pub ends: Timestamp,
}

/// Content found in place of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateState {
    /// No file.
    Missing,
    /// A file without a certificate: a power cut may leave it empty or torn.
    Unreadable,
    /// A certificate.
    Whole(Validity),
}

/// A certificate, or the damage in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCertificate {
    /// The certificate's file, or a kubeconfig.
    pub file: PathBuf,
    /// Content of the file.
    pub found: CertificateState,
}

/// Reason why a certificate must be reissued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Need {
    /// It does not exist.
    #[error("is missing")]
    Missing,
    /// It is not a certificate.
    #[error("is damaged")]
    Unreadable,
    /// It was issued while the clock was ahead.
    #[error("is not valid yet")]
    NotYetValid,
    /// It has reached two thirds of its life.
    #[error("ends soon")]
    Ending,
    /// It has expired.
    #[error("has ended")]
    Ended,
}

impl Need {
    /// Returns true if no usable certificate is left to renew.
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Missing | Self::Unreadable)
    }
}

impl CertificateState {
    /// Reads the first certificate of a PEM file, which may also contain keys and other certificates.
    pub fn in_pem(pem: Option<&[u8]>) -> Self {
        match pem {
            None => Self::Missing,
            Some(bytes) => validity(&String::from_utf8_lossy(bytes)).map_or(Self::Unreadable, Self::Whole),
        }
    }

    /// Reads the client certificate of a kubeconfig.
    pub fn in_kubeconfig(text: Option<&[u8]>) -> Self {
        let Some(bytes) = text else { return Self::Missing };
        let text = String::from_utf8_lossy(bytes);
        let data = text.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data:"));
        let pem = data.and_then(|data| STANDARD.decode(data.trim()).ok());
        Self::in_pem(Some(pem.unwrap_or_default().as_slice()))
    }

    /// Returns why it cannot be used now.
    pub fn unusable(self, now: Timestamp) -> Option<Need> {
        match self {
            Self::Missing => Some(Need::Missing),
            Self::Unreadable => Some(Need::Unreadable),
            Self::Whole(validity) if now < validity.begins => Some(Need::NotYetValid),
            Self::Whole(validity) if now >= validity.ends => Some(Need::Ended),
            Self::Whole(_) => None,
        }
    }

    /// Returns why the certificate should be reissued now, usable or not.
    pub fn due(self, now: Timestamp) -> Option<Need> {
        let is_ending = |validity: Validity| {
            let life = validity.ends.as_second() - validity.begins.as_second();
            now.as_second() >= validity.begins.as_second() + life / 3 * 2
        };
        match self {
            Self::Whole(validity) if self.unusable(now).is_none() && is_ending(validity) => Some(Need::Ending),
            _ => self.unusable(now),
        }
    }
}

fn validity(pem: &str) -> Option<Validity> {
    let begin = pem.find(BEGIN)?;
    let end = pem[begin..].find(END)? + begin + END.len();
    let validity = Certificate::from_pem(&pem[begin..end]).ok()?.tbs_certificate.validity;
    let timestamp = |time: x509_cert::time::Time| {
        Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
    };
    Some(Validity { begins: timestamp(validity.not_before)?, ends: timestamp(validity.not_after)? })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Certificate that is valid from the beginning of 2026 to the beginning of 2031.
    pub(crate) const PEM: &str = include_str!("testdata/certificate.pem");

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Returns a kubeconfig that contains [`PEM`].
    pub(crate) fn kubeconfig() -> String {
        format!("users:\n- user:\n    client-certificate-data: {}\n", STANDARD.encode(PEM))
    }

    #[test]
    fn certificate_is_due_at_two_thirds() {
        let found = CertificateState::in_pem(Some(format!("some key\n{PEM}\nmore").as_bytes()));
        assert_eq!(found, CertificateState::in_kubeconfig(Some(kubeconfig().as_bytes())));
        for (now, due, unusable) in [
            ("2025-12-31T23:59:59Z", Some(Need::NotYetValid), Some(Need::NotYetValid)),
            ("2026-01-01T00:00:00Z", None, None),
            ("2029-04-30T00:00:00Z", None, None),
            ("2029-05-03T00:00:00Z", Some(Need::Ending), None),
            ("2031-01-01T00:00:00Z", Some(Need::Ended), Some(Need::Ended)),
        ] {
            assert_eq!((found.due(at(now)), found.unusable(at(now))), (due, unusable), "{now}");
        }
        let now = at("2026-06-01T00:00:00Z");
        assert_eq!(CertificateState::in_pem(None).due(now), Some(Need::Missing));
        for torn in ["", &PEM[..200], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(CertificateState::in_pem(Some(torn.as_bytes())).due(now), Some(Need::Unreadable), "{torn}");
        }
        assert_eq!(CertificateState::in_kubeconfig(Some(b"users: []\n")).due(now), Some(Need::Unreadable));
    }
}
