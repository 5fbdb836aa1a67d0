//! Reasons why pods are not ready, worded for a user who can fix them.

use std::fmt;

use serde_json::Value;

use super::conditions::{condition, message};

/// Number of log lines that an explanation quotes.
pub(crate) const QUOTED_LINES: u32 = 5;

/// Reason why a pod is not ready, as far as the pod itself shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodReason {
    /// No node can run the pod.
    Unschedulable(String),
    /// An image cannot be pulled.
    Image {
        /// The container.
        container: String,
        /// The image as the pod names it.
        image: String,
        /// The node's message.
        message: String,
    },
    /// A container ends repeatedly, or has ended.
    Ended {
        /// The container.
        container: String,
        /// Exit code of the last run.
        exit_code: i64,
        /// `OOMKilled` or another cause, if the node reports more than `Error`.
        cause: Option<String>,
        /// Number of restarts.
        restarts: i64,
    },
    /// A container cannot be started.
    CannotStart {
        /// The container.
        container: String,
        /// The node's message.
        message: String,
    },
    /// Containers wait for their prerequisites: volumes, network, init containers.
    Waiting {
        /// The container.
        container: String,
        /// The node's reason.
        state: String,
    },
    /// A container runs but is not ready.
    NotReady {
        /// The container.
        container: String,
    },
}

impl PodReason {
    /// Returns the reason why a pod is not ready; `None` if it is ready, or if nothing is known yet.
    pub fn of(pod: &Value) -> Option<Self> {
        let statuses = ["initContainerStatuses", "containerStatuses"];
        let statuses = statuses.iter().filter_map(|field| pod["status"][*field].as_array()).flatten();
        // A waiting container explains less than the one that it waits for.
        let reasons: Vec<Self> = statuses.filter_map(|status| container_reason(pod, status)).collect();
        let first = |test: fn(&Self) -> bool| reasons.iter().find(|reason| test(reason)).cloned();
        let unschedulable = condition(pod, "PodScheduled")
            .filter(|found| found["status"] == "False")
            .map(|found| Self::Unschedulable(message(found)));
        unschedulable
            .or_else(|| first(|reason| !matches!(reason, Self::Waiting { .. } | Self::NotReady { .. })))
            .or_else(|| first(|reason| matches!(reason, Self::NotReady { .. })))
            .or_else(|| first(|_| true))
    }

    /// Returns the container whose log explains more, and true if its previous run's log should be read.
    pub fn log_wanted(&self) -> Option<(&str, bool)> {
        match self {
            Self::Ended { container, restarts, .. } => Some((container, *restarts > 0)),
            Self::NotReady { container } => Some((container, false)),
            _ => None,
        }
    }

    /// Returns reasons from events that explain more than the pod does.
    fn event_reasons(&self) -> &'static [&'static str] {
        match self {
            Self::Waiting { .. } => &["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume"],
            Self::NotReady { .. } | Self::Ended { .. } => &["Unhealthy"],
            _ => &[],
        }
    }
}

impl fmt::Display for PodReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable(message) => write!(formatter, "no node can take it: {message}"),
            Self::Image { container, image, message } => {
                write!(formatter, "container {container} cannot get its image {image}: {message}")
            }
            Self::Ended { container, exit_code, cause, restarts } => {
                write!(formatter, "container {container} ended with exit code {exit_code}")?;
                if let Some(cause) = cause {
                    write!(formatter, " ({cause})")?;
                }
                match restarts {
                    0 => Ok(()),
                    1 => formatter.write_str(" and was started again"),
                    many => write!(formatter, " and was started again {many} times"),
                }
            }
            Self::CannotStart { container, message } => {
                write!(formatter, "container {container} cannot start: {message}")
            }
            Self::Waiting { container, state } => write!(formatter, "container {container} waits: {state}"),
            Self::NotReady { container } => write!(formatter, "container {container} runs but is not ready"),
        }
    }
}

