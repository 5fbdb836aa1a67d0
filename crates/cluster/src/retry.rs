//! Classification of transient failures, and the delays between attempts.

use std::time::Duration;

use kube::core::Status;

/// Reason why one attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The API server answered with a status.
    #[error("{0}")]
    Status(Box<Status>),
    /// No answer: refused, reset, or interrupted.
    #[error("the connection failed")]
    Transport(#[source] kube::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_millis().div_ceil(1000))]
    TimedOut(Duration),
    /// A refusal by an API server that has not loaded RBAC yet.
    #[error("it is still starting: {0}")]
    Starting(Box<Status>),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status(status),
            other => Self::Transport(other),
        }
    }
}

impl Failure {
    /// Returns true if the same request may succeed later, unchanged. Conflicts of field managers are not transient,
    /// nor are errors in the request.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) | Self::TimedOut(_) | Self::Starting(_) => true,
            Self::Status(status) => is_transient(status),
        }
    }

    /// Returns the delay that the API server requested.
    pub(super) fn wait_asked_for(&self) -> Option<Duration> {
        let Self::Status(status) = self else { return None };
        let seconds = status.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }
}

/// Returns true if an answer denies access. An API server serves before it has loaded RBAC, and denies every request
/// until then.
pub(super) fn denies_rights(status: &Status) -> bool {
    matches!(status.code, 401 | 403)
}

/// Returns true if the API server may answer the same request differently later.
pub(super) fn is_transient(status: &Status) -> bool {
    match status.code {
        408 | 429 | 502 | 503 | 504 => true,
        500 => !is_schema_violation(status),
        409 => status.reason == "Conflict" && !is_field_conflict(status),
        _ => false,
    }
}

/// Returns true if an applied object violates its schema, which the API server reports as an internal error (500).
fn is_schema_violation(status: &Status) -> bool {
    status.message.contains("failed to create typed patch object")
}

/// Returns true if a status reports fields that another manager owns.
pub(super) fn is_field_conflict(status: &Status) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "FieldManagerConflict")
}

/// Delays between attempts: doubling from a tenth of a second to three seconds.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(3);

    pub(super) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// Returns the next delay, or the one that the API server requested if that is longer.
    pub(super) fn delay(&mut self, asked_for: Option<Duration>) -> Duration {
        let own = self.next;
        self.next = (own * 2).min(Self::LONGEST);
        asked_for.map_or(own, |asked_for| asked_for.max(own))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failure(status: serde_json::Value) -> Failure {
        Failure::Status(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn transient_and_permanent_answers_differ() {
        for (status, transient) in [
            (json!({"code": 409, "reason": "Conflict", "message": "the object has been modified"}), true),
            (json!({"code": 409, "reason": "AlreadyExists"}), false),
            (
                json!({"code": 409, "reason": "Conflict",
                    "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"a\"",
                        "field": ".spec"}]}}),
                false,
            ),
            (json!({"code": 429, "reason": "TooManyRequests"}), true),
            (json!({"code": 500, "reason": "InternalError"}), true),
            (
                json!({"code": 500, "message": "failed to create typed patch object (default/bad; /v1, \
                    Kind=ConfigMap): .dada: field not declared in schema"}),
                false,
            ),
            (json!({"code": 503, "reason": "ServiceUnavailable"}), true),
            (json!({"code": 403, "reason": "Forbidden"}), false),
            (json!({"code": 404, "reason": "NotFound"}), false),
            (json!({"code": 422, "reason": "Invalid"}), false),
        ] {
            assert_eq!(failure(status.clone()).is_transient(), transient, "{status}");
        }
        assert!(Failure::TimedOut(Duration::from_secs(1)).is_transient());
        let refused = serde_json::from_value(json!({"code": 403, "reason": "Forbidden"})).unwrap();
        assert!(Failure::Starting(Box::new(refused)).is_transient(), "until it has started");
    }

    #[test]
    fn backoff_grows_and_honors_server() {
        let mut backoff = Backoff::new();
        let delays: Vec<u128> = (0..7).map(|_| backoff.delay(None).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3000, 3000]);
        let asked = failure(json!({"code": 429, "details": {"retryAfterSeconds": 7}})).wait_asked_for();
        assert_eq!(backoff.delay(asked), Duration::from_secs(7));
        assert_eq!(backoff.delay(Some(Duration::from_millis(1))), Duration::from_secs(3));
    }
}
