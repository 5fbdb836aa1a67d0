//! Wait until objects are ready, with reports of the unready ones.

use std::time::{Duration, Instant};

use landfall_media::progress::{Event, Progress};

use super::connection::Call;
use super::ready::{Readiness, has_readiness};
use super::{Cluster, ClusterError, ObjectName, ObjectStatus};
use landfall_engine::causes::with_causes;

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(500);

/// Time between reports of unready objects.
const NOTE_INTERVAL: Duration = Duration::from_secs(15);

/// Time for which an object must stay failed before the wait ends. After a power cut, a controller may briefly report
/// an old failure before it checks again.
const FAILED_FOR: Duration = Duration::from_secs(20);

/// Objects to wait for, and a time limit.
#[derive(Debug, Clone)]
pub struct AwaitedObjects<'a> {
    /// Name for people, such as `component postgres`.
    pub what: &'a str,
    /// The objects, all of which must be ready.
    pub objects: &'a [ObjectName],
    /// The time limit.
    pub limit: Duration,
}

impl Cluster {
    /// Waits until the API server reports that it is ready. Any earlier answer is ignored.
    pub fn wait_serving(&self, limit: Duration) -> Result<(), ClusterError> {
        let impatient = self.with_patience(Duration::ZERO);
        let started = Instant::now();
        loop {
            match impatient.call(&Call::readiness()) {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > limit => return Err(error),
                Err(error) => tracing::debug!(error = with_causes(&error), "the API server is not ready"),
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Waits until all objects are ready. Within the same limit, this includes waiting for an API server that does not
    /// answer.
    pub fn wait_ready(&self, waiting: &AwaitedObjects<'_>, progress: &dyn Progress) -> Result<(), ClusterError> {
        let patient = self.with_patience(Duration::ZERO);
        let objects: Vec<&ObjectName> = waiting.objects.iter().filter(|object| has_readiness(object)).collect();
        let started = Instant::now();
        let mut last_note = started;
        let mut failed_since: Option<Instant> = None;
        loop {
            let not_ready = match patient.not_ready(&objects) {
                Ok(statuses) if statuses.is_empty() => return Ok(()),
                Err(error) if error.is_transient() => Err(error),
                statuses => Ok(statuses?),
            };
            let failed = not_ready.iter().flatten().any(|status| matches!(status.readiness, Readiness::Failed(_)));
            failed_since = failed.then(|| failed_since.unwrap_or_else(Instant::now));
            let expired = started.elapsed() > waiting.limit;
            if expired || failed_since.is_some_and(|since| since.elapsed() > FAILED_FOR) {
                return Err(patient.give_up(waiting, &not_ready?, started.elapsed(), !expired));
            }
            if last_note.elapsed() > NOTE_INTERVAL {
                last_note = Instant::now();
                progress.event(Event::Note(patient.note(waiting.what, &not_ready)));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    fn not_ready(&self, objects: &[&ObjectName]) -> Result<Vec<ObjectStatus>, ClusterError> {
        let statuses: Result<Vec<ObjectStatus>, ClusterError> =
            objects.iter().map(|object| self.object_status(object)).collect();
        Ok(statuses?.into_iter().filter(|status| !status.readiness.is_ready()).collect())
    }

    fn note(&self, what: &str, not_ready: &Result<Vec<ObjectStatus>, ClusterError>) -> String {
        match not_ready {
            Ok(statuses) => format!("waiting for {what}: {}", self.reasons(statuses)),
            Err(error) => format!("waiting for {what}: {}", with_causes(error)),
        }
    }

    fn give_up(
        &self,
        waiting: &AwaitedObjects<'_>,
        statuses: &[ObjectStatus],
        waited: Duration,
        failed: bool,
    ) -> ClusterError {
        let (what, reasons) = (waiting.what.to_owned(), self.reasons(statuses));
        if failed {
            ClusterError::Failed { what, reasons }
        } else {
            ClusterError::NotReady { what, seconds: waited.as_secs(), reasons }
        }
    }

    /// Returns all reasons on one line, including those of the pods.
    fn reasons(&self, statuses: &[ObjectStatus]) -> String {
        let lines: Vec<String> = statuses
            .iter()
            .map(|status| {
                let reason = status.readiness.reason().unwrap_or_default();
                let mut line = format!("{}: {reason}", status.object);
                for explained in self.explain(status) {
                    line.push_str(" (");
                    line.push_str(&explained);
                    line.push(')');
                }
                line
            })
            .collect();
        lines.join("; ")
    }
}
