//! Tables of objects as real clusters return them, reduced to the fields under test and their context.

use serde_json::{Value, json};

use super::*;

const READY: &str = "";

fn verdict(object: &Value) -> (&'static str, String) {
    match evaluate(object) {
        Readiness::Ready => ("ready", READY.to_owned()),
        Readiness::InProgress(reason) => ("in progress", reason),
        Readiness::Failed(reason) => ("failed", reason),
    }
}

#[track_caller]
fn assert_verdicts(cases: &[(Value, &str, &str)]) {
    for (object, state, reason) in cases {
        assert_eq!(verdict(object), (*state, (*reason).to_owned()), "{object}");
    }
}

fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    object
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "generation": 2},
        "spec": {"replicas": 2, "progressDeadlineSeconds": 600},
        "status": {
            "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability."},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                    "message": "ReplicaSet \"coredns-1\" has successfully progressed."}
            ]
        }
    })
}

#[test]
fn deployment_verdicts_match() {
    let exceeded = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"coredns-1\" has timed out progressing."}]);
    let refused = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"a\" is forbidden: exceeded quota: landfall"}]);
    let unavailable = json!([{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability."}]);
    assert_verdicts(&[
        (deployment(), "ready", READY),
        (
            with(deployment(), &[("/metadata/generation", json!(3))]),
            "in progress",
            "its controller has not seen its latest change yet",
        ),
        (with(deployment(), &[("/status", json!({}))]), "in progress", "its controller has not seen it yet"),
        (with(deployment(), &[("/status/readyReplicas", json!(1))]), "in progress", "1 of 2 pods are ready"),
        (with(deployment(), &[("/status/updatedReplicas", json!(1))]), "in progress", "1 of 2 pods are updated"),
        (with(deployment(), &[("/status/replicas", json!(3))]), "in progress", "pods of its earlier version still run"),
        (with(deployment(), &[("/status/availableReplicas", Value::Null)]), "in progress", "0 of 2 pods are available"),
        (
            with(deployment(), &[("/status/conditions", exceeded), ("/status/readyReplicas", json!(1))]),
            "in progress",
            "1 of 2 pods are ready",
        ),
        (
            with(deployment(), &[("/status/conditions", refused)]),
            "in progress",
            "its pods cannot be made: pods \"a\" is forbidden: exceeded quota: landfall",
        ),
        (
            with(deployment(), &[("/status/conditions", unavailable)]),
            "in progress",
            "Deployment does not have minimum availability.",
        ),
        (
            with(
                deployment(),
                &[
                    ("/spec/replicas", json!(0)),
                    (
                        "/status",
                        json!({"observedGeneration": 2, "conditions": [{"type": "Available", "status": "True"}]}),
                    ),
                ],
            ),
            "ready",
            READY,
        ),
        (
            with(deployment(), &[("/metadata/deletionTimestamp", json!("2026-11-20T08:00:00Z"))]),
            "in progress",
            "it is being deleted",
        ),
    ]);
}

#[test]
fn stateful_set_verdicts_match() {
    let set = || {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "postgres", "generation": 1},
            "spec": {"replicas": 1, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}},
            "status": {
                "observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1,
                "availableReplicas": 1, "currentRevision": "postgres-5c9", "updateRevision": "postgres-5c9",
                "collisionCount": 0
            }
        })
    };
    assert_verdicts(&[
        (set(), "ready", READY),
        (
            with(set(), &[("/status", json!({"observedGeneration": 1, "replicas": 1, "availableReplicas": 0}))]),
            "in progress",
            "0 of 1 pods are ready",
        ),
        (with(set(), &[("/status", json!({"replicas": 0}))]), "in progress", "its controller has not seen it yet"),
        (
            with(set(), &[("/status/updateRevision", json!("postgres-7d1"))]),
            "in progress",
            "pods of its earlier version still run",
        ),
        (with(set(), &[("/status/updatedReplicas", json!(0))]), "in progress", "0 of 1 pods are updated"),
        (with(set(), &[("/status/availableReplicas", json!(0))]), "in progress", "0 of 1 pods are available"),
        (with(set(), &[("/status/replicas", json!(2))]), "in progress", "surplus pods still run"),
        (
            with(
                set(),
                &[("/spec/updateStrategy/type", json!("OnDelete")), ("/status/updateRevision", json!("postgres-7d1"))],
            ),
            "ready",
            READY,
        ),
        (
            with(
                set(),
                &[
                    ("/spec/replicas", json!(3)),
                    ("/spec/updateStrategy/rollingUpdate/partition", json!(2)),
                    (
                        "/status",
                        json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1,
                            "availableReplicas": 3, "currentRevision": "a", "updateRevision": "b"}),
                    ),
                ],
            ),
            "ready",
            READY,
        ),
    ]);
}

