use serde_json::{Value, json};

use super::*;

const STEPS: usize = 4;

fn object(kind: &str, namespace: Option<&str>, name: &str, rest: Value) -> Value {
    let mut object = json!({ "kind": kind, "metadata": { "name": name } });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = namespace.into();
    }
    let Value::Object(fields) = rest else { panic!("no fields: {rest}") };
    for (field, value) in fields {
        let is_metadata = ["labels", "annotations", "ownerReferences"].contains(&field.as_str());
        let place = if is_metadata { &mut object["metadata"] } else { &mut object };
        place[&field] = value;
    }
    object
}

fn space(name: &str, standard: &str) -> Value {
    object("Namespace", None, name, json!({ "labels": { "pod-security.kubernetes.io/enforce": standard } }))
}

/// Returns a role with these rules, bound to this subject in a namespace or in the cluster.
fn bound_role(name: &str, namespace: Option<&str>, rules: &Value, subject: &Value) -> [Value; 2] {
    let [role, binding] =
        if namespace.is_some() { ["Role", "RoleBinding"] } else { ["ClusterRole", "ClusterRoleBinding"] };
    let reference = json!({ "kind": role, "name": name });
    [
        object(role, namespace, name, json!({ "rules": rules })),
        object(binding, namespace, name, json!({ "roleRef": reference, "subjects": [subject] })),
    ]
}

fn account(namespace: &str, name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
}

fn rule(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs, "resourceNames": names })
}

/// Returns a cluster before anything bad is added: administrators, a pod of the control plane, and software without
/// rights. One account may write roles, as one of Kubernetes' own may.
fn sound() -> Vec<Value> {
    let all = json!([rule("*", "*", &["*"], &[])]);
    let aggregates = json!([rule("rbac.authorization.k8s.io", "clusterroles", &["update", "escalate"], &[])]);
    let joins = json!([
        rule("certificates.k8s.io", "certificatesigningrequests", &["create"], &[]),
        rule("certificates.k8s.io", "certificatesigningrequests/nodeclient", &["create"], &[]),
    ]);
    let joiners = json!({ "kind": "Group", "name": "system:bootstrappers:kubeadm:default-node-token" });
    let token = json!({ "type": "kubernetes.io/service-account-token",
        "annotations": { "kubernetes.io/service-account.name": "aggregator" } });
    let hosted = json!({ "spec": { "volumes": [{ "name": "keys", "hostPath": { "path": "/etc/kubernetes/pki" } }] } });
    let template = json!({ "serviceAccountName": "web", "automountServiceAccountToken": false });
    let web = json!({ "labels": { "landfall.dev/component": "web" }, "spec": { "template": { "spec": template } } });
    let mut objects = vec![
        space("kube-system", "privileged"),
        space("apps", "restricted"),
        space("quiet", "baseline"),
        space("tools", "privileged"),
        object("ServiceAccount", Some("kube-system"), "aggregator", json!({})),
        object("ServiceAccount", Some("apps"), "web", json!({})),
        object("ServiceAccount", Some("apps"), "root", json!({})),
        object("Secret", Some("kube-system"), "aggregator", token),
        object("Secret", Some("kube-system"), "joining", json!({ "type": "bootstrap.kubernetes.io/token" })),
        object("Secret", Some("kube-system"), "other", json!({ "type": "Opaque" })),
        object("Pod", Some("kube-system"), "kube-apiserver-node-1", hosted),
        object("Pod", Some("apps"), "runner", json!({ "spec": { "serviceAccountName": "root" } })),
        object("Deployment", Some("apps"), "web", web),
        object("ClusterRole", None, "view", json!({ "rules": [rule("", "pods", &["get"], &[])] })),
    ];
    objects.extend(bound_role("cluster-admin", None, &all, &json!({ "kind": "Group", "name": "system:masters" })));
    objects.extend(bound_role("of-ann", None, &all, &json!({ "kind": "User", "name": "ann" })));
    objects.extend(bound_role("of-root", None, &all, &account("apps", "root")));
    objects.extend(bound_role("aggregate", None, &aggregates, &account("kube-system", "aggregator")));
    objects.extend(bound_role("join", None, &joins, &joiners));
    objects
}

fn cluster(objects: &[Value]) -> Cluster {
    Cluster::read(&json!({ "items": objects })).unwrap()
}

fn web() -> Holder {
    Holder::account("apps", "web")
}

