//! The rights that the objects of a cluster grant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Holder, RoleName, admission};

/// Label of the objects of a release's component, and label of everything that Landfall created.
const COMPONENT: &str = "landfall.dev/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label of a namespace's Pod Security Standard.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Host paths that give access only to their own contents, each with true if pods may write there. They are flannel's
/// addresses, the packet filter's lock, the host's nameservers, and the registry's content.
const HARMLESS: [(&str, bool); 5] = [
    ("/run/flannel", true),
    ("/run/xtables.lock", true),
    ("/run/landfall/nameservers", false),
    ("/var/lib/landfall/registry", false),
    ("/etc/landfall/registry.yaml", false),
];
/// Capabilities with which a container can reach its host.
const MIGHTY: [&str; 8] =
    ["ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF", "MKNOD"];

/// A rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    pub(super) api_groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) resource_names: Vec<String>,
    pub(super) verbs: Vec<String>,
}

impl Rule {
    /// Returns a rule that grants every right.
    fn everything() -> Self {
        let any = || vec!["*".to_owned()];
        Self { api_groups: any(), resources: any(), resource_names: Vec::new(), verbs: any() }
    }

    /// Returns true if the rule grants every right.
    pub(super) fn is_everything(&self) -> bool {
        let has_any = |list: &[String]| list.iter().any(|item| item == "*");
        self.resource_names.is_empty()
            && [&self.api_groups, &self.resources, &self.verbs].into_iter().all(|list| has_any(list))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verbs.join(", "), self.resources.join(", "))
    }
}

pub(super) struct Binding {
    pub(super) namespace: Option<String>,
    pub(super) role: RoleName,
    pub(super) subjects: Vec<Holder>,
}

pub(super) struct Secret {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Identities that a reader of its contents can assume.
    pub(super) opens: Vec<Holder>,
}

/// A pod, or a template of pods.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Service account; None for a static pod of the node.
    pub(super) account: Option<String>,
    /// True if the pod contains the account's token.
    pub(super) has_token: bool,
    /// True if it reaches the files or processes of its node.
    pub(super) has_host: bool,
}

/// A part of Landfall or of its release, from which an attacker starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Namespace, kind and name, such as `landfall-console/StatefulSet/console`.
    pub what: String,
    /// Service account, whether or not its pods have the token.
    pub account: Option<Holder>,
    /// True if its pods have the token.
    pub has_token: bool,
    /// Identities that an attacker gains immediately by taking it over.
    pub holders: Vec<Holder>,
}

/// The objects that determine the rights in a cluster.
pub struct Cluster {
    pub(super) accounts: BTreeSet<(String, String)>,
    /// Namespaces, each with true if its pods may access the host.
    pub(super) namespaces: BTreeMap<String, bool>,
    pub(super) roles: BTreeMap<RoleName, Vec<Rule>>,
    pub(super) bindings: Vec<Binding>,
    pub(super) secrets: Vec<Secret>,
    pub(super) pods: Vec<Pod>,
    pub(super) everything: Rule,
    /// Account that an admission policy of the release confines.
    pub(super) confined: Option<Holder>,
    starts: Vec<Start>,
}

impl Cluster {
    /// Kinds of the objects that are needed, as arguments of `kubectl get`.
    pub const KINDS: &str = "namespaces,serviceaccounts,secrets,roles,rolebindings,clusterroles,clusterrolebindings,\
        pods,deployments,statefulsets,daemonsets,jobs,cronjobs,validatingadmissionpolicies,\
        validatingadmissionpolicybindings";

    /// Reads these objects from the output of `kubectl get --all-namespaces --output json`. Fails if a policy has the
    /// name of one of the release but differs from it.
    pub fn read(list: &Value) -> Result<Self> {
        let items = list["items"].as_array().context("the cluster's objects are not a list")?;
        let of_kind = |kind: &'static str| items.iter().filter(move |item| item["kind"] == kind);
        let namespaces = of_kind("Namespace").map(|item| (text(item, "/metadata/name"), may_have_host(item)));
        let accounts: BTreeMap<_, _> = of_kind("ServiceAccount").map(|item| (place(item), is_mounted(item))).collect();
        let mut roles = BTreeMap::new();
        for item in of_kind("Role").chain(of_kind("ClusterRole")) {
            let allowed =
                Option::<Vec<Rule>>::deserialize(&item["rules"]).with_context(|| format!("rules of {item}"))?;
            let name = RoleName { namespace: space(item), name: text(item, "/metadata/name") };
            roles.insert(name, allowed.unwrap_or_default());
        }
        let bindings = of_kind("RoleBinding").chain(of_kind("ClusterRoleBinding")).map(Binding::of);
        let pods = of_kind("Pod").map(|item| Pod::of(item, &item["spec"], None, &accounts));
        let (namespaces, pods) = (namespaces.collect(), pods.collect());
        let starts = items.iter().filter_map(|item| Start::of(item, &accounts)).collect();
        Ok(Self {
            namespaces,
            roles,
            bindings: bindings.collect(),
            secrets: of_kind("Secret").map(Secret::of).collect(),
            pods,
            everything: Rule::everything(),
            confined: admission::confined_account(items)?,
            starts,
            accounts: accounts.into_keys().collect(),
        })
    }

    /// Returns every part of Landfall and its release that has pods.
    #[must_use]
    pub fn starts(&self) -> &[Start] {
        &self.starts
    }

    /// Returns the rules that this account has but not every account, each with the namespace to which it is limited.
    pub fn own_rules(&self, account: &Holder) -> impl Iterator<Item = (Option<&str>, &Rule)> {
        self.bindings.iter().filter(move |binding| binding.subjects.contains(account)).flat_map(move |binding| {
            let rules = self.roles.get(&binding.role).into_iter().flatten();
            rules.map(|rule| (binding.namespace.as_deref(), rule))
        })
    }
}

