//! Tries the new form of a component in one pod beside those of the earlier form. The pod must become ready, pass its
//! proofs, receive requests, stay healthy, and pass its proofs again. Only then does the upgrade continue. When the
//! step is done or undone, the pod and its copied objects are gone.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use landfall_cluster::{Canaries, CanaryForm, Cluster, ClusterError, Comparison, EditableObject, ObjectName};
use landfall_engine::causes::with_causes;
use landfall_error_codes::codes;
use landfall_media::progress::Event;
use landfall_release_document::Canary as Declared;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::component::Component;
use crate::context::ComponentContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::pods::{is_ready, object_name};
use landfall_site::proofs::{CanaryPod, Prover, choose_proofs, result};

/// Maximum time until a canary's objects are gone.
pub(super) const REMOVAL_LIMIT: Duration = Duration::from_mins(10);

/// Maximum time until the node notices that a pod was proved.
const NOTICE_LIMIT: Duration = Duration::from_mins(2);

/// Time between two checks of the pod.
const INTERVAL: Duration = Duration::from_secs(2);

/// Time for which a watched pod may be unready, because a probe may fail once.
const TOLERANCE: Duration = Duration::from_secs(30);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The component in the later release.
    pub component: Component,
    /// The release's declaration of the canary.
    pub canary: Declared,
    /// Seconds until the pod must be ready.
    pub seconds: u64,
}

/// A trial of the canary's pod.
struct Trial<'a> {
    step: &'a Canary,
    context: &'a ComponentContext,
    cluster: &'a Cluster,
    pod: ObjectName,
    /// Objects of the component in their new form.
    objects: &'a [Value],
}

impl Canary {
    fn name(&self) -> &str {
        &self.component.owner.component
    }

    fn workload(&self) -> ObjectName {
        object_name(&self.component.namespace, &self.canary.workload)
    }

    fn remove(&self, cluster: &Cluster) -> Result<usize, StepError> {
        Ok(cluster.remove_canaries(Canaries::Of(self.name()), REMOVAL_LIMIT)?)
    }

