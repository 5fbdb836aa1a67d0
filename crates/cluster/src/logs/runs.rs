//! Runs of containers: changes among them, and the logs to read next. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use super::{LogItem, LogSource, Progress};

/// Container of a pod: the pod's UID and the container's name.
pub(super) type Container = (String, String);

/// One run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) container: Container,
    pub(super) source: LogSource,
    /// The runtime's ID, unique to each run.
    pub(super) id: String,
    /// True if it existed when following began.
    pub(super) is_early: bool,
}

/// Result of a check of the pods.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RunChanges {
    /// Items for people.
    pub(super) news: Vec<LogItem>,
    /// Runs whose logs must be read, from the beginning or onward.
    pub(super) to_open: Vec<Run>,
}

/// Known state of a component's pods.
#[derive(Debug, Default)]
pub(super) struct Runs {
    looked: bool,
    pods: BTreeSet<String>,
    /// The latest run of each container, and true if it existed when following began.
    latest: BTreeMap<Container, (String, bool)>,
}

impl Runs {
    /// Examines the current pods of the component. `progress` returns how far a container's log was read.
    pub(super) fn look<'a>(
        &mut self,
        pods: impl Iterator<Item = &'a Pod>,
        progress: impl Fn(&Container) -> Progress,
    ) -> RunChanges {
        let mut found = RunChanges::default();
        let is_first = !std::mem::replace(&mut self.looked, true);
        for pod in pods {
            let (namespace, name) = (text(pod.metadata.namespace.as_ref()), text(pod.metadata.name.as_ref()));
            let uid = text(pod.metadata.uid.as_ref());
            if self.pods.insert(uid.clone()) && !is_first {
                found.news.push(LogItem::Started { namespace: namespace.clone(), pod: name.clone() });
            }
            for status in statuses(pod) {
                // A container without a runtime ID has not run yet.
                let Some(id) = status.container_id.clone().filter(|id| !id.is_empty()) else { continue };
                let container = (uid.clone(), status.name.clone());
                let source =
                    LogSource { namespace: namespace.clone(), pod: name.clone(), container: status.name.clone() };
                let known = self.latest.get(&container).cloned();
                let is_new = known.as_ref().is_none_or(|(known, _)| *known != id);
                if is_new && known.is_some() {
                    let (times, ended) = (status.restart_count, previous_end(status));
                    found.news.push(LogItem::Restarted { source: source.clone(), times, ended });
                }
                let is_early = if is_new { is_first } else { known.is_some_and(|(_, is_early)| is_early) };
                self.latest.insert(container.clone(), (id.clone(), is_early));
                if must_be_read(&progress(&container), status, &id) {
                    found.to_open.push(Run { container, source, id, is_early });
                }
            }
        }
        found
    }
}

/// Returns true if a log has unread lines: it was never opened for this run, it broke off, or its container still runs.
fn must_be_read(progress: &Progress, status: &ContainerStatus, id: &str) -> bool {
    let is_running = status.state.as_ref().is_some_and(|state| state.running.is_some());
    !progress.is_open && (progress.run != id || !progress.is_whole || is_running)
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let initial = status.and_then(|status| status.init_container_statuses.as_ref());
    let usual = status.and_then(|status| status.container_statuses.as_ref());
    let ephemeral = status.and_then(|status| status.ephemeral_container_statuses.as_ref());
    [initial, usual, ephemeral].into_iter().flatten().flatten()
}

/// Describes the end of the previous run.
fn previous_end(status: &ContainerStatus) -> String {
    let terminated = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let Some(ContainerStateTerminated { exit_code, reason, .. }) = terminated else {
        return "its previous exit status is unknown".to_owned();
    };
    let reason = reason.as_deref().map_or_else(String::new, |reason| format!("{reason}, "));
    format!("{reason}exit code {exit_code}")
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}