#[test]
fn daemon_set_verdicts_match() {
    let set = |status: Value| {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "kube-flannel-ds", "generation": 1}, "spec": {}, "status": status})
    };
    let up = json!({"observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1, "numberReady": 1, "numberAvailable": 1, "numberMisscheduled": 0});
    let starting = json!({"observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1, "numberReady": 0, "numberUnavailable": 1, "numberMisscheduled": 0});
    assert_verdicts(&[
        (set(up), "ready", READY),
        (set(starting), "in progress", "0 of 1 pods are ready"),
        (
            set(json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
                    "numberMisscheduled": 0})),
            "in progress",
            "its controller has not seen it yet",
        ),
    ]);
}

#[test]
fn job_verdicts_match() {
    let job = |status: Value| {
        json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "schema", "generation": 1}, "spec": {"completions": 1, "backoffLimit": 3},
        "status": status})
    };
    let done = json!({"startTime": "2026-11-20T08:00:00Z", "completionTime": "2026-11-20T08:00:09Z", "succeeded": 1,
        "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True",
            "message": "Reached expected number of succeeded pods"}]});
    let failed = json!({"startTime": "2026-11-20T08:00:00Z", "failed": 4, "conditions": [
        {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"},
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit"}]});
    assert_verdicts(&[
        (job(json!({})), "in progress", "it has not started yet"),
        (job(json!({"startTime": "2026-11-20T08:00:00Z", "active": 1})), "in progress", "0 of 1 runs are done"),
        (
            job(json!({"startTime": "2026-11-20T08:00:00Z", "active": 1, "failed": 2})),
            "in progress",
            "0 of 1 runs are done, 2 failed",
        ),
        (job(done), "ready", READY),
        (job(failed), "failed", "Job has reached the specified backoff limit"),
        (
            job(json!({"conditions": [{"type": "Suspended", "status": "True", "reason": "JobSuspended",
                    "message": "Job suspended"}]})),
            "in progress",
            "Job suspended",
        ),
    ]);
}

#[test]
fn claim_service_and_definition_verdicts_match() {
    let claim = |status: Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"}, "spec": {"storageClassName": "local-path"}, "status": status})
    };
    let service = |spec: Value, status: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": spec, "status": status})
    };
    let definition = |conditions: Value| {
        json!({"apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.org", "generation": 1},
        "status": {"conditions": conditions}})
    };
    assert_verdicts(&[
        (claim(json!({"phase": "Bound"})), "ready", READY),
        (claim(json!({"phase": "Pending"})), "in progress", "it has no volume yet"),
        (
            with(claim(json!({"phase": "Pending"})), &[("/spec/volumeName", json!("weights"))]),
            "in progress",
            "it is not bound to the volume weights yet",
        ),
        (claim(json!({"phase": "Lost"})), "failed", "the volume it was bound to is lost"),
        (service(json!({"type": "ClusterIP", "clusterIP": "10.96.0.10"}), json!({"loadBalancer": {}})), "ready", READY),
        (service(json!({"type": "ClusterIP", "clusterIP": "None"}), json!({"loadBalancer": {}})), "ready", READY),
        (service(json!({"type": "ExternalName", "externalName": "db.example.org"}), json!({})), "ready", READY),
        (service(json!({"type": "ClusterIP"}), json!({})), "in progress", "it has no address yet"),
        (
            service(json!({"type": "LoadBalancer", "clusterIP": "10.96.0.11"}), json!({"loadBalancer": {}})),
            "in progress",
            "it has no load balancer address yet",
        ),
        (definition(json!([])), "in progress", "it does not say yet that it is Established"),
        (
            definition(json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}])),
            "ready",
            READY,
        ),
        (
            definition(json!([{"type": "NamesAccepted", "status": "False", "reason": "PluralConflict",
                    "message": "\"things\" is already in use"}])),
            "failed",
            "\"things\" is already in use",
        ),
    ]);
    let pending = claim(json!({"phase": "Pending"}));
    for (mode, ready) in [("WaitForFirstConsumer", true), ("Immediate", false)] {
        assert_eq!(
            evaluate_claim(&pending, Some(&json!({"kind": "StorageClass", "volumeBindingMode": mode}))).is_ready(),
            ready
        );
    }
    let consumer = json!({"volumeBindingMode": "WaitForFirstConsumer"});
    assert!(!evaluate_claim(&claim(json!({"phase": "Lost"})), Some(&consumer)).is_ready());
}

