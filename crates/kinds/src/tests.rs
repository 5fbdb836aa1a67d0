use serde_json::{Value, json};

use super::{Fault, MINOR, chart_api_versions, check, is_of_kubernetes};

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

/// Returns the fault of the Deployment after setting a value; empty if there is none.
fn fault(pointer: &str, value: Value) -> String {
    let mut object = deployment();
    *object.pointer_mut(pointer).unwrap() = value;
    check(&object).err().map(|fault| fault.to_string()).unwrap_or_default()
}

#[test]
fn wrong_types_and_amounts_are_found() {
    assert_eq!(check(&deployment()), Ok(()));
    let replicas = fault("/spec/replicas", json!("two"));
    assert_eq!(replicas, "/spec/replicas: invalid type: string \"two\", expected i32");
    let image = fault("/spec/template/spec/containers/0/image", json!(5));
    assert_eq!(image, "/spec/template/spec/containers/0/image: invalid type: integer `5`, expected a string");
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
fn unknown_kind_gets_suggestions() {
    let object = json!({"apiVersion": "batch/v1", "kind": "Jobb", "metadata": {"name": "a"}});
    let Err(Fault::UnknownKind { version, kind, known }) = check(&object) else { panic!("there is no such kind") };
    assert_eq!((version.as_str(), kind.as_str(), known), ("batch/v1", "Jobb", &["CronJob", "Job"][..]));
    assert_eq!(check(&json!({"apiVersion": "example.com/v1", "kind": "Thing"})), Ok(()));
    assert!(chart_api_versions().contains(&"batch/v1/Job".to_owned()));
}

#[test]
fn removed_version_names_successor() {
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
    assert_eq!(of("snapshot.storage.k8s.io/v1"), Ok(()));
    assert!(is_of_kubernetes("") && is_of_kubernetes("apps") && !is_of_kubernetes("gateway.networking.k8s.io"));
}

#[test]
fn charts_see_all_served_kinds() {
    let served = chart_api_versions();
    for kind in [
        "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
        "authentication.k8s.io/v1/TokenReview",
        "authorization.k8s.io/v1/SubjectAccessReview",
        "autoscaling/v1/HorizontalPodAutoscaler",
        "certificates.k8s.io/v1/CertificateSigningRequest",
        "events.k8s.io/v1/Event",
        "resource.k8s.io/v1/ResourceClaimTemplate",
    ] {
        let (version, _) = kind.rsplit_once('/').unwrap();
        for wanted in [kind, version] {
            assert!(served.iter().any(|served| served == wanted), "{wanted}");
        }
    }
}

#[test]
fn all_versions_are_checked() {
    let of = |object: Value| check(&object).map_err(|fault| fault.to_string());
    let request = |usages: &str| {
        json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "a"},
            "spec": {"request": "YQ==", "signerName": "example.com/signer", usages: ["digital signature"]},
        })
    };
    assert_eq!(of(request("usages")), Ok(()));
    assert_eq!(of(request("usage")), Err("/spec/usage: a CertificateSigningRequest has no such field".to_owned()));
    let event = |note: &str| {
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"},
            "eventTime": "2026-01-01T00:00:00.000000Z", "regarding": {"kind": "Pod", "name": "a"}, note: "text",
        })
    };
    assert_eq!(of(event("note")), Ok(()));
    assert_eq!(of(event("message")), Err("/message: a Event has no such field".to_owned()));
    let policy =
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "specs": {}});
    assert_eq!(of(policy), Err("/specs: a MutatingAdmissionPolicy has no such field".to_owned()));
    for version in ["admissionregistration.k8s.io/v1", "authentication.k8s.io/v1", "resource.k8s.io/v1"] {
        assert_eq!(of(json!({"apiVersion": version, "kind": "Thing"})), Err(format!("{version} has no kind Thing")));
    }
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a"}});
    let answered = "the API server answers a TokenReview but stores none, so no release can contain one";
    assert_eq!(of(review), Err(answered.to_owned()));
}

#[test]
fn minor_version_matches_types() {
    let workspace = include_str!("../../../Cargo.toml");
    let types = workspace.lines().find(|line| line.starts_with("k8s-openapi = ")).unwrap();
    assert!(types.contains(&format!("\"{}\"", MINOR.replace('.', "_"))), "{types}");
}

#[test]
fn defined_field_may_be_called_max() {
    let schema = json!({"type": "object", "properties": {"max": {"type": "string", "maxLength": 64},
        "limits": {"type": "object", "maxProperties": 2}}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
    let names = json!({"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions},
    });
    assert_eq!(check(&definition), Ok(()));
}
