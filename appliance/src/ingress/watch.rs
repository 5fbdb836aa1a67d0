//! The settings are read again when their file changes: the kubelet replaces it, and nothing is restarted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_error_codes::codes;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::settings::{NAMES, State, read};
use crate::context::Context;
use crate::directory::Files;

/// Between two looks. The kubelet itself takes about a minute to replace the file.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Looks at the folder, for as long as the process runs.
pub async fn watch(context: Context, folder: PathBuf) {
    let mut seen: Option<Files> = None;
    loop {
        let look = folder.clone();
        let Ok(files) = spawn_blocking(move || Files::of(&look, &NAMES)).await else { return };
        if seen.as_ref() != Some(&files) {
            let state = read(&files);
            report(&state, &folder);
            context.ingress.replace(state);
        }
        seen = Some(files);
        sleep(INTERVAL).await;
    }
}

/// One line for each state, with all faults.
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
            tracing::info!(
                host = settings.host,
                proxies = settings.proxies.len(),
                "browsers come by trusted proxies, too"
            );
        }
    }
}
