//! Ways to become the administrator of a site's cluster: none starts at Landfall's own parts or the release's. The
//! search must find bad permissions that are planted next to them. The policy that it trusts must refuse what it
//! should.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{admin_output, administer};
use landfall_xtask::rights::{Cluster, Holder, Rule, Start, format_path};
use landfall_xtask::site::Machine;

use super::helper_pods;

/// Number of steps within which there must be no way.
const STEPS: usize = 4;
/// The part that creates pods in a namespace that allows access to the host's files. An admission policy confines it.
const PROVISIONER: &str = "local-path-storage/Deployment/local-path-provisioner";
/// Parts that the search must include.
const PARTS: [&str; 6] = [
    "landfall-console/StatefulSet/console",
    "kube-system/Pod/landfall-registry-node-1",
    "kube-flannel/DaemonSet/flannel",
    "kube-system/Deployment/coredns",
    "postgres/StatefulSet/postgres",
    PROVISIONER,
];
/// Parts whose account has its own rights.
const WITH_RIGHTS: [&str; 3] = ["kube-flannel/DaemonSet/flannel", "kube-system/Deployment/coredns", PROVISIONER];

/// Namespace of the planted objects.
const PLANTED: &str = "landfall-planted";
/// Accounts in that namespace, each with its rules.
const BAD: [(&str, &str); 5] = [
    ("commander", r#"{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}"#),
    ("reader", r#"{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}"#),
    (
        "binder",
        r#"{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"],
            "verbs": ["bind", "create"]}"#,
    ),
    (
        "taker",
        r#"{"apiGroups": [""], "resources": ["serviceaccounts/token"],
            "resourceNames": ["clusterrole-aggregation-controller"], "verbs": ["create"]}"#,
    ),
    ("worker", r#"{"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["patch"]}"#),
];

/// Fails unless there is no way, bad rights are found, and the policy confines the provisioner.
pub(crate) fn lead_to_no_administrator(machine: &Machine) -> Result<()> {
    let cluster = read(machine)?;
    let starts = cluster.starts();
    for part in PARTS {
        ensure!(starts.iter().any(|start| start.what == part), "{part} is not among {starts:#?}");
    }
    let with_rights: BTreeSet<&str> = starts
        .iter()
        .filter(|start| start.account.as_ref().is_some_and(|account| cluster.own_rules(account).count() > 0))
        .map(|start| start.what.as_str())
        .collect();
    ensure!(with_rights == BTreeSet::from(WITH_RIGHTS), "these programs have unexpected rights: {with_rights:?}");
    for start in starts {
        printer::note(format!("{}: {}", start.what, rights_of(&cluster, start)));
    }
    let ways = starts.iter().filter_map(|start| Some(format!("{}: {}", start.what, way(&cluster, start)?)));
    let ways: Vec<String> = ways.collect();
    ensure!(ways.is_empty(), "ways to the administrator:\n{}", ways.join("\n"));
    helper_pods::are_the_only_ones(machine)?;
    finds_bad_rights(machine)?;
    printer::note(format!("proved: none of {} parts has a way to the administrator", starts.len()));
    Ok(())
}

fn read(machine: &Machine) -> Result<Cluster> {
    let line = format!("kubectl get {} --all-namespaces --output json", Cluster::KINDS);
    let said = administer(machine, &line)?;
    // The output contains secrets.
    ensure!(said.status.success(), "{line}: {}", said.stderr);
    Cluster::read(&serde_json::from_str(&said.stdout).context("kubectl printed no JSON")?)
}

/// Returns the shortest way from a part to the administrator.
fn way(cluster: &Cluster, start: &Start) -> Option<String> {
    let ways = start.holders.iter().filter_map(|holder| Some((holder, cluster.path(holder, STEPS)?)));
    ways.min_by_key(|(_, path)| path.len()).map(|(holder, path)| format!("{holder}; {}", format_path(&path)))
}

fn rights_of(cluster: &Cluster, start: &Start) -> String {
    let Some(account) = &start.account else { return "no account".to_owned() };
    let text = |(place, rule): (Option<&str>, &Rule)| format!("{rule} ({})", place.unwrap_or("everywhere"));
    let rules: Vec<String> = cluster.own_rules(account).map(text).collect();
    let token = if start.has_token { "with its token" } else { "without a token" };
    let rules = if rules.is_empty() { "no rights of its own".to_owned() } else { rules.join("; ") };
    format!("{account}, {token}: {rules}")
}

/// Plants accounts with bad rights, finds their ways, and removes them again.
fn finds_bad_rights(machine: &Machine) -> Result<()> {
    let mut objects =
        vec![format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{PLANTED}"}}}}"#)];
    for (name, rule) in BAD {
        objects.extend(planted_account(name, rule));
    }
    let objects = objects.join("\n---\n");
    admin_output(machine, &format!("kubectl apply --filename - <<'PLANTED'\n{objects}\nPLANTED"))?;
    let cluster = read(machine)?;
    for (name, _) in BAD {
        let holder = Holder::Account { namespace: PLANTED.to_owned(), name: name.to_owned() };
        let path = cluster.path(&holder, STEPS).with_context(|| format!("the way of {name} is not found"))?;
        ensure!(!path.is_empty(), "{name} has every right already");
        printer::note(format!("planted {name}: {}", format_path(&path)));
    }
    // A step that the search found is real: the API server allows it.
    let account = format!("system:serviceaccount:{PLANTED}:taker");
    let token =
        format!("kubectl --as {account} --namespace kube-system create token clusterrole-aggregation-controller");
    ensure!(!admin_output(machine, &token)?.trim().is_empty(), "the API server gave no token");
    let names: Vec<String> = BAD.iter().map(|(name, _)| format!("{PLANTED}-{name}")).collect();
    admin_output(machine, &format!("kubectl delete clusterroles,clusterrolebindings {}", names.join(" ")))?;
    admin_output(machine, &format!("kubectl delete namespace {PLANTED}"))?;
    Ok(())
}

/// Returns an account with a role of one rule.
fn planted_account(name: &str, allowed: &str) -> [String; 3] {
    let (api, role) = ("rbac.authorization.k8s.io", format!("{PLANTED}-{name}"));
    [
        format!(
            r#"{{"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {{"name": "{name}", "namespace": "{PLANTED}"}}}}"#
        ),
        format!(
            r#"{{"apiVersion": "{api}/v1", "kind": "ClusterRole", "metadata": {{"name": "{role}"}},
                "rules": [{allowed}]}}"#
        ),
        format!(
            r#"{{"apiVersion": "{api}/v1", "kind": "ClusterRoleBinding", "metadata": {{"name": "{role}"}},
                "roleRef": {{"apiGroup": "{api}", "kind": "ClusterRole", "name": "{role}"}},
                "subjects": [{{"kind": "ServiceAccount", "name": "{name}", "namespace": "{PLANTED}"}}]}}"#
        ),
    ]
}
