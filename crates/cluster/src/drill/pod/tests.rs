#![expect(clippy::redundant_closure_for_method_calls, reason = "a method path has a single lifetime")]

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;
use crate::drill::claims;

/// Returns a workload with every field that its pods may have.
fn database() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop", "uid": "1"},
        "spec": {
            "serviceName": "db", "replicas": 1, "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}, "annotations": {"sidecar": "yes"}},
                "spec": {
                    "affinity": {"nodeAffinity": {"x": 1}, "podAntiAffinity": {"y": 2}},
                    "dnsPolicy": "ClusterFirst", "hostAliases": [{"ip": "192.0.2.7"}], "hostNetwork": true,
                    "hostPID": true,
                    "imagePullSecrets": [{"name": "pull"}], "nodeSelector": {"disk": "fast"},
                    "priorityClassName": "high", "restartPolicy": "Always",
                    "securityContext": {"runAsUser": 70, "fsGroup": 70}, "serviceAccountName": "db",
                    "terminationGracePeriodSeconds": 120, "tolerations": [{"operator": "Exists"}],
                    "topologySpreadConstraints": [{"z": 3}],
                    "initContainers": [{"name": "prepare", "image": "helper"}],
                    "containers": [main_container(), {"name": "exporter", "image": "exporter"}],
                    "volumes": [
                        {"name": "settings", "configMap": {"name": "db"}},
                        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                        {"name": "of-exporter", "secret": {"secretName": "exporter"}},
                    ],
                },
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
        },
    })
}

fn main_container() -> Value {
    json!({
        "name": "main", "image": "db:1", "imagePullPolicy": "IfNotPresent", "workingDir": "/data",
        "command": ["serve"], "args": ["--fast"], "tty": true,
        "env": [{"name": "A", "value": "1"}], "envFrom": [{"secretRef": {"name": "db"}}],
        "securityContext": {"allowPrivilegeEscalation": false},
        "ports": [{"name": "sql", "containerPort": 5432, "hostPort": 5432, "hostIP": "192.0.2.1"}],
        "startupProbe": {"tcpSocket": {"port": "sql"}}, "readinessProbe": {"tcpSocket": {"port": "sql"}},
        "livenessProbe": {"tcpSocket": {"port": "sql"}}, "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi", "nvidia.com/gpu": "1"},
            "claims": [{"name": "device"}],
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"}, {"name": "settings", "mountPath": "/etc/db", "readOnly": true},
            {"name": "token", "mountPath": "/token"},
        ],
    })
}

fn owner() -> Owner {
    Owner { release: "starter".to_owned(), component: "db".to_owned() }
}

fn empty() -> BTreeMap<String, DataVolume> {
    BTreeMap::from([("data".to_owned(), DataVolume::Empty { size_limit: "2Gi".to_owned() })])
}

fn claim() -> BTreeMap<String, DataVolume> {
    claims(&database()).into_iter().map(|(volume, claim)| (volume, DataVolume::Claim(claim))).collect()
}

