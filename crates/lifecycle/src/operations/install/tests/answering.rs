//! A fake cluster with one `StatefulSet`, its volume and a Service on loopback. All callers get the same answers, and
//! writes have no effect.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use landfall_media::durable;
use serde_json::{Value, json};

use super::Fixture;

/// Collections that exist without objects.
const LISTS: [&str; 11] = [
    "apiservices",
    "configmaps",
    "customresourcedefinitions",
    "mutatingwebhookconfigurations",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "pods",
    "secrets",
    "services",
    "validatingwebhookconfigurations",
];

/// Gives the site an API server with the workload `reports`, whose volume is this folder of the site's storage.
pub(in crate::operations) fn give_cluster(site: &Fixture, folder: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let volume = site.operations.paths.storage().join(folder);
    let known = known_answers(volume.to_str().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            // The client may be gone.
            let _ = connection.and_then(|connection| answer(connection, &known));
        }
    });
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
        "clusters": [{"name": "x", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    let path = site.operations.paths.admin_kubeconfig();
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(&path, kubeconfig.to_string().as_bytes(), 0o600).unwrap();
}

/// Returns the known answers by path.
fn known_answers(volume: &str) -> BTreeMap<&'static str, Value> {
    let kind = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "kind": kind, "namespaced": namespaced});
    let only = |name: &str, of: &str, namespaced: bool| json!({"resources": [kind(name, of, namespaced)]});
    let core = [
        kind("namespaces", "Namespace", false),
        kind("nodes", "Node", false),
        kind("pods", "Pod", true),
        kind("configmaps", "ConfigMap", true),
        kind("secrets", "Secret", true),
        kind("services", "Service", true),
        kind("persistentvolumeclaims", "PersistentVolumeClaim", true),
        kind("persistentvolumes", "PersistentVolume", false),
    ];
    let webhooks = [
        kind("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false),
        kind("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false),
    ];
    let metadata = json!({"name": "reports", "namespace": "reports"});
    let container = json!({"name": "reports", "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata,
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "reports"}},
            "template": {"metadata": {"labels": {"app": "reports"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pvc-1"},
        "metadata": {"name": "data-reports-0", "namespace": "reports"},
    });
    // The pod is ready but runs no program, so saving its data fails at once.
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reports-0", "namespace": "reports"},
        "spec": {"containers": [{"name": "reports"}]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    let held = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-1"},
        "spec": {"local": {"path": volume}},
    });
    BTreeMap::from([
        ("/readyz", json!("ok")),
        ("/api/v1", json!({"resources": core})),
        ("/apis/admissionregistration.k8s.io/v1", json!({"resources": webhooks})),
        ("/apis/apiextensions.k8s.io/v1", only("customresourcedefinitions", "CustomResourceDefinition", false)),
        ("/apis/apiregistration.k8s.io/v1", only("apiservices", "APIService", false)),
        ("/apis/apps/v1", only("statefulsets", "StatefulSet", true)),
        ("/apis/apps/v1/namespaces/reports/statefulsets/reports", set),
        ("/apis/apps/v1/namespaces/reports/statefulsets/reports/scale", json!({"spec": {"replicas": 1}})),
        ("/api/v1/namespaces/reports/persistentvolumeclaims/data-reports-0", claim),
        ("/api/v1/persistentvolumes/pvc-1", held),
        ("/api/v1/namespaces/reports/pods", json!({"kind": "List", "metadata": {}, "items": [pod]})),
        ("/api/v1/namespaces/reports/services/reports", json!({"spec": {"clusterIP": "127.0.0.1"}})),
    ])
}

/// Answers with a known object, or an empty list for known kinds, or a refusal in the form of an API server.
fn answer(mut connection: TcpStream, known: &BTreeMap<&'static str, Value>) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split([' ', '?']).nth(1).unwrap_or_default();
    let is_list = LISTS.contains(&path.rsplit('/').next().unwrap_or_default());
    let (status, body) = match known.get(path) {
        Some(found) if first.starts_with("GET ") => (200, found.clone()),
        None if is_list && first.starts_with("GET ") => (200, json!({"kind": "List", "metadata": {}, "items": []})),
        _ => (404, json!({"kind": "Status", "status": "Failure", "code": 404, "message": "no", "reason": "NotFound"})),
    };
    let body = body.to_string();
    let length = body.len();
    write!(connection, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