/// Returns the path of the software's account to every right, after adding these rules, each in a namespace or in the
/// cluster.
fn with(planted: &[(Option<&str>, Value)]) -> Option<Vec<Step>> {
    let mut objects = sound();
    for (index, (namespace, rule)) in planted.iter().enumerate() {
        objects.extend(bound_role(&format!("planted-{index}"), *namespace, &json!([rule]), &account("apps", "web")));
    }
    cluster(&objects).path(&web(), STEPS)
}

#[test]
fn sound_cluster_allows_no_escalation() {
    assert_eq!(with(&[]), None);
    let cluster = cluster(&sound());
    let [start] = cluster.starts() else { panic!("{:?}", cluster.starts()) };
    assert_eq!(
        (start.what.as_str(), start.has_token, start.account.clone()),
        ("apps/Deployment/web", false, Some(web()))
    );
    assert!(start.holders.iter().all(|holder| cluster.path(holder, STEPS).is_none()));
    assert_eq!(cluster.own_rules(&web()).count(), 0);
    assert_eq!(cluster.path(&Holder::account("apps", "root"), 0), Some(Vec::new()), "it has every right already");
}

const RBAC: &str = "rbac.authorization.k8s.io";
const REQUESTS: &str = "certificates.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// An action, and the rights that lead to it. These are one bad right, or several that are bad together, each in a
/// namespace or in the cluster.
type BadAction = (&'static str, Vec<(Option<&'static str>, Value)>);

/// Rights on pods and on resources that create them.
fn bad_on_pods() -> Vec<BadAction> {
    let (apps, kube, quiet, tools) = (Some("apps"), Some("kube-system"), Some("quiet"), Some("tools"));
    vec![
        ("creates a pod in apps with an account", vec![(apps, rule("", "pods", &["create"], &[]))]),
        ("creates a pod in tools with the host's files", vec![(tools, rule("", "pods", &["create"], &[]))]),
        ("creates or changes deployments in apps", vec![(apps, rule("apps", "deployments", &["patch"], &["web"]))]),
        ("creates or changes daemonsets in tools", vec![(tools, rule("apps", "daemonsets", &["*"], &[]))]),
        ("creates or changes jobs in apps", vec![(apps, rule("batch", "jobs", &["create"], &[]))]),
        ("creates or changes cronjobs in apps", vec![(apps, rule("batch", "cronjobs", &["update"], &[]))]),
        (
            "lifts the standard of quiet",
            vec![(quiet, rule("", "pods", &["create"], &[])), (None, rule("", "namespaces", &["patch"], &["quiet"]))],
        ),
        (
            "makes a volume of a folder of the host",
            vec![
                (quiet, rule("", "pods", &["create"], &[])),
                (quiet, rule("", "persistentvolumeclaims", &["create"], &[])),
                (None, rule("", "persistentvolumes", &["create"], &[])),
            ],
        ),
        ("runs a command in apps/runner", vec![(apps, rule("", "pods/exec", &["create"], &[]))]),
        ("runs a command in apps/runner", vec![(apps, rule("", "*/exec", &["get"], &["runner"]))]),
        ("attaches to apps/runner", vec![(apps, rule("", "pods/attach", &["get"], &[]))]),
        (
            "adds a container to kube-system/kube-apiserver-node-1",
            vec![(kube, rule("", "pods/ephemeralcontainers", &["patch"], &[]))],
        ),
        ("changes the image of apps/runner", vec![(None, rule("", "pods", &["patch"], &["runner"]))]),
    ]
}

/// Rights on secrets, tokens and roles.
fn bad_on_secrets_and_roles() -> Vec<BadAction> {
    let (apps, kube) = (Some("apps"), Some("kube-system"));
    vec![
        ("reads the secret kube-system/aggregator", vec![(kube, rule("", "secrets", &["get"], &["aggregator"]))]),
        ("reads the secret kube-system/aggregator", vec![(None, rule("", "secrets", &["list"], &[]))]),
        ("reads the secret kube-system/joining", vec![(kube, rule("", "secrets", &["watch"], &["joining"]))]),
        (
            "has a token made into a secret of apps",
            vec![(apps, rule("", "secrets", &["create"], &[])), (apps, rule("", "secrets", &["get"], &[]))],
        ),
        ("asks for a token", vec![(apps, rule("", "serviceaccounts/token", &["create"], &["root"]))]),
        (
            "binds the role cluster-admin: role cluster-admin everywhere",
            vec![
                (None, rule(RBAC, "clusterrolebindings", &["create"], &[])),
                (None, rule(RBAC, "clusterroles", &["bind"], &["cluster-admin"])),
            ],
        ),
        (
            "binds the role cluster-admin: role cluster-admin in kube-system",
            vec![
                (kube, rule(RBAC, "rolebindings", &["create"], &[])),
                (kube, rule(RBAC, "clusterroles", &["bind"], &["cluster-admin"])),
            ],
        ),
        ("writes every right into a role", vec![(None, rule(RBAC, "clusterroles", &["patch", "escalate"], &["view"]))]),
        ("writes every right into a role: all of kube-system", vec![(kube, rule(RBAC, "roles", &["*"], &[]))]),
    ]
}

