//! Changes of files of settings while the process runs.

use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Files;

/// Interval of checks. The kubelet itself takes about a minute to replace the files.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Watches files of a folder while the process runs, and passes them on at the first look and after every change.
pub async fn follow(folder: &Path, names: &'static [&'static str], take: impl Fn(&Files)) {
    let mut seen: Option<Files> = None;
    loop {
        let look = folder.to_owned();
        let Ok(files) = spawn_blocking(move || Files::read(&look, names)).await else { return };
        if seen.as_ref() != Some(&files) {
            take(&files);
        }
        seen = Some(files);
        sleep(INTERVAL).await;
    }
}
