//! Conversion of certificates and keys from PEM files to rustls. The cryptography provider is aws-lc-rs, explicitly
//! each time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::settings_files::{pair_fault, pem_fault};

/// Files of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// Certificates that the console may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Issued by the site's own authority; always present.
    pub issued: ServerFiles,
    /// Supplied by the site; replaces the issued one if present.
    pub supplied: Option<ServerFiles>,
}

/// State of the certificate that the site supplies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SuppliedCertificate {
    /// No certificate is supplied.
    #[default]
    Missing,
    /// Browsers see it.
    Used {
        /// Its end; `None` if it cannot be read.
        ends: Option<Timestamp>,
    },
    /// It cannot be used, for this reason. Browsers see the issued one.
    Unusable(String),
}

impl Certificates {
    /// Builds the server configuration from the files' current content. An unusable supplied certificate locks no
    /// browser out: the issued one is used instead. Blocks.
    pub fn choose(&self) -> Result<(Arc<rustls::ServerConfig>, SuppliedCertificate), String> {
        let supplied = self.supplied.as_ref().filter(|files| files.certificate.exists() || files.key.exists());
        let standing = match supplied.map(|files| (files, server_config(files))) {
            Some((files, Ok(config))) => {
                return Ok((config, SuppliedCertificate::Used { ends: end_of(&files.certificate) }));
            }
            Some((_, Err(why))) => SuppliedCertificate::Unusable(why),
            None => SuppliedCertificate::Missing,
        };
        Ok((server_config(&self.issued)?, standing))
    }
}

/// Returns the end of the first certificate in a file.
fn end_of(file: &Path) -> Option<Timestamp> {
    let first = CertificateDer::from_pem_file(file).ok()?;
    let ends = Certificate::from_der(first.as_ref()).ok()?.tbs_certificate.validity.not_after;
    Timestamp::from_second(i64::try_from(ends.to_unix_duration().as_secs()).ok()?).ok()
}

/// Builds the server configuration from the current certificate. The error names the faulty file and the fault.
pub fn server_config(files: &ServerFiles) -> Result<Arc<rustls::ServerConfig>, String> {
    let shown = files.certificate.display();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{shown} is not a certificate in PEM: {}", pem_fault(&error)))?;
    if chain.is_empty() {
        return Err(format!("{shown} holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("{} is not a private key in PEM: {}", files.key.display(), pem_fault(&error)))?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| pair_fault(&shown.to_string(), &files.key.display().to_string(), &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Builds the client configuration for the host from three PEM texts.
pub fn client_config(host: &[u8], certificate: &[u8], key: &[u8]) -> Result<Arc<rustls::ClientConfig>, String> {
    let host = landfall_peer::Certificate::from_pem(host).map_err(|error| error.to_string())?;
    let own = landfall_peer::Identity::from_pem(certificate, key).map_err(|error| error.to_string())?;
    landfall_peer::client(&own, host).map(Arc::new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_never_quote_keys() {
        let folder = tempfile::tempdir().unwrap();
        let files = ServerFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        crate::testing::new_certificate(&files);
        let key = fs_err::read_to_string(&files.key).unwrap();
        let line = key.trim_end().replace('\n', " ");
        for text in [line.clone(), format!("{line} and more")] {
            for file in [&files.key, &files.certificate] {
                crate::testing::new_certificate(&files);
                landfall_media::durable::write_file(file, text.as_bytes(), 0o600).unwrap();
                let why = server_config(&files).err().unwrap();
                assert!(why.contains("in PEM"), "{why}");
                // The key may appear as text, or as bytes in Rust's debug form.
                assert!(!why.contains(&line[40..50]) && !why.contains("45, 45"), "{why}");
            }
        }
    }

    #[test]
    fn certificate_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.crt");
        let end = |(year, month, day)| {
            let mut parameters = rcgen::CertificateParams::new(vec!["console".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, month, day);
            let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            landfall_media::durable::write_file(&file, certificate.pem().as_bytes(), 0o600).unwrap();
            end_of(&file)
        };
        assert_eq!(end((2031, 2, 3)), Some("2031-02-03T00:00:00Z".parse().unwrap()));
        // RFC 5280, 4.1.2.5: no well-defined end.
        assert_eq!(end((9999, 12, 31)), None);
    }
}
