//! Logs of components as the console shows them: secrets are replaced as in a support bundle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landfall_cluster::{LogSource, RecentLines};
use landfall_engine::causes::with_causes;
use landfall_support::Redactor;
use landfall_support::redact::KEY_BYTES;

use super::Operations;
use super::error::Result;
use super::support::{Secrets, bug, random_key};

/// Time for which known secrets are cached: a page asks again every few seconds.
const KNOWN: Duration = Duration::from_secs(15);

/// Redacted logs for pages.
pub struct ShownLogs {
    operations: Operations,
    /// Key of the tokens that replace values. Equal values have equal tokens while this object exists.
    key: [u8; KEY_BYTES],
    known: Mutex<Option<(Instant, Arc<Redactor>)>>,
}

impl std::fmt::Debug for ShownLogs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key must not reach a log.
        formatter.debug_struct("ShownLogs").finish_non_exhaustive()
    }
}

impl ShownLogs {
    /// Returns the redacted logs of a host.
    pub fn new(operations: Operations) -> Result<Self> {
        Ok(Self { operations, key: random_key()?, known: Mutex::default() })
    }

    /// Returns the last lines of each container of a component's pods, and of its run before a restart, without
    /// secrets.
    pub fn of(&self, component: &str, lines: u32) -> Result<BTreeMap<LogSource, RecentLines>> {
        let logs = self.operations.recent_logs(component, lines)?;
        let redactor = self.redactor()?;
        let shown = |lines: &RecentLines| RecentLines {
            previous: redactor.text(&lines.previous),
            present: redactor.text(&lines.present),
        };
        Ok(logs.iter().map(|(source, lines)| (source.clone(), shown(lines))).collect())
    }

    fn redactor(&self) -> Result<Arc<Redactor>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, redactor)) = &*known
            && since.elapsed() < KNOWN
        {
            return Ok(redactor.clone());
        }
        let cluster = self.operations.patient_cluster().map_err(|error| with_causes(&error));
        let Secrets { known: values, .. } = self.operations.secrets(&cluster);
        let redactor = Arc::new(Redactor::new(values, self.key).map_err(bug)?);
        *known = Some((Instant::now(), redactor.clone()));
        Ok(redactor)
    }
}
