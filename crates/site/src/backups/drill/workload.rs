//! Drill of one workload: its data is loaded into an empty volume, its own program starts on it, and checks run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use landfall_cluster::drill::{DataVolume, DrillPod, END_LOADING, LOADER, claims};
use landfall_cluster::ready::PodReason;
use landfall_cluster::{AwaitedObjects, ObjectName, Owner};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{Code, CodedError, codes};
use serde_json::Value;

use super::super::check::{CheckResult, CheckSubject, check, limit_seconds};
use super::super::load::StreamLoad;
use super::trial::Trial;
use super::{Drill, SavedStream, network};
use crate::pods::Container;

/// Time limit for the start of the loader, whose image is on the node.
const START_LIMIT: Duration = Duration::from_mins(5);

/// Time limit for the end of the loader.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Time between checks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Meaning of a successful load.
const LOADED: &str = "The backup is loaded into an empty volume, and its software starts on it";

/// Meaning of a successful load of a backup with its log.
const RECOVERED: &str =
    "The backup and the log backups after it are loaded into an empty volume, and the software starts on them";

/// Meaning of a successful load of a backup whose log leads to its cut.
const AT_THE_CUT: &str =
    "The backup and its log until its cut are loaded into an empty volume, and the software starts on them";

/// Errors that speak against a backup.
pub(super) const FAILURES: [Code; 3] = [codes::RESTORE_LOAD, codes::CLUSTER_NOT_READY, codes::CLUSTER_FAILED];

/// Time for all work in a pod without declared limits.
const MARGIN: Duration = Duration::from_mins(15);

impl Drill<'_> {
    /// Restores the streams of one container in a drill. Returns the results of each stream's checks.
    pub(super) fn workload(
        &self,
        trial: &Trial<'_>,
        group: &[&SavedStream],
    ) -> Result<Vec<Vec<CheckResult>>, StepError> {
        let first = group[0];
        let shows = |saved: &SavedStream| match trial.recovery(saved) {
            None => LOADED,
            Some(_) if trial.is_of_backup() => AT_THE_CUT,
            Some(_) => RECOVERED,
        };
        self.within(&first.component, |namespace, owner| {
            let server = match self.start_server(trial, group, namespace, owner) {
                Ok(server) => server,
                // An error that says nothing about the backup is not a result, and a repetition may succeed.
                Err(error) if !FAILURES.contains(&error.code()) => return Err(error),
                Err(error) => {
                    let found = with_causes(&error);
                    let failed = |saved: &&SavedStream| {
                        vec![CheckResult::fail(shows(saved), "it is loaded, and the software starts", &found)]
                    };
                    return Ok(group.iter().map(failed).collect());
                }
            };
            let checked = |saved: &&SavedStream| {
                let loaded = CheckResult::pass(shows(saved));
                let loaded_bytes = trial.loaded_bytes(&[*saved]);
                let (at, wordless) = (&server, SavedStream { word: None, ..(*saved).clone() });
                let restored = if trial.is_of_backup() {
                    CheckSubject { saved, at, counted: trial.counts(saved), loaded_bytes }
                } else {
                    // A backup that was interrupted later may have written a newer marker.
                    CheckSubject { saved: &wordless, at, counted: None, loaded_bytes }
                };
                let checks = check(self.cluster, &restored);
                std::iter::once(loaded).chain(checks).collect()
            };
            Ok(group.iter().map(checked).collect())
        })
    }

    /// Returns a container that runs its own program on the restored data.
    fn start_server(
        &self,
        trial: &Trial<'_>,
        group: &[&SavedStream],
        namespace: &str,
        owner: &Owner,
    ) -> Result<Container, StepError> {
        let first = group[0];
        let size_limit = self.needed_space(trial, group).bytes.to_string();
        let empty = |(volume, _)| (volume, DataVolume::Empty { size_limit: size_limit.clone() });
        let volumes: BTreeMap<String, DataVolume> = claims(&first.workload).into_iter().map(empty).collect();
        let drilled = DrillPod {
            workload: &first.workload,
            container: first.rule.container.as_deref(),
            namespace,
            name: &first.rule.workload.name,
            owner,
            volumes: &volumes,
            has_runtime: network::is_there(self.paths),
            lifetime: lifetime(trial, group),
        };
        let pod = drilled.loader_before_server()?;
        self.copy_references(&pod, &first.namespace, namespace, owner)?;
        let name = ObjectName::of(&pod)?;
        self.cluster.apply(&pod)?;
        self.wait_for_loader(&name)?;
        let container = |container: &str| Container {
            namespace: namespace.to_owned(),
            pod: name.name.clone(),
            name: container.to_owned(),
        };
        let loader = container(LOADER);
        for saved in group {
            let (cluster, paths, progress) = (self.cluster, self.paths, self.progress);
            let load = StreamLoad { cluster, paths, saved, into: &loader, progress };
            load.load(trial.backup)?;
            if let Some(recovery) = trial.recovery(saved) {
                load.recover(&recovery.logs, recovery.to)?;
            }
        }
        let end = END_LOADING.map(str::to_owned);
        let ended = self.cluster.execute(namespace, &name.name, LOADER, &end, END_LIMIT);
        ended.map_err(|error| StepError::new(codes::RESTORE_LOAD, "the loader cannot be ended").because(error))?;
        let what = format!("{} on restored data", first.rule.workload);
        let limit = Duration::from_secs(first.ready_seconds);
        self.cluster
            .wait_ready(&AwaitedObjects { what: &what, objects: std::slice::from_ref(&name), limit }, self.progress)?;
        let server = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
        Ok(container(server))
    }

    fn wait_for_loader(&self, pod: &ObjectName) -> Result<(), StepError> {
        let begun = Instant::now();
        loop {
            let found = self.cluster.get(pod)?.unwrap_or_default();
            if is_loading(&found) {
                return Ok(());
            }
            let has_ended = matches!(found["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
            if has_ended || begun.elapsed() > START_LIMIT {
                let reason = PodReason::of(&found).map(|reason| format!(": {reason}")).unwrap_or_default();
                let what = format!("{pod} does not start{reason}");
                return Err(StepError::new(codes::RESTORE_LOAD, what));
            }
            std::thread::sleep(INTERVAL);
        }
    }
}

fn is_loading(pod: &Value) -> bool {
    let statuses = pod["status"]["initContainerStatuses"].as_array().into_iter().flatten();
    statuses.into_iter().any(|status| status["name"] == LOADER && status["state"]["running"].is_object())
}

/// Returns the lifetime of these streams' pod.
fn lifetime(trial: &Trial<'_>, group: &[&SavedStream]) -> Duration {
    let seconds = |saved: &&SavedStream| {
        let limit = |declared: u64| limit_seconds(declared, trial.loaded_bytes(&[*saved]));
        let checks: u64 = saved.rule.checks.iter().map(|check| limit(check.limit_seconds)).sum();
        let counts = trial.counts(saved).map_or(0, |_| limit(saved.rule.limit_seconds));
        saved.rule.limit_seconds * trial.programs(saved) + saved.ready_seconds + checks + counts
    };
    MARGIN + Duration::from_secs(group.iter().map(seconds).sum())
}
