//! TLS toward a server whose authorities are in a file of the settings.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::Files;

/// Returns a TLS configuration that trusts only the authorities of a file, without a client certificate.
pub fn authority(files: &Files, name: &str) -> Result<Arc<ClientConfig>, String> {
    Ok(Arc::new(trusting(files, name)?.with_no_client_auth()))
}

/// Returns a TLS builder that trusts only the authorities of a file. The client certificate is still to be set.
pub fn trusting(files: &Files, name: &str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let missing = || format!("{name} is missing: give the authority's certificate in PEM");
    let certificates = files.certificates(name).ok_or_else(missing)??;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("{name} holds no authority: {error}"))?;
    }
    // Some directory servers still in use only support TLS 1.2.
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots))
}
