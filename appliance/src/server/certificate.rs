//! The console's certificate is read again when its files change: the kubelet replaces them, and nothing is restarted.

use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::configuration::{ServerFiles, server_config};

/// Between two looks. The kubelet itself takes about a minute to replace the files.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

type Contents = (Option<Vec<u8>>, Option<Vec<u8>>);

fn contents(files: &ServerFiles) -> Contents {
    (fs_err::read(&files.certificate).ok(), fs_err::read(&files.key).ok())
}

/// Looks at the files, for as long as the process runs. What cannot be used is logged once, and the certificate in use stays.
pub async fn renew(files: ServerFiles, tls: RustlsConfig) {
    let mut seen: Option<Contents> = None;
    loop {
        let look = files.clone();
        let Ok((now, loaded)) = spawn_blocking(move || (contents(&look), server_config(&look))).await else { return };
        if seen.as_ref().is_some_and(|seen| *seen != now) {
            take(&tls, loaded);
        }
        seen = Some(now);
        sleep(INTERVAL).await;
    }
}

fn take(tls: &RustlsConfig, loaded: Result<Arc<rustls::ServerConfig>, String>) {
    match loaded {
        Ok(config) => {
            tls.reload_from_config(config);
            tracing::info!("the console uses its new certificate");
        }
        Err(why) => tracing::error!(why, "the new certificate cannot be used; the one in use stays"),
    }
}
