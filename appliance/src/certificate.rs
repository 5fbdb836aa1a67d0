//! Reloading of the console's certificates when their files change: the kubelet replaces them, and nothing is
//! restarted. A certificate that the site supplies replaces the one of its own authority, as long as it is usable.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use landfall_error_codes::codes;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::configuration::{Certificates, ServerFiles, SuppliedCertificate};

/// Interval of checks. The kubelet itself takes about a minute to replace the files.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// State of the supplied certificate at the last check, for pages.
#[derive(Debug, Default)]
pub struct CertificateStanding(Mutex<SuppliedCertificate>);

impl CertificateStanding {
    /// Returns the current state.
    pub fn supplied(&self) -> SuppliedCertificate {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, supplied: SuppliedCertificate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = supplied;
    }
}

type Contents = Vec<Option<Vec<u8>>>;

fn contents(certificates: &Certificates) -> Contents {
    let files = std::iter::once(&certificates.issued).chain(&certificates.supplied);
    files.flat_map(|ServerFiles { certificate, key }| [certificate, key]).map(|file| fs_err::read(file).ok()).collect()
}

/// Watches the files while the process runs. An unusable certificate is logged once; if no other is usable, the current
/// one stays.
pub async fn renew(certificates: Certificates, tls: RustlsConfig, standing: Arc<CertificateStanding>) {
    let mut seen: Option<Contents> = None;
    loop {
        let look = certificates.clone();
        let Ok(now) = spawn_blocking(move || contents(&look)).await else { return };
        if seen.as_ref() != Some(&now) {
            let changed = certificates.clone();
            let Ok(chosen) = spawn_blocking(move || changed.choose()).await else { return };
            take(&tls, &standing, seen.is_some(), chosen);
        }
        seen = Some(now);
        sleep(INTERVAL).await;
    }
}

fn take(
    tls: &RustlsConfig,
    standing: &CertificateStanding,
    is_new: bool,
    chosen: Result<(Arc<rustls::ServerConfig>, SuppliedCertificate), String>,
) {
    match chosen {
        Ok((config, supplied)) => {
            if let SuppliedCertificate::Unusable(why) = &supplied {
                let code = codes::CERTIFICATE_UNUSABLE.id;
                tracing::error!(code, why, "the certificate that the site supplies cannot be used; the issued one is");
            }
            // This also applies to the first look: since the start, a database may have been moved for minutes.
            tls.reload_from_config(config);
            if is_new {
                let is_supplied = matches!(supplied, SuppliedCertificate::Used { .. });
                tracing::info!(is_supplied, "the console uses its new certificate");
            }
            standing.note(supplied);
        }
        Err(why) => tracing::error!(why, "the new certificate cannot be used; the one in use stays"),
    }
}