#[test]
fn other_kinds_are_judged_by_conditions() {
    let custom = |conditions: Value| {
        json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
        "metadata": {"name": "c", "generation": 1}, "status": {"conditions": conditions}})
    };
    assert_verdicts(&[
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {}}), "ready", READY),
        (custom(json!([{"type": "Ready", "status": "True"}])), "ready", READY),
        (
            custom(json!([{"type": "Ready", "status": "False", "reason": "ClusterIsNotReady",
                    "message": "Cluster Is Not Ready"}])),
            "in progress",
            "Cluster Is Not Ready",
        ),
        (
            custom(json!([{"type": "Stalled", "status": "True", "reason": "BadSpec"},
                    {"type": "Ready", "status": "False"}])),
            "failed",
            "BadSpec",
        ),
        (custom(json!([{"type": "Reconciling", "status": "True", "message": "building"}])), "in progress", "building"),
        (
            json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": {"name": "v1beta1.metrics.k8s.io"},
                "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints",
                        "message": "endpoints for service/metrics-server have no addresses"}]}}),
            "in progress",
            "endpoints for service/metrics-server have no addresses",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"},
                "status": {"phase": "Terminating"}}),
            "in progress",
            "it is Terminating",
        ),
    ]);
}

fn pod(status: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "web"},
        "spec": {"initContainers": [{"name": "prepare", "image": "docker.io/library/busybox:1"}],
            "containers": [{"name": "web", "image": "docker.io/library/web:1@sha256:00"}]},
        "status": status,
    })
}