    /// Returns true if the cluster lacks an object or has it in another form than the component.
    fn differs(&self, cluster: &Cluster, object: &Value) -> Result<bool, ClusterError> {
        let editable = self.component.editable_of(object);
        let edited = EditableObject { object, editable: &editable, edits: self.component.edits };
        match cluster.compare_edited(&edited) {
            Ok(applied) => Ok(applied != Comparison::Same),
            // The change overwrites this edit.
            Err(ClusterError::Conflict { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Trial<'_> {
    /// Returns the error of a failed canary, with its component, pod and failure.
    fn failure(&self, what: impl std::fmt::Display) -> StepError {
        let what = format!("the canary of component {} failed: {} {what}", self.step.name(), self.pod);
        StepError::new(codes::CANARY_FAILED, what)
    }

    fn deletion_failure(&self) -> StepError {
        self.failure("was deleted")
    }

    /// Starts the pod, proves it, lets it serve and watches it.
    fn run(&self) -> Result<Value, StepError> {
        let limit = Duration::from_secs(self.step.seconds);
        let started = self.cluster.wait_for_pod(&self.pod, limit, |pod| runs(pod) || has_ended(pod))?;
        let started = started.ok_or_else(|| self.deletion_failure())?;
        if !runs(&started) {
            let reason = self.cluster.why_not_ready(&started).unwrap_or_else(|| "nothing says why".to_owned());
            return Err(self.failure(format!("did not become ready within {} s: {reason}", limit.as_secs())));
        }
        let mut proofs = self.prove(&started)?;
        self.cluster.let_canary_serve(&self.pod)?;
        let serving = self.cluster.wait_for_pod(&self.pod, NOTICE_LIMIT, |pod| is_ready(pod) || has_ended(pod))?;
        let serving = serving.ok_or_else(|| self.deletion_failure())?;
        if !is_ready(&serving) {
            return Err(self.failure("passed its proofs, and is not ready to serve"));
        }
        if self.step.canary.soak_seconds > 0 {
            self.watch(&started)?;
            proofs.extend(self.prove(&started)?);
        }
        Ok(json!({"pod": self.pod.to_string(), "proofs": proofs}))
    }

    /// Runs the pod's proofs, all of which must pass.
    fn prove(&self, pod: &Value) -> Result<Vec<Value>, StepError> {
        let address: Option<IpAddr> = pod["status"]["podIP"].as_str().and_then(|address| address.parse().ok());
        let asked = CanaryPod { pod: pod.clone(), address, objects: self.objects.to_vec() };
        let prover = Prover::of_canary(self.cluster.clone(), &self.context.releases.own.release, asked);
        let proofs = choose_proofs(&self.context.releases.own.release, &self.step.canary.proofs)
            .map_err(|error| StepError::new(codes::BUG, error.to_string()))?;
        let mut passed = Vec::new();
        for proof in proofs {
            let note = format!("canary of {}, proof {}: {}", self.step.name(), proof.name, proof.shows);
            self.context.progress.event(Event::Note(note));
            let shown = result(&prover, proof);
            if let Some(mismatch) = &shown.failure {
                let (expected, found) = (&mismatch.expected, &mismatch.found);
                let what = format!("did not pass the proof {}: expected {expected}; found {found}", proof.name);
                return Err(self.failure(what));
            }
            passed.push(json!({"name": shown.name, "seconds": shown.seconds}));
        }
        Ok(passed)
    }

    /// Watches the pod while Services send it requests.
    fn watch(&self, started: &Value) -> Result<(), StepError> {
        let (limit, begun) = (Duration::from_secs(self.step.canary.soak_seconds), Instant::now());
        let note = format!("the canary of {} serves, and is watched for {} s", self.step.name(), limit.as_secs());
        self.context.progress.event(Event::Note(note));
        let mut unready: Option<Instant> = None;
        while begun.elapsed() < limit || unready.is_some() {
            std::thread::sleep(INTERVAL.min(limit));
            let reason = match self.cluster.get(&self.pod) {
                Ok(live) => self.look(started, &live.ok_or_else(|| self.deletion_failure())?)?,
                Err(error) if error.is_transient() => Some(with_causes(&error)),
                Err(error) => return Err(error.into()),
            };
            let Some(reason) = reason else {
                unready = None;
                continue;
            };
            if unready.get_or_insert_with(Instant::now).elapsed() > TOLERANCE {
                return Err(self.failure(format!("did not stay ready: {reason}")));
            }
        }
        Ok(())
    }

    /// Returns the reason why the pod is not ready, if any. Fails if a container ended, even if it runs again.
    fn look(&self, started: &Value, live: &Value) -> Result<Option<String>, StepError> {
        if live["metadata"]["uid"] != started["metadata"]["uid"] || has_ended(live) {
            return Err(self.deletion_failure());
        }
        if restarts(live) > restarts(started) {
            let why = self.cluster.why_not_ready(live).map(|why| format!(": {why}")).unwrap_or_default();
            return Err(self.failure(format!("has a container that ended and was started again{why}")));
        }
        let reason = || self.cluster.why_not_ready(live).unwrap_or_else(|| "nothing says why".to_owned());
        Ok((!is_ready(live)).then(reason))
    }
}

/// Returns true if all containers of a pod are ready and it has an address. The pod serves only after its proofs.
fn runs(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let are_ready = conditions.any(|one| one["type"] == "ContainersReady" && one["status"] == "True");
    are_ready && pod["status"]["podIP"].is_string()
}

/// Returns true if a pod has ended permanently or is being deleted.
fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        || !pod["metadata"]["deletionTimestamp"].is_null()
}

fn restarts(pod: &Value) -> i64 {
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    statuses.filter_map(|status| status["restartCount"].as_i64()).sum()
}

impl Step<ComponentContext> for Canary {
    /// Observations from before a power cut are no longer valid, so the trial is repeated.
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        let left = context.cluster.connect()?.canaries(Canaries::Of(self.name()))?.len();
        Ok(if left == 0 {
            ObservedState::Absent
        } else {
            ObservedState::Partial(format!("{left} of its objects exist"))
        })
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        let cluster = context.cluster.connect()?;
        self.remove(&cluster)?;
        let objects = self.component.resolve_objects(&context.releases.own.documents)?;
        let workload = self.workload();
        let form = CanaryForm { component: self.name(), workload: &workload, objects: &objects };
        let made = form.objects(|object| self.differs(&cluster, object))?;
        let made = made.ok_or_else(|| StepError::new(codes::BUG, format!("{workload} is not in the release")))?;
        let trial = Trial { step: self, context, cluster: &cluster, pod: form.pod(), objects: &objects };
        for object in &made {
            cluster.apply(object).map_err(|error| match error {
                refused @ ClusterError::Refused { .. } if !refused.is_transient() => {
                    trial.failure("cannot be made").because(refused)
                }
                other => other.into(),
            })?;
        }
        let tried = trial.run()?;
        self.remove(&cluster)?;
        Ok(tried)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        if context.undo.removing_cluster {
            return Ok(());
        }
        self.remove(&context.cluster.connect()?).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ready: &str, address: &Value, phase: &str) -> Value {
        let conditions = json!([{"type": "ContainersReady", "status": ready}, {"type": "Ready", "status": "False"}]);
        json!({"metadata": {}, "status": {"phase": phase, "conditions": conditions, "podIP": address,
            "containerStatuses": [{"restartCount": 1}, {"restartCount": 2}]}})
    }

    #[test]
    fn canary_pod_states_are_read() {
        let address = json!("10.0.0.7");
        assert!(runs(&pod("True", &address, "Running")));
        assert!(!runs(&pod("False", &address, "Running")) && !runs(&pod("True", &Value::Null, "Running")));
        assert!(!has_ended(&pod("False", &Value::Null, "Pending")) && has_ended(&pod("True", &address, "Failed")));
        let mut deleted = pod("True", &address, "Running");
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(has_ended(&deleted));
        assert_eq!((restarts(&deleted), restarts(&json!({}))), (3, 0));
    }
}
