use serde_json::{Value, json};

use super::{Fault, check, is_of_kubernetes, served};

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "containers": [{"name": "web", "image": "web", "resources": {"limits": {"memory": "768Mi", "cpu": 1}}}],
                "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}}],
            }},
        },
    })
}

/// The fault of the Deployment with another value at a place.
fn fault(pointer: &str, value: Value) -> String {
    let mut object = deployment();
    *object.pointer_mut(pointer).unwrap() = value;
    check(&object).err().map(|fault| fault.to_string()).unwrap_or_default()
}

#[test]
fn values_of_another_type_and_amounts_that_are_none_are_found() {
    assert_eq!(check(&deployment()), Ok(()));
    assert!(fault("/spec/replicas", json!("two")).contains("invalid type"));
    assert!(fault("/spec/template/spec/containers/0/resources/limits/cpu", json!(2.5)).is_empty());
    let memory = fault("/spec/template/spec/containers/0/resources/limits/memory", json!("plenty"));
    assert_eq!(
        memory,
        "/spec/template/spec/containers/0/resources/limits/memory: `plenty` is not an amount such as 500m or 2Gi"
    );
    let size = fault("/spec/template/spec/volumes/0/emptyDir/sizeLimit", json!("64 Mi"));
    assert!(size.starts_with("/spec/template/spec/volumes/0/emptyDir/sizeLimit: "), "{size}");
    let wrong = fault("/spec/template/metadata/labels", json!({"app": "web", "resources": "plenty"}));
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_kind_that_a_version_does_not_have_is_named_with_those_that_it_has() {
    let object = json!({"apiVersion": "batch/v1", "kind": "Jobb", "metadata": {"name": "a"}});
    let Err(Fault::UnknownKind { version, kind, known }) = check(&object) else { panic!("there is no such kind") };
    assert_eq!((version.as_str(), kind.as_str(), known), ("batch/v1", "Jobb", &["CronJob", "Job"][..]));
    assert_eq!(check(&json!({"apiVersion": "example.com/v1", "kind": "Thing"})), Ok(()));
    assert!(served().contains(&"batch/v1/Job".to_owned()));
}

#[test]
fn a_version_that_kubernetes_no_longer_serves_is_named_with_the_one_that_it_does() {
    let of = |version: &str| check(&json!({"apiVersion": version, "kind": "Thing"})).map_err(|fault| fault.to_string());
    for (version, served) in [
        ("policy/v1beta1", "policy/v1"),
        ("batch/v1beta1", "batch/v1"),
        ("autoscaling/v2beta2", "autoscaling/v2 and autoscaling/v1"),
        ("networking.k8s.io/v1beta1", "networking.k8s.io/v1"),
        ("certificates.k8s.io/v1beta1", "certificates.k8s.io/v1"),
        ("extensions/v1beta1", "apps/v1, networking.k8s.io/v1 and policy/v1"),
        ("v2", "v1"),
    ] {
        assert_eq!(of(version), Err(format!("Kubernetes does not serve {version}; it has {served}")));
    }
    for version in
        ["autoscaling/v1", "resource.k8s.io/v1", "admissionregistration.k8s.io/v1", "snapshot.storage.k8s.io/v1"]
    {
        assert_eq!(of(version), Ok(()), "{version}");
    }
    assert!(is_of_kubernetes("") && is_of_kubernetes("apps") && !is_of_kubernetes("gateway.networking.k8s.io"));
}
