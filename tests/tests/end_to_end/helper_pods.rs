//! The objects that the storage provisioner's account may create: the pods that it uses itself, and volumes below the
//! storage folder. The API server of a running site refuses everything else, whoever uses that account.

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{admin_output, administer};
use landfall_xtask::site::{Machine, Output};
use serde_json::{Value, json};

const NAMESPACE: &str = "local-path-storage";
const ACCOUNT: &str = "system:serviceaccount:local-path-storage:local-path-provisioner";
const FOLDER: &str = "/var/lib/landfall/storage/";
/// Names of the policies, by the kind of object that they judge.
const PODS: &str = "local-path-helper-pods";
const VOLUMES: &str = "local-path-volumes";

/// Fails unless the account may create what it needs and nothing beyond that. Nothing is created, because the API
/// server judges a dry run.
pub(crate) fn are_the_only_ones(machine: &Machine) -> Result<()> {
    let pod = helper_pod(&image(machine)?);
    expect_allowed(&create(machine, Some(ACCOUNT), &pod)?, "the pod that makes a folder")?;
    let teardown = with(&pod, "/spec/containers/0/command", json!(["/bin/sh", "/script/teardown"]))?;
    expect_allowed(&create(machine, Some(ACCOUNT), &teardown)?, "the pod that removes a folder")?;
    let forbidden = [forbidden_places(), forbidden_rights(), forbidden_programs()].concat();
    for (what, pointer, value) in &forbidden {
        let bad = with(&pod, pointer, value.clone())?;
        expect_refused(&create(machine, Some(ACCOUNT), &bad)?, PODS, what)?;
        expect_allowed(&create(machine, None, &bad)?, what).context("the policy binds the administrator")?;
    }
    for (path, is_allowed) in [
        (format!("{FOLDER}pvc-1_apps_data"), true),
        ("/".to_owned(), false),
        (format!("{FOLDER}pvc-1_apps_data/link"), false),
    ] {
        let output = create(machine, Some(ACCOUNT), &volume(&path))?;
        let judged = if is_allowed { expect_allowed(&output, &path) } else { expect_refused(&output, VOLUMES, &path) };
        judged?;
    }
    printer::note(format!("proved: of {} pods beyond its own, {ACCOUNT} may create none", forbidden.len()));
    Ok(())
}

/// A change of a helper pod: a description of the result, the field, and its value.
type Forbidden = (&'static str, &'static str, Value);

fn forbidden_places() -> Vec<Forbidden> {
    let data = |path: &str| json!({"name": "data", "hostPath": {"path": path, "type": "DirectoryOrCreate"}});
    vec![
        ("a pod with the host's files", "/spec/volumes/0", data("/")),
        (
            "a pod with a folder that is a volume's",
            "/spec/volumes/0",
            data("/var/lib/landfall/storage/pvc-1_apps_data"),
        ),
        ("a pod with the administrator's files", "/spec/volumes/0", data("/etc/kubernetes")),
        (
            "a pod with two folders of the host",
            "/spec/volumes/2",
            json!({"name": "more", "hostPath": {"path": FOLDER}}),
        ),
        ("a pod with a secret", "/spec/volumes/1", json!({"name": "script", "secret": {"secretName": "any"}})),
        ("a pod with other scripts", "/spec/volumes/1/configMap/name", json!("kube-root-ca.crt")),
        ("a pod with another file as the script", "/spec/volumes/1/configMap/items/0/key", json!("config.json")),
        ("a pod with scripts of the storage folder", "/spec/containers/0/volumeMounts/0/name", json!("data")),
        ("a pod with a part of the storage folder", "/spec/containers/0/volumeMounts/1/subPath", json!("pvc-1")),
    ]
}

fn forbidden_rights() -> Vec<Forbidden> {
    let mighty = json!({"capabilities": {"add": ["SYS_ADMIN"]}});
    vec![
        ("a privileged pod", "/spec/containers/0/securityContext", json!({"privileged": true})),
        ("a pod with a capability", "/spec/containers/0/securityContext", mighty),
        ("a pod with the host's processes", "/spec/hostPID", json!(true)),
        ("a pod on the host's network", "/spec/hostNetwork", json!(true)),
        ("a pod with the host's shared memory", "/spec/hostIPC", json!(true)),
        ("a pod with the provisioner's account", "/spec/serviceAccountName", json!("local-path-provisioner")),
        ("a pod with the default account", "/spec/serviceAccountName", json!("default")),
        ("a pod with a token", "/spec/automountServiceAccountToken", json!(true)),
    ]
}

