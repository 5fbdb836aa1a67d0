use serde_json::json;

use crate::check;
use crate::corpus::{cases, expect_verdicts};

#[test]
fn corpus_has_expected_verdicts() {
    expect_verdicts(&cases(), check);
}

#[test]
fn refusal_states_found_and_allowed() {
    let said = |object: serde_json::Value| check(&object).unwrap_err().to_string();
    let pod = |container: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [container]}})
    };
    assert_eq!(
        said(pod(json!({"name": "a", "image": "a", "imagePullPolicy": "Sometimes"}))),
        "/spec/containers/0/imagePullPolicy: `Sometimes` is not one of Always, IfNotPresent, Never"
    );
    assert_eq!(
        said(pod(json!({"name": "a", "image": "a", "ports": [{"containerPort": 99999}]}))),
        "/spec/containers/0/ports/0/containerPort: 99999 is not between 1 and 65535"
    );
    assert_eq!(
        said(pod(json!({"name": "a", "image": "a", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}))),
        "/spec/containers/0/volumeMounts/0/name: the pod has no volume `data`"
    );
    assert_eq!(
        said(pod(json!({"name": "a", "image": "a", "resources": {"limits": {"cpu": 1}, "requests": {"cpu": "2"}}}))),
        "/spec/containers/0/resources/requests/cpu: the request of 2 cpu is more than the limit of 1"
    );
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"type": "Foo", "ports": [{"port": 80}]},
    });
    assert_eq!(said(service), "/spec/type: `Foo` is not one of ClusterIP, NodePort, LoadBalancer, ExternalName");
}
