//! Reloading of the settings when their files change: the kubelet replaces them, and nothing is restarted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_error_codes::codes;

use super::files::NAMES;
use super::{Directory, State, read};
use crate::settings_files::{Files, follow};

/// Watches the folder while the process runs.
pub async fn watch(directory: Arc<Directory>, folder: PathBuf) {
    let take = |files: &Files| {
        let state = read(files);
        report(&state, &folder);
        directory.replace(state);
    };
    follow(&folder, &NAMES, take).await;
}

/// Logs one line for each state, with all faults.
fn report(state: &State, folder: &Path) {
    match state {
        State::Off => tracing::info!("people are local: there are no settings of a directory"),
        State::Faulty(faults) => tracing::error!(
            code = codes::DIRECTORY_SETTINGS.id,
            folder = %folder.display(),
            faults = faults.join("; "),
            "the settings of the directory cannot be used; people are local"
        ),
        State::On(sources) => {
            let issuer = sources.oidc.as_ref().map(|provider| provider.settings().issuer.clone());
            let server = sources.ldap.as_ref().map(|ldap| ldap.settings().url.to_string());
            tracing::info!(issuer, server, "people also come from a directory");
        }
    }
}