/// Returns the result for a pod that is named like its namespace.
fn with_pod<T>(
    namespace: &str,
    workload: &Value,
    container: Option<&str>,
    volumes: &BTreeMap<String, DataVolume>,
    make: impl FnOnce(&DrillPod<'_>) -> T,
) -> T {
    let lifetime = Duration::from_hours(24);
    make(&DrillPod {
        workload,
        container,
        namespace,
        name: namespace,
        owner: &owner(),
        volumes,
        has_runtime: true,
        lifetime,
    })
}

#[test]
fn restore_loader_waits_with_claim() {
    let pod = with_pod("shop", &database(), None, &claim(), |pod| pod.loader()).unwrap();
    insta::assert_json_snapshot!("restore_loader", pod);
    // Without replacements, a pod in the workload's namespace has the same volumes.
    assert_eq!(with_pod("shop", &database(), Some("main"), &BTreeMap::new(), |pod| pod.loader()).unwrap(), pod);
}

#[test]
fn drill_server_shares_no_data() {
    let pod = with_pod("drill", &database(), None, &empty(), |pod| pod.server()).unwrap();
    insta::assert_json_snapshot!("drill_server", pod);
    let mut other = database();
    other["spec"]["template"]["spec"]["runtimeClassName"] = json!("gpu");
    let pod = with_pod("drill", &other, None, &empty(), |pod| pod.server()).unwrap();
    assert_eq!(pod["spec"]["runtimeClassName"], "gpu", "its image may need what only that runtime has");
}

#[test]
fn drill_reserves_little() {
    let mut database = database();
    let template = &mut database["spec"]["template"]["spec"];
    let limits = json!({"memory": "2Gi", "cpu": "4", "ephemeral-storage": "1Gi"});
    template["containers"][0]["resources"] = json!({"limits": limits, "requests": {"ephemeral-storage": "1Gi"}});
    template["resources"] = json!({"requests": {"memory": "3Gi"}});
    let drill = with_pod("drill", &database, None, &empty(), |pod| pod.loader_before_server()).unwrap();
    let little = json!({"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "2Gi", "cpu": "4"}});
    assert_eq!(drill["spec"]["containers"][0]["resources"], little);
    assert_eq!(drill["spec"]["initContainers"][0]["resources"], little);
    assert_eq!(drill["spec"]["resources"], json!({"requests": {"memory": "1Mi"}}));
    // A restore has the workload's resources: nothing else runs in its place.
    let restore = with_pod("shop", &database, None, &claim(), |pod| pod.loader()).unwrap();
    assert_eq!(restore["spec"]["containers"][0]["resources"]["limits"], limits);
    assert_eq!(restore["spec"]["resources"], json!({"requests": {"memory": "3Gi"}}));
}

#[test]
fn loader_precedes_server_in_one_pod() {
    let pod = with_pod("drill", &database(), None, &empty(), |pod| pod.loader_before_server()).unwrap();
    let mut server = with_pod("drill", &database(), None, &empty(), |pod| pod.server()).unwrap();
    let loader = pod["spec"]["initContainers"][0].clone();
    server["spec"]["initContainers"] = json!([loader]);
    assert_eq!(pod, server, "it is the server with one container more");
    assert_eq!((&loader["name"], &loader["command"][3]), (&json!(LOADER), &json!("86400")));
    let alone = with_pod("drill", &database(), None, &empty(), |pod| pod.loader()).unwrap();
    let mut alone = alone["spec"]["containers"][0].clone();
    (alone["name"], alone["command"]) = (loader["name"].clone(), loader["command"].clone());
    assert_eq!(loader, alone, "it is the loader with another program");
}

#[test]
fn workloads_missing_parts_are_refused() {
    let refused = |workload: &Value, container, volumes: &BTreeMap<String, DataVolume>| {
        with_pod("drill", workload, container, volumes, |pod| pod.server()).unwrap_err().to_string()
    };
    let after = |problem: &str| format!("no pod can be made after apps/StatefulSet shop/db: {problem}");
    assert_eq!(refused(&database(), Some("other"), &empty()), after("it has no container other"));
    assert_eq!(refused(&database(), Some("exporter"), &empty()), after("its container does not mount the volume data"));
    let shared = "a drill would share its volume data, and nothing was named in its place";
    assert_eq!(refused(&database(), None, &BTreeMap::new()), after(shared));
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "db", "namespace": "shop"}});
    let refused = refused(&job, None, &empty());
    assert!(
        refused.ends_with("batch/Job shop/db: it is not a Deployment, StatefulSet or DaemonSet of apps/v1"),
        "{refused}"
    );
}

/// Starts the program that waits before the server.
fn waiting(seconds: &str) -> Child {
    let nothing = || Stdio::null();
    let mut program = Command::new("sh");
    program.args(["-c", WAIT_FOR_END, seconds]).stdin(nothing()).stdout(nothing()).stderr(nothing());
    program.spawn().unwrap()
}

#[test]
fn server_starts_after_loader_ends() {
    let mut unended = waiting("0");
    assert_eq!(unended.wait().unwrap().code(), Some(1));

    let begun = Instant::now();
    let mut ended = waiting("20");
    // The trap is set once `sleep` is a child of the shell.
    let children = format!("/proc/{0}/task/{0}/children", ended.id());
    while std::fs::read_to_string(&children).unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let process = rustix::process::Pid::from_child(&ended);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(ended.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());

    let [shell, option, script] = END_LOADING;
    let checked = Command::new(shell).args(["-n", option, script]).status().unwrap();
    assert!(checked.success(), "its syntax");
}
