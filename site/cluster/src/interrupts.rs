//! Requests to end this process, where something must be removed from the cluster before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::Cluster;

impl Cluster {
    /// From now on, no interrupt from the terminal, no request of the system to end and no closed terminal ends this process: what is
    /// returned becomes true instead.
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
