//! Additional rights that each right gives.

use super::cluster::{Cluster, Rule};
use super::{Holder, RoleName, Step, admission};

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const READ: [&str; 3] = ["get", "list", "watch"];
const CHANGE: [&str; 2] = ["update", "patch"];
/// Verbs that write or remove objects.
const ALTER: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// Resources, other than pods, that create pods.
const WORKLOADS: [(&str, &str); 7] = [
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("", "replicationcontrollers"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
];
/// Ways into a running pod.
const INTO_PODS: [(&[&str], &str, &str); 4] = [
    (&["create", "get"], "pods/exec", "runs a command in"),
    (&["create", "get"], "pods/attach", "attaches to"),
    (&CHANGE, "pods/ephemeralcontainers", "adds a container to"),
    (&CHANGE, "pods", "changes the image of"),
];
/// Resources that affect every request of an administrator.
const ON_THE_WAY: [(&str, &str); 4] = [
    (ADMISSION, "mutatingwebhookconfigurations"),
    (ADMISSION, "validatingwebhookconfigurations"),
    (ADMISSION, "mutatingadmissionpolicies"),
    ("apiregistration.k8s.io", "apiservices"),
];

/// A rule with the namespace to which it is limited; None for the whole cluster.
type Grant<'a> = (Option<&'a str>, &'a Rule);

/// The object for which a right is checked.
#[derive(Clone, Copy)]
enum TargetObject<'a> {
    /// A new object.
    New,
    /// Any existing object.
    Any,
    /// The object of this name.
    Named(&'a str),
}

impl Cluster {
    /// Returns true if the holder has every right of the cluster.
    pub(super) fn is_administrator(&self, holder: &Holder) -> bool {
        match holder {
            Holder::Administrator => true,
            Holder::Group(name) if name == "system:masters" => true,
            _ => self.grants(holder).into_iter().any(|(namespace, rule)| namespace.is_none() && rule.is_everything()),
        }
    }

    /// Returns the steps that the holder can take.
    pub(super) fn steps(&self, holder: &Holder) -> Vec<Step> {
        let step = |act: &str, gives| Step { act: act.to_owned(), gives };
        match holder {
            Holder::Host => vec![step("reads the administrator's configuration on the node", Holder::Administrator)],
            Holder::Node => {
                let pods = self.pods.iter().filter(|pod| pod.has_token);
                let accounts = pods.filter_map(|pod| Some(Holder::account(&pod.namespace, pod.account.as_deref()?)));
                accounts.map(|account| step("asks for the token of a pod of the node", account)).collect()
            }
            _ => {
                let is_bound = self.confined.as_ref() == Some(holder);
                Reach { cluster: self, grants: self.grants(holder), is_bound }.steps()
            }
        }
    }

    /// Returns the rules of a holder, and of the groups to which it always belongs.
    fn grants<'a>(&'a self, holder: &'a Holder) -> Vec<Grant<'a>> {
        let group = |name: &str| Holder::Group(name.to_owned());
        let everyone = || group("system:authenticated");
        let identities = match holder {
            Holder::Account { namespace, .. } => {
                let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
                vec![holder.clone(), group(&groups[0]), group(&groups[1]), everyone()]
            }
            Holder::Group(name) if name == "system:unauthenticated" => vec![holder.clone()],
            Holder::User(_) | Holder::Group(_) => vec![holder.clone(), everyone()],
            Holder::Role { role, namespace } => {
                let rules = self.roles.get(role).into_iter().flatten();
                return rules.map(|rule| (namespace.as_deref(), rule)).collect();
            }
            Holder::Namespace(name) => return vec![(Some(name.as_str()), &self.everything)],
            Holder::Node | Holder::Host | Holder::Administrator => Vec::new(),
        };
        identities.iter().flat_map(|identity| self.own_rules(identity).collect::<Vec<_>>()).collect()
    }
}

/// The abilities of a holder of these rules.
struct Reach<'a> {
    cluster: &'a Cluster,
    grants: Vec<Grant<'a>>,
    /// True if the release's admission policy applies to it.
    is_bound: bool,
}