/// Rights on names, certificates, nodes and requests.
fn bad_on_identities() -> Vec<BadAction> {
    let apps = Some("apps");
    vec![
        ("speaks in another name: group", vec![(None, rule("", "groups", &["impersonate"], &["system:masters"]))]),
        ("speaks in another name: user ann", vec![(None, rule("", "users", &["impersonate"], &[]))]),
        (
            "speaks in another name: account apps/root",
            vec![(apps, rule("", "serviceaccounts", &["impersonate"], &["root"]))],
        ),
        (
            "approves a certificate for itself: user ann",
            vec![
                (None, rule(REQUESTS, "certificatesigningrequests", &["create"], &[])),
                (None, rule(REQUESTS, "certificatesigningrequests/approval", &["update"], &[])),
                (None, rule(REQUESTS, "signers", &["approve"], &["kubernetes.io/kube-apiserver-client"])),
            ],
        ),
        (
            "approves a certificate for itself: a node",
            vec![
                (None, rule(REQUESTS, "certificatesigningrequests", &["create"], &[])),
                (None, rule(REQUESTS, "certificatesigningrequests/nodeclient", &["create"], &[])),
            ],
        ),
        ("asks a kubelet to run a command", vec![(None, rule("", "nodes/proxy", &["get"], &[]))]),
        (
            "requests by mutatingwebhookconfigurations",
            vec![(None, rule(ADMISSION, "mutatingwebhookconfigurations", &["create"], &[]))],
        ),
        (
            "requests by mutatingadmissionpolicies",
            vec![(None, rule(ADMISSION, "mutatingadmissionpolicies", &["patch"], &["a"]))],
        ),
        ("requests by apiservices", vec![(None, rule("apiregistration.k8s.io", "apiservices", &["update"], &[]))]),
    ]
}

#[test]
fn bad_rights_are_found() {
    let all = [bad_on_pods(), bad_on_secrets_and_roles(), bad_on_identities()].concat();
    for (act, planted) in all {
        let path = with(&planted).unwrap_or_else(|| panic!("{act}: {planted:?} leads nowhere"));
        assert!(format_path(&path).contains(act) && path.len() <= STEPS, "{act}: {}", format_path(&path));
        if planted.len() > 1 {
            for left_out in 0..planted.len() {
                let mut rest = planted.clone();
                rest.remove(left_out);
                assert_eq!(with(&rest), None, "{act} needs all of its rights");
            }
        }
    }
}

#[test]
fn harmless_rights_are_not_reported() {
    let (apps, kube, quiet, tools) = (Some("apps"), Some("kube-system"), Some("quiet"), Some("tools"));
    for planted in [
        vec![(quiet, rule("", "pods", &["create"], &[]))],
        vec![(None, rule("", "pods", &["get", "list", "watch"], &[]))],
        vec![(None, rule("", "pods/log", &["get"], &[])), (None, rule("", "nodes", &["get", "list"], &[]))],
        vec![(None, rule("", "nodes/status", &["patch"], &[]))],
        vec![(tools, rule("", "pods/exec", &["create"], &[]))],
        vec![(kube, rule("", "secrets", &["get"], &["other"]))],
        vec![(apps, rule("", "secrets", &["get"], &[]))],
        vec![(apps, rule("", "serviceaccounts/token", &["create"], &["web"]))],
        vec![(apps, rule("apps", "deployments", &["get", "delete"], &[]))],
        vec![(None, rule(RBAC, "clusterrolebindings", &["create"], &[]))],
        vec![(None, rule(RBAC, "clusterroles", &["create", "update", "patch"], &[]))],
        vec![(None, rule(RBAC, "clusterroles", &["escalate"], &[]))],
        vec![
            (None, rule(RBAC, "clusterrolebindings", &["create"], &[])),
            (None, rule(RBAC, "clusterroles", &["bind"], &["view"])),
        ],
        vec![(None, rule("", "users", &["impersonate"], &["bob"]))],
        vec![(kube, rule("", "nodes/proxy", &["get"], &[]))],
        vec![(None, rule("metrics.example.org", "pods", &["create"], &[]))],
    ] {
        let path = with(&planted);
        assert_eq!(path, None, "{planted:?}");
    }
}

