//! The site's own authority for the certificate that browsers see, and what it issues.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::identity::IdentityError;

/// A day of the calendar, in UTC: year, month, day.
pub type Day = (i32, u8, u8);

/// An authority that can issue.
pub struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes an authority with this name. Returns the PEM texts of its certificate and of its key.
    pub fn generate(name: &str, begin: Day, end: Day) -> Result<(String, String), IdentityError> {
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = params_of(name);
        (params.not_before, params.not_after) = (date(begin), date(end));
        let certificate = params.self_signed(&key).map_err(not_made)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// The authority with this name and this key.
    pub fn of(name: &str, key: &str) -> Result<Self, IdentityError> {
        let key = KeyPair::from_pem(key).map_err(|error| IdentityError::Key(error.to_string()))?;
        Ok(Self(Issuer::new(params_of(name), key)))
    }

    /// Issues a server's certificate with a new key for these names and addresses. Returns both as PEM.
    pub fn issue(&self, names: &[String], begin: Day, end: Day) -> Result<(String, String), IdentityError> {
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(not_made)?;
        params.distinguished_name.push(DnType::CommonName, "Landfall console");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (date(begin), date(end));
        let certificate = params.signed_by(&key, &self.0).map_err(not_made)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn params_of(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn date((year, month, day): Day) -> time::OffsetDateTime {
    date_time_ymd(year, month, day)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn not_made(error: rcgen::Error) -> IdentityError {
    IdentityError::NotMade(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    const NAME: &str = "Landfall site 1234";

    /// What a browser that trusts the authority says of a certificate, for a name at a time.
    fn judged(authority: &str, issued: &str, name: &str, seconds: u64) -> Result<(), String> {
        let der = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(authority)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        verifier.verify_server_cert(&der(issued), &[], &name, &[], now).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_browser_that_trusts_the_authority_accepts_what_it_issues() {
        let (authority, key) = Authority::generate(NAME, (2026, 1, 1), (2046, 1, 1)).unwrap();
        let names = ["192.0.2.7", "node.example"].map(str::to_owned);
        let issue = |key: &str| Authority::of(NAME, key).unwrap().issue(&names, (2026, 1, 1), (2028, 1, 1)).unwrap().0;
        let issued = issue(&key);
        let in_2027 = 1_800_000_000;
        judged(&authority, &issued, "192.0.2.7", in_2027).unwrap();
        judged(&authority, &issued, "node.example", in_2027).unwrap();
        assert!(judged(&authority, &issued, "192.0.2.8", in_2027).is_err(), "another address");
        assert!(judged(&authority, &issued, "192.0.2.7", 1_900_000_000).is_err(), "it has ended");
        let (_, other) = Authority::generate(NAME, (2026, 1, 1), (2046, 1, 1)).unwrap();
        assert!(judged(&authority, &issue(&other), "192.0.2.7", in_2027).is_err(), "another key signed it");
    }
}