impl Binding {
    fn of(item: &Value) -> Self {
        let namespace = space(item);
        let of_namespace = item.pointer("/roleRef/kind").is_some_and(|kind| kind == "Role");
        let role =
            RoleName { namespace: namespace.clone().filter(|_| of_namespace), name: text(item, "/roleRef/name") };
        let subjects = item["subjects"].as_array().into_iter().flatten().map(|subject| {
            let name = text(subject, "/name");
            match subject["kind"].as_str() {
                Some("ServiceAccount") => Holder::Account { namespace: text(subject, "/namespace"), name },
                Some("Group") => Holder::Group(name),
                _ => Holder::User(name),
            }
        });
        Self { subjects: subjects.collect(), role, namespace }
    }
}

impl Secret {
    fn of(item: &Value) -> Self {
        let (namespace, name) = place(item);
        let opens: Vec<Holder> = match item["type"].as_str() {
            Some("kubernetes.io/service-account-token") => {
                let name = item["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str();
                name.map(|name| Holder::account(&namespace, name)).into_iter().collect()
            }
            Some("bootstrap.kubernetes.io/token") => {
                let groups = ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"];
                groups.map(|group| Holder::Group(group.to_owned())).into()
            }
            _ => Vec::new(),
        };
        Self { namespace, name, opens }
    }
}

type Accounts = BTreeMap<(String, String), bool>;

impl Pod {
    /// Creates a pod from a name and a specification. `account` is used if the specification names none.
    fn of(item: &Value, spec: &Value, account: Option<&str>, accounts: &Accounts) -> Self {
        let (namespace, name) = place(item);
        let account =
            spec["serviceAccountName"].as_str().filter(|name| !name.is_empty()).or(account).map(str::to_owned);
        let of_account = account.as_ref().and_then(|account| accounts.get(&(namespace.clone(), account.clone())));
        let is_mounted = spec["automountServiceAccountToken"].as_bool().or(of_account.copied()).unwrap_or(true);
        let mut sources = values(&spec["volumes"]).flat_map(|volume| values(&volume["projected"]["sources"]));
        let is_projected = sources.any(|source| source["serviceAccountToken"].is_object());
        Self {
            has_token: account.is_some() && (is_mounted || is_projected),
            has_host: has_host(spec),
            account,
            namespace,
            name,
        }
    }
}

impl Start {
    fn of(item: &Value, accounts: &Accounts) -> Option<Self> {
        let kind = item["kind"].as_str()?;
        let labels = &item["metadata"]["labels"];
        let is_own = labels[COMPONENT].is_string() || labels[MANAGED_BY] == "landfall";
        let (spec, account) = match kind {
            "Pod" if item["metadata"]["ownerReferences"][0]["kind"] == "Node" => (item.pointer("/spec"), None),
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
                (item.pointer("/spec/template/spec"), Some("default"))
            }
            "CronJob" => (item.pointer("/spec/jobTemplate/spec/template/spec"), Some("default")),
            _ => return None,
        };
        let pod = Pod::of(item, spec.filter(|_| is_own)?, account, accounts);
        let (namespace, name) = (pod.namespace, pod.name);
        let account = pod.account.map(|name| Holder::Account { namespace: namespace.clone(), name });
        let anyone = Holder::Group("system:unauthenticated".to_owned());
        let host = pod.has_host.then_some(Holder::Host);
        Some(Self {
            what: format!("{namespace}/{kind}/{name}"),
            has_token: pod.has_token,
            holders: account.clone().into_iter().chain([anyone]).chain(host).collect(),
            account,
        })
    }
}

/// Returns true if a pod reaches the files or processes of its node.
fn has_host(spec: &Value) -> bool {
    let containers =
        ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|kind| values(&spec[kind]));
    let containers: Vec<&Value> = containers.collect();
    let is_mighty = |container: &&Value| {
        let security = &container["securityContext"];
        let mut added = values(&security["capabilities"]["add"]).filter_map(Value::as_str);
        security["privileged"] == true || added.any(|name| MIGHTY.contains(&name.trim_start_matches("CAP_")))
    };
    let is_written = |volume: &Value| {
        let mut mounts = containers.iter().flat_map(|container| values(&container["volumeMounts"]));
        mounts.any(|mount| mount["name"] == volume["name"] && mount["readOnly"] != true)
    };
    let opens = |volume: &Value| {
        let Some(path) = volume["hostPath"]["path"].as_str() else { return false };
        let known = HARMLESS.iter().find(|(harmless, _)| *harmless == path);
        known.is_none_or(|(_, may_write)| !may_write && is_written(volume))
    };
    spec["hostPID"] == true || containers.iter().any(is_mighty) || values(&spec["volumes"]).any(opens)
}

/// Returns true if pods of a namespace may access the host, because no standard forbids it.
fn may_have_host(namespace: &Value) -> bool {
    !matches!(namespace["metadata"]["labels"][POD_SECURITY].as_str(), Some("baseline" | "restricted"))
}

/// Returns true if pods of an account have its token, unless their own specification overrides that.
fn is_mounted(account: &Value) -> bool {
    account["automountServiceAccountToken"] != false
}

fn values(list: &Value) -> std::slice::Iter<'_, Value> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(item: &Value, pointer: &str) -> String {
    item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn space(item: &Value) -> Option<String> {
    item["metadata"]["namespace"].as_str().map(str::to_owned)
}

fn place(item: &Value) -> (String, String) {
    (text(item, "/metadata/namespace"), text(item, "/metadata/name"))
}
