//! Reloading of the settings when their file changes: the kubelet replaces it, and nothing is restarted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_error_codes::codes;

use super::Ingress;
use super::settings::{NAMES, State, read};
use crate::settings_files::{Files, follow};

/// Watches the folder while the process runs.
pub async fn watch(ingress: Arc<Ingress>, folder: PathBuf) {
    let take = |files: &Files| {
        let state = read(files);
        report(&state, &folder);
        ingress.replace(state);
    };
    follow(&folder, &NAMES, take).await;
}

/// Logs one line for each state, with all faults.
fn report(state: &State, folder: &Path) {
    match state {
        State::Off => tracing::info!("browsers connect to the console itself: there are no settings of an ingress"),
        State::Faulty(faults) => tracing::error!(
            code = codes::INGRESS_SETTINGS.id,
            folder = %folder.display(),
            faults = faults.join("; "),
            "the settings of the ingress cannot be used; no proxy is trusted"
        ),
        State::On(settings) => {
            tracing::info!(host = settings.host, proxies = settings.proxies.len(), "browsers also use trusted proxies");
        }
    }
}
