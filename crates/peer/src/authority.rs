//! The site's own certificate authority for the certificate that browsers see, and its issuing.
//!
//! People make their browsers trust it, and its key is on the site. Therefore its own certificate has critical name
//! constraints, which permit only servers with the site's names and addresses. A stolen key can impersonate only the
//! site.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use super::identity::IdentityError;

/// A day of the calendar, in UTC: year, month, day.
pub type Day = (i32, u8, u8);

/// Authority that can issue certificates.
pub struct Authority(Issuer<'static, KeyPair>);

/// Content of an authority's certificate.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Name of the authority.
    pub name: &'a str,
    /// Names and addresses of the only servers for which it may issue.
    pub servers: &'a [String],
    /// First day.
    pub begin: Day,
    /// Last day.
    pub end: Day,
}

impl Authority {
    /// Creates an authority with a new key. Returns its certificate and its key as PEM.
    pub fn generate(terms: Terms<'_>) -> Result<(String, String), IdentityError> {
        let key = KeyPair::generate().map_err(not_made)?;
        Ok((self_sign(terms, &key)?, key.serialize_pem()))
    }

    /// Creates another certificate for the same key, as PEM. Clients that trust an earlier one continue until its end,
    /// for the servers that it names.
    pub fn renew(terms: Terms<'_>, key: &str) -> Result<String, IdentityError> {
        self_sign(terms, &read_key(key)?)
    }

    /// Returns the authority with this name and this key.
    pub fn of(name: &str, key: &str) -> Result<Self, IdentityError> {
        Ok(Self(Issuer::new(params_of(name), read_key(key)?)))
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

fn read_key(key: &str) -> Result<KeyPair, IdentityError> {
    KeyPair::from_pem(key).map_err(|error| IdentityError::Key(error.to_string()))
}

fn self_sign(terms: Terms<'_>, key: &KeyPair) -> Result<String, IdentityError> {
    let mut params = params_of(terms.name);
    (params.not_before, params.not_after) = (date(terms.begin), date(terms.end));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(constraints(terms.servers));
    Ok(params.self_signed(key).map_err(not_made)?.pem())
}

/// Returns constraints to exactly these servers. A kind of name without any permitted entry would be unconstrained, so
/// it is excluded as a whole.
fn constraints(servers: &[String]) -> NameConstraints {
    let subtree = |server: &String| match server.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        }
        Err(_) => GeneralSubtree::DnsName(server.clone()),
    };
    let permitted: Vec<_> = servers.iter().map(subtree).collect();
    let mut excluded = Vec::new();
    if !permitted.iter().any(|subtree| matches!(subtree, GeneralSubtree::IpAddress(_))) {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::UNSPECIFIED.into(), 0)));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::UNSPECIFIED.into(), 0)));
    }
    if !permitted.iter().any(|subtree| matches!(subtree, GeneralSubtree::DnsName(_))) {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded }
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

    /// Verifies a certificate for a name at a time, like a browser that trusts the authority.
    fn verify_certificate(authority: &str, issued: &str, name: &str, seconds: u64) -> Result<(), String> {
        let der = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(authority)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        verifier.verify_server_cert(&der(issued), &[], &name, &[], now).map(drop).map_err(|error| error.to_string())
    }

    /// Returns names and addresses of a site.
    fn servers(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn terms(servers: &[String]) -> Terms<'_> {
        Terms { name: NAME, servers, begin: (2026, 1, 1), end: (2031, 1, 1) }
    }

    fn issue_certificate(key: &str, names: &[&str]) -> String {
        Authority::of(NAME, key).unwrap().issue(&servers(names), (2026, 1, 1), (2028, 1, 1)).unwrap().0
    }

    const IN_2027: u64 = 1_800_000_000;

    #[test]
    fn issued_certificates_are_trusted() {
        let names = ["192.0.2.7", "node.example"];
        let own = servers(&names);
        let (authority, key) = Authority::generate(terms(&own)).unwrap();
        let leaf = issue_certificate(&key, &names);
        verify_certificate(&authority, &leaf, "192.0.2.7", IN_2027).unwrap();
        verify_certificate(&authority, &leaf, "node.example", IN_2027).unwrap();
        let other_address = verify_certificate(&authority, &leaf, "192.0.2.8", IN_2027).unwrap_err();
        assert!(other_address.contains("certificate not valid for name \"192.0.2.8\""), "{other_address}");
        let ended = verify_certificate(&authority, &leaf, "192.0.2.7", 1_900_000_000).unwrap_err();
        assert!(ended.contains("certificate expired"), "{ended}");
        let (_, other) = Authority::generate(terms(&own)).unwrap();
        let other_key =
            verify_certificate(&authority, &issue_certificate(&other, &names), "192.0.2.7", IN_2027).unwrap_err();
        assert!(other_key.contains("BadSignature"), "{other_key}");
    }

    #[test]
    fn stolen_authority_covers_only_site() {
        let own = servers(&["192.0.2.7", "node.example"]);
        let (authority, key) = Authority::generate(terms(&own)).unwrap();
        for name in ["bank.example", "example", "192.0.2.8", "2001:db8::1", "mail.google.com"] {
            for names in [&[name][..], &["node.example", "192.0.2.7", name]] {
                let refused =
                    verify_certificate(&authority, &issue_certificate(&key, names), name, IN_2027).unwrap_err();
                assert!(refused.contains("NameConstraintViolation"), "{name} of {names:?}: {refused}");
            }
        }
        for (site, name) in
            [(&["node.example"][..], "192.0.2.7"), (&["192.0.2.7"], "bank.example"), (&["2001:db8::1"], "192.0.2.7")]
        {
            let own = servers(site);
            let (authority, key) = Authority::generate(terms(&own)).unwrap();
            verify_certificate(&authority, &issue_certificate(&key, site), site[0], IN_2027).unwrap();
            let refused = verify_certificate(&authority, &issue_certificate(&key, &[name]), name, IN_2027).unwrap_err();
            assert!(refused.contains("NameConstraintViolation"), "{name} of a site with {site:?}: {refused}");
        }
    }

    #[test]
    fn renewed_authority_keeps_its_trust() {
        let own = servers(&["192.0.2.7", "node.example"]);
        let (former, key) = Authority::generate(terms(&own)).unwrap();
        let renewed = Authority::renew(Terms { end: (2036, 1, 1), ..terms(&own) }, &key).unwrap();
        let leaf = issue_certificate(&key, &["node.example"]);
        for authority in [&former, &renewed] {
            verify_certificate(authority, &leaf, "node.example", IN_2027).unwrap();
        }
    }
}