#[test]
fn path_length_is_limited() {
    let mut objects = sound();
    let names = ["web", "one", "two", "three", "root"];
    for pair in names.windows(2) {
        objects.push(object("ServiceAccount", Some("apps"), pair[1], json!({})));
        let rules = json!([rule("", "serviceaccounts/token", &["create"], &[pair[1]])]);
        objects.extend(bound_role(
            &format!("{}-{}", pair[0], pair[1]),
            Some("apps"),
            &rules,
            &account("apps", pair[0]),
        ));
    }
    let cluster = cluster(&objects);
    let path = cluster.path(&web(), 4).unwrap();
    assert_eq!(path.len(), 4, "{}", format_path(&path));
    assert_eq!(cluster.path(&web(), 3), None);
}

#[test]
fn account_groups_count() {
    for group in ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:apps"] {
        let mut objects = sound();
        let rules = json!([rule("", "nodes/proxy", &["create"], &[])]);
        objects.extend(bound_role("loose", None, &rules, &json!({ "kind": "Group", "name": group })));
        assert!(cluster(&objects).path(&web(), STEPS).is_some(), "{group}");
    }
    let mut objects = sound();
    let rules = json!([rule("", "nodes/proxy", &["create"], &[])]);
    objects.extend(bound_role("open", None, &rules, &json!({ "kind": "Group", "name": "system:unauthenticated" })));
    let cluster = cluster(&objects);
    assert_eq!(cluster.path(&web(), STEPS), None);
    let [start] = cluster.starts() else { panic!() };
    assert!(start.holders.iter().any(|holder| cluster.path(holder, STEPS).is_some()), "anyone may ask without a name");
}

#[test]
fn pods_reaching_host_are_found() {
    let mounts = |path: &str, read_only: bool| {
        json!({
            "containers": [{ "volumeMounts": [{ "name": "v", "readOnly": read_only }] }],
            "volumes": [{ "name": "v", "hostPath": { "path": path } }],
        })
    };
    let container = |context: Value| json!({ "containers": [{ "securityContext": context }] });
    let table = [
        (mounts("/run/flannel", false), false),
        (mounts("/var/lib/landfall/registry", true), false),
        (mounts("/var/lib/landfall/registry", false), true),
        (mounts("/etc/kubernetes", true), true),
        (mounts("/", true), true),
        (container(json!({ "privileged": true })), true),
        (container(json!({ "capabilities": { "add": ["SYS_ADMIN"] } })), true),
        (container(json!({ "capabilities": { "add": ["NET_ADMIN", "NET_RAW"] } })), false),
        (json!({ "hostPID": true, "containers": [] }), true),
        (json!({ "containers": [], "volumes": [{ "name": "v", "emptyDir": {} }] }), false),
    ];
    for (spec, has_host) in table {
        let labels = json!({ "app.kubernetes.io/managed-by": "landfall" });
        let rest = json!({ "labels": labels, "spec": spec, "ownerReferences": [{ "kind": "Node" }] });
        let objects = [space("kube-system", "privileged"), object("Pod", Some("kube-system"), "p", rest)];
        let cluster = cluster(&objects);
        let [start] = cluster.starts() else { panic!() };
        assert_eq!(start.account, None, "the node itself runs it");
        let found = start.holders.iter().any(|holder| cluster.path(holder, STEPS).is_some());
        assert_eq!(found, has_host, "{spec}");
    }
}