impl Reach<'_> {
    fn steps(&self) -> Vec<Step> {
        let parts = [
            self.new_pods(),
            self.running_pods(),
            self.secrets(),
            self.tokens(),
            self.bindings(),
            self.roles(),
            self.others_names(),
            self.certificates(),
            self.nodes_and_requests(),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Returns true if one of these verbs is allowed, in a namespace or for cluster-scoped resources.
    fn may(
        &self,
        verbs: &[&str],
        (group, resource): (&str, &str),
        namespace: Option<&str>,
        of: TargetObject<'_>,
    ) -> bool {
        let has = |list: &[String], item: &str| list.iter().any(|one| one == "*" || one == item);
        let kind = resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        self.grants.iter().any(|(counts_in, rule)| {
            let named = &rule.resource_names;
            let is_of = match of {
                TargetObject::New => named.is_empty(),
                TargetObject::Any => true,
                TargetObject::Named(name) => named.is_empty() || named.iter().any(|one| one == name),
            };
            let is_resource =
                has(&rule.resources, resource) || kind.as_ref().is_some_and(|kind| rule.resources.contains(kind));
            let is_here = counts_in.is_none() || (*counts_in == namespace && namespace.is_some());
            is_here
                && is_of
                && is_resource
                && has(&rule.api_groups, group)
                && verbs.iter().any(|verb| has(&rule.verbs, verb))
        })
    }

    /// Returns true if an object of a kind can be created, or an existing one changed.
    fn may_write(&self, resource: (&str, &str), namespace: Option<&str>) -> bool {
        self.may(&["create"], resource, namespace, TargetObject::New)
            || self.may(&CHANGE, resource, namespace, TargetObject::Any)
    }

    /// Returns true if the pods that it may create directly give it no rights. That is so if a policy applies, and it
    /// can change neither the policy nor the scripts of those pods.
    fn is_confined(&self) -> bool {
        let lifts = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"]
            .into_iter()
            .any(|kind| self.may(&ALTER, (ADMISSION, kind), None, TargetObject::Any));
        self.is_bound && !lifts && !self.may(&ALTER, ("", "configmaps"), Some(admission::NAMESPACE), TargetObject::Any)
    }

    /// Returns a way to create pods in a namespace, if there is one.
    fn makes_pods(&self, namespace: &str) -> Option<String> {
        if !self.is_confined() && self.may(&["create"], ("", "pods"), Some(namespace), TargetObject::New) {
            return Some(format!("creates a pod in {namespace}"));
        }
        let found = WORKLOADS.into_iter().find(|workload| self.may_write(*workload, Some(namespace)));
        found.map(|(_, resource)| format!("creates or changes {resource} in {namespace}"))
    }

    fn accounts(&self, namespace: &str) -> impl Iterator<Item = Holder> {
        let known = self.cluster.accounts.iter().filter(move |(space, _)| space == namespace);
        known.map(|(namespace, name)| Holder::account(namespace, name))
    }

    fn new_pods(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let may_make_volumes = self.may_write(("", "persistentvolumes"), None);
        for (namespace, may_have_host) in &self.cluster.namespaces {
            let Some(how) = self.makes_pods(namespace) else { continue };
            let mut add = |act: String, gives| steps.push(Step { act, gives });
            self.accounts(namespace).for_each(|account| add(format!("{how} with an account"), account));
            if *may_have_host {
                add(format!("{how} with the host's files"), Holder::Host);
            }
            if self.may(&CHANGE, ("", "namespaces"), Some(namespace.as_str()), TargetObject::Named(namespace)) {
                add(format!("lifts the standard of {namespace}, and {how}"), Holder::Host);
            }
            if may_make_volumes
                && self.may(&["create"], ("", "persistentvolumeclaims"), Some(namespace.as_str()), TargetObject::New)
            {
                add(format!("makes a volume of a folder of the host, and {how}"), Holder::Host);
            }
        }
        steps
    }

    fn running_pods(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for pod in &self.cluster.pods {
            let of = TargetObject::Named(&pod.name);
            let mut ways = INTO_PODS.into_iter();
            let way =
                ways.find(|&(verbs, resource, _)| self.may(verbs, ("", resource), Some(pod.namespace.as_str()), of));
            let Some((_, _, how)) = way else { continue };
            let act = format!("{how} {}/{}", pod.namespace, pod.name);
            if let Some(name) = pod.account.as_deref().filter(|_| pod.has_token) {
                steps.push(Step { act: act.clone(), gives: Holder::account(&pod.namespace, name) });
            }
            if pod.has_host {
                steps.push(Step { act, gives: Holder::Host });
            }
        }
        steps
    }

    fn secrets(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for secret in &self.cluster.secrets {
            if self.may(&READ, ("", "secrets"), Some(secret.namespace.as_str()), TargetObject::Named(&secret.name)) {
                let act = format!("reads the secret {}/{}", secret.namespace, secret.name);
                steps.extend(secret.opens.iter().map(|gives| Step { act: act.clone(), gives: gives.clone() }));
            }
        }
        for namespace in self.cluster.namespaces.keys() {
            let here = Some(namespace.as_str());
            if self.may(&["create"], ("", "secrets"), here, TargetObject::New)
                && self.may(&READ, ("", "secrets"), here, TargetObject::Any)
            {
                let act = format!("has a token made into a secret of {namespace}");
                steps.extend(self.accounts(namespace).map(|gives| Step { act: act.clone(), gives }));
            }
        }
        steps
    }

    fn tokens(&self) -> Vec<Step> {
        let accounts = self.cluster.accounts.iter().filter(|(namespace, name)| {
            self.may(&["create"], ("", "serviceaccounts/token"), Some(namespace.as_str()), TargetObject::Named(name))
        });
        let step = |(namespace, name): &(String, String)| Step {
            act: "asks for a token".to_owned(),
            gives: Holder::account(namespace, name),
        };
        accounts.map(step).collect()
    }

    /// Returns steps through bindings. The API server refuses to bind rights that the holder lacks, unless it may
    /// `bind` the role.
    fn bindings(&self) -> Vec<Step> {
        let spaces = || self.cluster.namespaces.keys().map(|name| Some(name.as_str()));
        let everywhere = std::iter::once(None).filter(|_| self.may_write((RBAC, "clusterrolebindings"), None));
        let here = spaces().filter(|space| self.may_write((RBAC, "rolebindings"), *space));
        let places: Vec<Option<&str>> = everywhere.chain(here).collect();
        let step = |role: &RoleName, place: Option<&str>| Step {
            act: format!("binds the role {}", role.name),
            gives: Holder::Role { role: role.clone(), namespace: place.map(str::to_owned) },
        };
        let may_bind = |role: &RoleName, place: Option<&str>| {
            let kind = if role.namespace.is_some() { "roles" } else { "clusterroles" };
            let fits = role.namespace.is_none() || role.namespace.as_deref() == place;
            fits && self.may(&["bind"], (RBAC, kind), place, TargetObject::Named(&role.name))
        };
        let of_place = |place: Option<&str>| {
            let roles = self.cluster.roles.keys().filter(|role| may_bind(role, place));
            roles.map(|role| step(role, place)).collect::<Vec<_>>()
        };
        places.into_iter().flat_map(of_place).collect()
    }

    /// Returns steps through roles. The API server refuses to add rights that the holder lacks to a role, unless it may
    /// `escalate` it.
    fn roles(&self) -> Vec<Step> {
        let may = |kind: &str, place: Option<&str>| {
            self.may(&["escalate"], (RBAC, kind), place, TargetObject::Any) && self.may_write((RBAC, kind), place)
        };
        let everywhere = may("clusterroles", None).then_some(Holder::Administrator);
        let here = self.cluster.namespaces.keys().filter(|name| may("roles", Some(name.as_str())));
        let given = everywhere.into_iter().chain(here.map(|name| Holder::Namespace(name.clone())));
        given.map(|gives| Step { act: "writes every right into a role".to_owned(), gives }).collect()
    }

    /// Returns identities named by bindings, and the administrators that always exist.
    fn known_holders(&self) -> impl Iterator<Item = Holder> {
        let masters = Holder::Group("system:masters".to_owned());
        self.cluster.bindings.iter().flat_map(|binding| binding.subjects.clone()).chain([masters])
    }

    fn others_names(&self) -> Vec<Step> {
        let may = |kind: &str, space: Option<&str>, name: &str| {
            self.may(&["impersonate"], ("", kind), space, TargetObject::Named(name))
        };
        let accounts = self.cluster.accounts.iter().map(|(namespace, name)| Holder::account(namespace, name));
        let others = self.known_holders().filter(|holder| !matches!(holder, Holder::Account { .. }));
        let allowed = accounts.chain(others).filter(|holder| match holder {
            Holder::Account { namespace, name } => may("serviceaccounts", Some(namespace.as_str()), name),
            Holder::User(name) => may("users", None, name),
            Holder::Group(name) => may("groups", None, name),
            _ => false,
        });
        allowed.map(|gives| Step { act: "speaks in another name".to_owned(), gives }).collect()
    }

    /// Returns steps through certificates. No signer of the API server signs for `system:masters`.
    fn certificates(&self) -> Vec<Step> {
        let requests = |part: &'static str| (CERTIFICATES, part);
        if !self.may(&["create"], requests("certificatesigningrequests"), None, TargetObject::New) {
            return Vec::new();
        }
        let approves = |signer: &str| {
            self.may(&CHANGE, requests("certificatesigningrequests/approval"), None, TargetObject::Any)
                && ["kubernetes.io/*", signer]
                    .into_iter()
                    .any(|name| self.may(&["approve"], requests("signers"), None, TargetObject::Named(name)))
        };
        let step = |gives| Step { act: "approves a certificate for itself".to_owned(), gives };
        let mut steps = Vec::new();
        if approves("kubernetes.io/kube-apiserver-client") {
            let known = self.known_holders().filter(|holder| match holder {
                Holder::User(_) => true,
                Holder::Group(name) => name != "system:masters" && name != "system:unauthenticated",
                _ => false,
            });
            steps.extend(known.map(step));
        }
        let by_itself =
            self.may(&["create"], requests("certificatesigningrequests/nodeclient"), None, TargetObject::New);
        if by_itself || approves("kubernetes.io/kube-apiserver-client-kubelet") {
            steps.push(step(Holder::Node));
        }
        steps
    }

    /// Returns steps through nodes and requests. A kubelet runs commands in every pod of its node, including those of
    /// the control plane.
    fn nodes_and_requests(&self) -> Vec<Step> {
        let node = self.may(&["get", "create"], ("", "nodes/proxy"), None, TargetObject::Any);
        let node = node.then(|| Step { act: "asks a kubelet to run a command".to_owned(), gives: Holder::Host });
        let on_the_way = ON_THE_WAY.into_iter().filter(|resource| self.may_write(*resource, None));
        let on_the_way = on_the_way.map(|(_, resource)| Step {
            act: format!("reads or changes requests by {resource}"),
            gives: Holder::Administrator,
        });
        node.into_iter().chain(on_the_way).collect()
    }
}
