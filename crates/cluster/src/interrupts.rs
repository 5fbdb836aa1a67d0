//! Termination signals of this process, deferred so that cluster objects can be removed first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::Cluster;

impl Cluster {
    /// From now on, SIGINT, SIGTERM and SIGHUP no longer end this process. Instead, the returned flag becomes true.
    pub fn hold_interrupts(&self) -> std::io::Result<Arc<AtomicBool>> {
        let is_interrupted = Arc::new(AtomicBool::new(false));
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = self.wait_for(async { signal(kind) })?;
            let noted = Arc::clone(&is_interrupted);
            self.spawn(async move {
                while signals.recv().await.is_some() {
                    noted.store(true, Ordering::Relaxed);
                }
            });
        }
        Ok(is_interrupted)
    }
}