/// Adds a storage provisioner with these rules in its namespace, these cluster rules and these other objects. Returns
/// its account's path to every right.
fn with_provisioner(rules: &[Value], everywhere: &[Value], more: &[Value]) -> anyhow::Result<Option<Vec<Step>>> {
    let (space_name, name) = (admission::NAMESPACE, "local-path-provisioner");
    let mut objects = sound();
    objects.push(space(space_name, "privileged"));
    objects.push(object("ServiceAccount", Some(space_name), name, json!({})));
    objects.push(object("ServiceAccount", Some(space_name), "default", json!({})));
    objects.extend(bound_role(name, Some(space_name), &json!(rules), &account(space_name, name)));
    objects.extend(bound_role(name, None, &json!(everywhere), &account(space_name, name)));
    objects.extend_from_slice(more);
    let cluster = Cluster::read(&json!({ "items": objects }))?;
    Ok(cluster.path(&Holder::account(space_name, name), STEPS))
}

#[test]
fn policy_confines_unless_lifted() {
    let create = [rule("", "pods", &["get", "list", "watch", "create", "delete"], &[])];
    let volumes = [rule("", "persistentvolumes", &["*"], &[])];
    let policies = admission::at_a_site();
    assert_eq!(with_provisioner(&create, &volumes, &policies).unwrap(), None);

    let way = with_provisioner(&create, &volumes, &[]).unwrap().expect("a way without the policy");
    assert!(
        format_path(&way).contains("creates a pod in local-path-storage with the host's files"),
        "{}",
        format_path(&way)
    );
    for left_out in 0..2 {
        let mut rest = policies.clone();
        rest.remove(left_out);
        let way = with_provisioner(&create, &volumes, &rest).unwrap();
        assert!(way.is_some(), "the policy counts without {}", policies[left_out]["kind"]);
    }
    for (rules, everywhere) in [
        (vec![rule("", "configmaps", &["patch"], &["local-path-config"])], vec![]),
        (vec![rule("apps", "deployments", &["create"], &[])], vec![]),
        (vec![], vec![rule(ADMISSION, "validatingadmissionpolicies", &["update"], &["local-path-helper-pods"])]),
        (vec![], vec![rule(ADMISSION, "validatingadmissionpolicybindings", &["delete"], &[])]),
        (vec![], vec![rule("", "secrets", &["get"], &[])]),
    ] {
        let (all, everywhere) = ([&create[..], &rules[..]].concat(), [&volumes[..], &everywhere[..]].concat());
        let way = with_provisioner(&all, &everywhere, &policies).unwrap();
        assert!(way.is_some(), "{rules:?} and {everywhere:?} lead nowhere");
    }
}

#[test]
fn policy_confines_only_own_account() {
    let mut objects = sound();
    objects.extend(admission::at_a_site());
    let rules = json!([rule("", "pods", &["create"], &[])]);
    objects.extend(bound_role("loose", Some("tools"), &rules, &account("apps", "web")));
    assert!(cluster(&objects).path(&web(), STEPS).is_some());
}

#[test]
fn differing_policy_is_error() {
    for (index, pointer, value) in [
        (0, "/spec/failurePolicy", json!("Ignore")),
        (0, "/spec/matchConstraints/matchPolicy", json!("Exact")),
        (0, "/spec/matchConstraints/objectSelector", json!({ "matchLabels": { "a": "b" } })),
        (0, "/spec/matchConstraints/resourceRules/0/operations", json!(["UPDATE"])),
        (0, "/spec/matchConstraints/resourceRules/0/scope", json!("Cluster")),
        (0, "/spec/matchConstraints/excludeResourceRules", json!([{ "resources": ["pods"] }])),
        (0, "/spec/matchConditions/0/expression", json!("false")),
        (0, "/spec/variables/0/expression", json!("'docker.io/library/busybox'")),
        (0, "/spec/variables/0/expression", json!("'docker.io/library/alpine:3@sha256:00'")),
        (0, "/spec/validations/3/expression", json!("true")),
        (0, "/spec/validations", json!([])),
        (0, "/spec/paramKind", json!({ "apiVersion": "v1", "kind": "ConfigMap" })),
        (1, "/spec/validationActions", json!(["Warn"])),
        (1, "/spec/policyName", json!("other")),
        (1, "/spec/matchResources", json!({ "namespaceSelector": { "matchLabels": { "a": "b" } } })),
        (1, "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ] {
        let mut policies = admission::at_a_site();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        policies[index].pointer_mut(parent).unwrap()[key] = value;
        let error = with_provisioner(&[], &[], &policies).expect_err(pointer);
        assert!(error.to_string().contains("local-path-helper-pods"), "{error}");
    }
}
