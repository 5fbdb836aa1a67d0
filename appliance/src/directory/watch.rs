//! Reloading of the settings when their files change: the kubelet replaces them, and nothing is restarted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::codes;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::files::{Files, NAMES};
use super::{State, read};
use crate::context::Context;

/// Interval of checks. The kubelet itself takes about a minute to replace the files.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Watches the folder while the process runs.
pub async fn watch(context: Context, folder: PathBuf) {
    let take = |files: &Files| {
        let state = read(files);
        report(&state, &folder);
        context.directory.replace(state);
    };
    follow(&folder, &NAMES, take).await;
}

/// Watches files of a folder while the process runs, and passes them on at the first look and after every change.
pub async fn follow(folder: &Path, names: &'static [&'static str], take: impl Fn(&Files)) {
    let mut seen: Option<Files> = None;
    loop {
        let look = folder.to_owned();
        let Ok(files) = spawn_blocking(move || Files::of(&look, names)).await else { return };
        if seen.as_ref() != Some(&files) {
            take(&files);
        }
        seen = Some(files);
        sleep(INTERVAL).await;
    }
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
            tracing::info!(issuer, server, "people come from a directory, too");
        }
    }
}
