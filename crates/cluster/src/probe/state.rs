//! State of a probe's pod. Pure.

use serde_json::Value;

use crate::ready::PodReason;

/// State of a probe's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// The pod has not ended; with the kubelet's report, if any.
    Waiting(Option<String>),
    /// The program succeeded.
    Succeeded,
    /// The program ran and failed.
    Failed(String),
    /// The program did not run, or was ended from outside.
    NotRun(String),
}

/// Reads the state of a pod from its status.
pub fn pod_state(pod: &Value) -> PodState {
    let status = &pod["status"];
    match status["phase"].as_str() {
        Some("Succeeded") => PodState::Succeeded,
        Some("Failed") => end_state(status),
        Some("Running") => PodState::Waiting(Some("its program runs, and has not ended".to_owned())),
        _ => PodState::Waiting(PodReason::of(pod).map(|reason| reason.to_string())),
    }
}

fn end_state(status: &Value) -> PodState {
    // The kubelet rejected or evicted the pod, or ended it at its time limit.
    if let Some(reason) = status_message(status) {
        return PodState::NotRun(reason);
    }
    let container = &status["containerStatuses"][0]["state"]["terminated"];
    match (container["reason"].as_str(), container["exitCode"].as_i64()) {
        (Some("Error") | None, Some(code)) => PodState::Failed(format!("it ended with exit code {code}")),
        (Some("OOMKilled"), _) => PodState::Failed("it needed more memory than its limit".to_owned()),
        _ => PodState::NotRun(status_message(container).unwrap_or_else(|| "the kubelet reports no reason".to_owned())),
    }
}

/// Returns reason and message of a status, as far as they exist.
fn status_message(status: &Value) -> Option<String> {
    let text = |field: &str| status[field].as_str().map(str::trim).filter(|text| !text.is_empty());
    match (text("reason"), text("message")) {
        (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(status: &Value) -> PodState {
        pod_state(&json!({"spec": {"containers": [{"name": "facts", "image": "facts:1"}]}, "status": status}))
    }

    fn container(state: &Value) -> Value {
        json!([{"name": "facts", "ready": false, "restartCount": 0, "image": "facts:1", "state": state}])
    }

    #[test]
    fn waiting_pod_gives_its_reason() {
        assert_eq!(state(&Value::Null), PodState::Waiting(None));
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}});
        let pulling = state(&json!({"phase": "Pending", "containerStatuses": container(&waiting)}));
        let expected = "container facts cannot get its image facts:1: no such host";
        assert_eq!(pulling, PodState::Waiting(Some(expected.to_owned())));
    }

    #[test]
    fn failed_program_differs_from_unstarted() {
        let failed = |reason: &str, message: &str| {
            let end = json!({"terminated": {"exitCode": 5, "reason": reason, "message": message}});
            state(&json!({"phase": "Failed", "containerStatuses": container(&end)}))
        };
        assert_eq!(failed("Error", ""), PodState::Failed("it ended with exit code 5".to_owned()));
        assert!(matches!(failed("OOMKilled", ""), PodState::Failed(_)));
        let missing = failed("StartError", "exec: \"/landfall-facts\": no such file or directory");
        assert_eq!(
            missing,
            PodState::NotRun("StartError: exec: \"/landfall-facts\": no such file or directory".to_owned())
        );
        for (status, said) in [
            (json!({"phase": "Failed", "reason": "DeadlineExceeded"}), "DeadlineExceeded"),
            (json!({"phase": "Failed", "reason": "OutOfpods", "message": "too many"}), "OutOfpods: too many"),
            (json!({"phase": "Failed"}), "the kubelet reports no reason"),
        ] {
            assert_eq!(state(&status), PodState::NotRun(said.to_owned()));
        }
        assert_eq!(state(&json!({"phase": "Succeeded"})), PodState::Succeeded);
    }
}