fn container_reason(pod: &Value, status: &Value) -> Option<PodReason> {
    let container = status["name"].as_str()?.to_owned();
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let restarts = status["restartCount"].as_i64().unwrap_or(0);
    let ended = |terminated: &Value, container: String| {
        let cause = terminated["reason"].as_str().filter(|reason| !matches!(*reason, "Error" | "Completed"));
        let exit_code = terminated["exitCode"].as_i64().unwrap_or(-1);
        PodReason::Ended { container, exit_code, cause: cause.map(str::to_owned), restarts }
    };
    if let Some(state) = status.pointer("/state/waiting/reason").and_then(Value::as_str) {
        let message = text("/state/waiting/message");
        return Some(match state {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable"
            | "ImageInspectError" => {
                let image = spec_of(pod, &container).and_then(|spec| spec["image"].as_str()).map(str::to_owned);
                PodReason::Image { container, image: image.unwrap_or_else(|| text("/image")), message }
            }
            "CrashLoopBackOff" => ended(&status["lastState"]["terminated"], container),
            "ContainerCreating" | "PodInitializing" => PodReason::Waiting { container, state: state.to_owned() },
            _ if message.is_empty() => PodReason::CannotStart { container, message: state.to_owned() },
            _ => PodReason::CannotStart { container, message },
        });
    }
    if let Some(terminated) = status.pointer("/state/terminated") {
        return (terminated["exitCode"].as_i64() != Some(0)).then(|| ended(terminated, container));
    }
    // All containers wait for a running init container; a running container must report that it is ready.
    let is_main = pod["status"]["containerStatuses"].as_array().is_some_and(|all| all.contains(status));
    (is_main && status["ready"] == false && status.pointer("/state/running").is_some())
        .then_some(PodReason::NotReady { container })
}

fn spec_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let containers =
        ["initContainers", "containers"].iter().filter_map(|field| pod["spec"][*field].as_array()).flatten();
    containers.into_iter().find(|spec| spec["name"] == container)
}

/// Explains why a pod is not ready, with the newest event and the last log lines. `None` if it is ready or nothing is
/// known yet.
pub fn explain_pod(pod: &Value, events: &[Value], log: &str) -> Option<String> {
    let reason = PodReason::of(pod)?;
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without a name");
    let mut text = format!("pod {name}: {reason}");
    if let Some(said) = newest(events, name, reason.event_reasons()) {
        text.push_str("; ");
        text.push_str(said);
    }
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(QUOTED_LINES as usize)..];
    if !lines.is_empty() {
        text.push_str("; its log ends: ");
        text.push_str(&lines.join(" | "));
    }
    Some(text)
}

/// Explains why a workload has no pods by its controller's creation error, such as a quota, a Pod Security Standard or
/// an admission webhook.
pub fn explain_workload(name: &str, events: &[Value]) -> Option<String> {
    newest(
        events,
        name,
        &["FailedCreate", "FailedDaemonPod", "ReplicaSetCreateError", "ProvisioningFailed", "FailedBinding"],
    )
    .map(str::to_owned)
}

/// Returns the message of the newest event about an object, or about objects that it created, whose names begin with
/// its own.
fn newest<'a>(events: &'a [Value], object: &str, reasons: &[&str]) -> Option<&'a str> {
    let about = |event: &Value| {
        let name = event.pointer("/involvedObject/name").and_then(Value::as_str).unwrap_or_default();
        name == object || name.strip_prefix(object).is_some_and(|rest| rest.starts_with('-'))
    };
    let wanted = events.iter().filter(|event| event["reason"].as_str().is_some_and(|reason| reasons.contains(&reason)));
    wanted.filter(|event| about(event)).max_by_key(|event| time_of(event)).and_then(|event| event["message"].as_str())
}

/// Returns the time when an event was last seen; RFC 3339 in UTC sorts as text.
fn time_of(event: &Value) -> &str {
    let fields = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    fields.iter().find_map(|field| event.pointer(field).and_then(Value::as_str)).unwrap_or_default()
}