fn forbidden_programs() -> Vec<Forbidden> {
    let other = json!({"name": "other", "image": "docker.io/library/other"});
    let hook = json!({"postStart": {"exec": {"command": ["id"]}}});
    vec![
        ("a pod of another image", "/spec/containers/0/image", json!("docker.io/library/other")),
        ("a pod that runs a command", "/spec/containers/0/command", json!(["/bin/sh", "-c", "id"])),
        ("a pod with a second container", "/spec/containers/1", other.clone()),
        ("a pod with an init container", "/spec/initContainers", json!([other])),
        ("a pod with a hook", "/spec/containers/0/lifecycle", hook),
        ("a pod with a probe", "/spec/containers/0/livenessProbe", json!({"exec": {"command": ["id"]}})),
        ("a pod with another variable", "/spec/containers/0/env/1", json!({"name": "PATH", "value": FOLDER})),
        ("a pod with a port of the host", "/spec/containers/0/ports", json!([{"containerPort": 80, "hostPort": 80}])),
    ]
}

/// Returns the image of the provisioner's pods.
pub(crate) fn image(machine: &Machine) -> Result<String> {
    let line = format!(
        r"kubectl --namespace {NAMESPACE} get configmap local-path-config --output jsonpath='{{.data.helperPod\.yaml}}'"
    );
    let template: Value =
        serde_saphyr::from_str(&admin_output(machine, &line)?).context("the template of helper pods")?;
    let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str);
    image.map(str::to_owned).context("the template of helper pods names no image")
}

/// Returns a pod as the provisioner creates it for a claim.
fn helper_pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod-create-pvc-0", "namespace": NAMESPACE},
        "spec": {
            "serviceAccountName": "local-path-helper",
            "restartPolicy": "Never",
            "priorityClassName": "system-node-critical",
            "tolerations": [{"key": "node.kubernetes.io/disk-pressure", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [{
                "name": "helper-pod",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "/script/setup"],
                "args": ["-p", format!("{FOLDER}pvc-0"), "-s", "1024", "-m", "Filesystem", "-a", "create"],
                "env": [
                    {"name": "VOL_DIR", "value": format!("{FOLDER}pvc-0")},
                    {"name": "VOL_MODE", "value": "Filesystem"},
                    {"name": "VOL_SIZE_BYTES", "value": "1024"},
                    {"name": "VOL_USER"},
                ],
                "volumeMounts": [{"name": "script", "mountPath": "/script"}, {"name": "data", "mountPath": FOLDER}],
            }],
            "volumes": [
                {"name": "data", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}},
                {"name": "script", "configMap": {
                    "name": "local-path-config",
                    "items": [{"key": "setup", "path": "setup"}, {"key": "teardown", "path": "teardown"}],
                }},
            ],
        },
    })
}

fn volume(path: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pvc-0"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Ki"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "local-path",
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        },
    })
}

/// Returns an object with another value of one field, or with an item appended to a list.
fn with(object: &Value, pointer: &str, value: Value) -> Result<Value> {
    let mut object = object.clone();
    let (parent, key) = pointer.rsplit_once('/').context("no pointer")?;
    let parent = object.pointer_mut(parent).with_context(|| format!("nothing at {parent}"))?;
    match parent {
        Value::Array(items) => {
            let index: usize = key.parse()?;
            match items.get_mut(index) {
                Some(item) => *item = value,
                None => items.push(value),
            }
        }
        other => other[key] = value,
    }
    Ok(object)
}

fn create(machine: &Machine, account: Option<&str>, object: &Value) -> Result<Output> {
    let account = account.map(|name| format!("--as {name} ")).unwrap_or_default();
    administer(machine, &format!("kubectl {account}create --dry-run=server --filename - <<'OBJECT'\n{object}\nOBJECT"))
}

fn expect_allowed(output: &Output, what: &str) -> Result<()> {
    ensure!(output.status.success(), "{what} is refused: {}", output.stderr);
    Ok(())
}

fn expect_refused(output: &Output, policy: &str, what: &str) -> Result<()> {
    let is_by_policy = output.stderr.contains(&format!("ValidatingAdmissionPolicy '{policy}'"));
    ensure!(
        !output.status.success() && is_by_policy,
        "{what} is not refused by {policy}: {}{}",
        output.stdout,
        output.stderr
    );
    Ok(())
}
