//! Functions that wait for a condition.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Default time limit for a condition to hold.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two polls.
const POLL: Duration = Duration::from_millis(100);

/// Waits until a condition holds, for up to half a minute.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    until_within(PATIENCE, what, holds).await
}

/// Like [`until`], with an explicit time limit.
pub async fn until_within(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + patience;
    loop {
        let last = match holds().await {
            Ok(true) => return Ok(()),
            Ok(false) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= end {
            let why = last.map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("after {} s, this is still not true: {what}{why}", patience.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