fn main_container(state: &Value, more: &Value) -> Value {
    let mut status = json!({"name": "web", "ready": false, "restartCount": 0, "image": "docker.io/library/web:1",
        "state": state, "lastState": {}});
    for (key, value) in more.as_object().unwrap() {
        status[key] = value.clone();
    }
    pod(&json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False"}], "containerStatuses": [status]}))
}

#[test]
fn pod_verdicts_match() {
    let waiting = |reason: &str, message: &str| {
        main_container(&json!({"waiting": {"reason": reason, "message": message}}), &json!({}))
    };
    let crashing = main_container(
        &json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}),
        &json!({"restartCount": 3, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}),
    );
    let out_of_memory = main_container(
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        &json!({"restartCount": 1, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
    );
    let unready = with(
        main_container(&json!({"running": {"startedAt": "2026-11-20T08:00:00Z"}}), &json!({})),
        &[("/status/phase", json!("Running"))],
    );
    assert_verdicts(&[
        (pod(&json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})), "ready", READY),
        (pod(&json!({"phase": "Succeeded"})), "ready", READY),
        (pod(&json!({})), "in progress", "it is not scheduled yet"),
        (
            pod(&json!({"phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient memory."}]})),
            "in progress",
            "no node can take it: 0/1 nodes are available: 1 Insufficient memory.",
        ),
        (
            waiting("ImagePullBackOff", "Back-off pulling image"),
            "in progress",
            "container web cannot get its image docker.io/library/web:1@sha256:00: Back-off pulling image",
        ),
        (
            waiting("CreateContainerConfigError", "secret \"web\" not found"),
            "in progress",
            "container web cannot start: secret \"web\" not found",
        ),
        (waiting("ContainerCreating", ""), "in progress", "container web waits: ContainerCreating"),
        (crashing, "in progress", "container web ended with exit code 1 and was started again 3 times"),
        (out_of_memory, "in progress", "container web ended with exit code 137 (OOMKilled) and was started again"),
        (unready, "in progress", "container web runs but is not ready"),
        (
            pod(&json!({"phase": "Failed", "reason": "Evicted",
                    "message": "The node was low on resource: ephemeral-storage."})),
            "failed",
            "The node was low on resource: ephemeral-storage.",
        ),
        (
            pod(&json!({"phase": "Failed",
                    "containerStatuses": [{"name": "web", "restartCount": 0,
                        "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]})),
            "failed",
            "container web ended with exit code 2",
        ),
    ]);
}

#[test]
fn blocking_container_is_named() {
    let pod = pod(&json!({
        "phase": "Pending",
        "initContainerStatuses": [{"name": "prepare", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}],
        "containerStatuses": [{"name": "web", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "PodInitializing"}}}],
    }));
    let reason = PodReason::of(&pod).unwrap();
    assert_eq!(reason.to_string(), "container prepare ended with exit code 3 and was started again 2 times");
    assert_eq!(reason.log_wanted(), Some(("prepare", true)));
}

fn event(object: &str, reason: &str, time: &str, message: &str) -> Value {
    json!({"kind": "Event", "type": "Warning", "reason": reason, "message": message, "lastTimestamp": time,
        "involvedObject": {"kind": "Pod", "name": object}})
}

#[test]
fn explanations_quote_newest_event_and_log() {
    let events = [
        event(
            "web-0",
            "Unhealthy",
            "2026-11-20T08:00:02Z",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        ),
        event("web-0", "Unhealthy", "2026-11-20T08:00:01Z", "Readiness probe failed: connection refused"),
        event("web-1", "Unhealthy", "2026-11-20T08:00:09Z", "of another pod"),
        event("web-0", "Pulled", "2026-11-20T08:00:09Z", "not an explanation"),
    ];
    let unready = with(main_container(&json!({"running": {}}), &json!({})), &[("/status/phase", json!("Running"))]);
    let log = "1\n2\n3\n\n4\n5\nlistening \n";
    assert_eq!(
        explain_pod(&unready, &events, log).unwrap(),
        "pod web-0: container web runs but is not ready; Readiness probe failed: HTTP probe failed with statuscode: \
         503; its log ends: 2 | 3 | 4 | 5 | listening"
    );
    let mounting = main_container(&json!({"waiting": {"reason": "ContainerCreating"}}), &json!({}));
    let events = [event(
        "web-0",
        "FailedMount",
        "2026-11-20T08:00:02Z",
        "hostPath type check failed: /var/lib/x is not a directory",
    )];
    assert_eq!(
        explain_pod(&mounting, &events, "").unwrap(),
        "pod web-0: container web waits: ContainerCreating; hostPath type check failed: /var/lib/x is not a directory"
    );
    assert_eq!(explain_pod(&pod(&json!({"phase": "Succeeded"})), &events, ""), None);
}

#[test]
fn controller_explains_missing_pods() {
    let events = [event(
        "postgres",
        "FailedCreate",
        "2026-11-20T08:00:02Z",
        "pods \"postgres-0\" is forbidden: violates PodSecurity \"restricted:v1.36\"",
    )];
    assert_eq!(
        explain_workload("postgres", &events).unwrap(),
        "pods \"postgres-0\" is forbidden: violates PodSecurity \"restricted:v1.36\""
    );
    let of_replica_set = [event("web-5c9", "FailedCreate", "2026-11-20T08:00:02Z", "exceeded quota")];
    assert_eq!(explain_workload("web", &of_replica_set).unwrap(), "exceeded quota");
    assert_eq!(explain_workload("webshop", &of_replica_set), None);
}
