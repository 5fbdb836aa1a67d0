//! The lines for each kind, and the lines of small kinds.

use super::Line;
use super::Rule::{Amounts, Differing, Exactly, Fields, Filled, Fits, Is, Labels, Names, OneField, OneOf, Within};
use super::{forms, network, pods, relations, sizes, storage, workloads};

/// Lines for all objects.
pub(super) const EVERY: &[Line] = &[
    ("metadata/namespace", Is(forms::LABEL)),
    ("metadata/labels", Labels),
    ("metadata/annotations", Names(forms::ANNOTATION_KEY)),
    ("metadata/annotations", Fits(sizes::annotations)),
    ("", Fits(sizes::request)),
];

/// Additional lines for custom resources.
pub(super) const CUSTOM: &[Line] = &[("metadata/name", Is(forms::SUBDOMAIN)), ("", Fits(sizes::check_stored_size))];

/// Tables of lines, each with a version and the kinds of it to which the lines apply.
pub(super) const KINDS: &[(&str, &[&str], &[Line])] = &[
    ("v1", &["Pod"], workloads::POD),
    ("v1", &["PodTemplate"], workloads::POD_TEMPLATE),
    ("v1", &["ReplicationController"], workloads::REPLICATION_CONTROLLER),
    ("apps/v1", &["Deployment"], workloads::DEPLOYMENT),
    ("apps/v1", &["ReplicaSet"], workloads::REPLICA_SET),
    ("apps/v1", &["StatefulSet"], workloads::STATEFUL_SET),
    ("apps/v1", &["DaemonSet"], workloads::DAEMON_SET),
    ("batch/v1", &["Job"], workloads::JOB),
    ("batch/v1", &["CronJob"], workloads::CRON_JOB),
    ("autoscaling/v2", &["HorizontalPodAutoscaler"], workloads::AUTOSCALER),
    ("autoscaling/v1", &["HorizontalPodAutoscaler"], workloads::AUTOSCALER),
    ("autoscaling/v1", &["HorizontalPodAutoscaler"], &[("spec/targetCPUUtilizationPercentage", Within(1, i64::MAX))]),
    ("policy/v1", &["PodDisruptionBudget"], workloads::DISRUPTION_BUDGET),
    ("v1", &["Service"], network::SERVICE),
    ("networking.k8s.io/v1", &["Ingress"], network::INGRESS),
    ("networking.k8s.io/v1", &["NetworkPolicy"], network::NETWORK_POLICY),
    ("discovery.k8s.io/v1", &["EndpointSlice"], network::ENDPOINT_SLICE),
    ("v1", &["PersistentVolumeClaim"], storage::PERSISTENT_VOLUME_CLAIM),
    ("v1", &["PersistentVolume"], storage::PERSISTENT_VOLUME),
    ("storage.k8s.io/v1", &["StorageClass"], storage::STORAGE_CLASS),
    ("storage.k8s.io/v1", &["CSIDriver"], storage::DRIVER),
    ("v1", &["Namespace"], &[("metadata/name", Is(forms::LABEL))]),
    ("v1", &["ConfigMap"], CONFIG),
    ("v1", &["Secret"], SECRET),
    ("v1", &["ResourceQuota"], &[("spec/hard", Amounts)]),
    ("scheduling.k8s.io/v1", &["PriorityClass"], PRIORITY_CLASS),
    ("node.k8s.io/v1", &["RuntimeClass"], &[("handler", Is(forms::LABEL))]),
    ("rbac.authorization.k8s.io/v1", &["Role"], ROLE),
    ("rbac.authorization.k8s.io/v1", &["ClusterRole"], CLUSTER_ROLE),
    ("rbac.authorization.k8s.io/v1", &["RoleBinding"], ROLE_BINDING),
    ("rbac.authorization.k8s.io/v1", &["ClusterRoleBinding"], CLUSTER_ROLE_BINDING),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"], DEFINITION),
    (ADMISSION, &["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"], WEBHOOKS),
    (ADMISSION, &["ValidatingAdmissionPolicy"], &[("spec/failurePolicy", Exactly(FAILURE_POLICIES))]),
    (
        ADMISSION,
        &["ValidatingAdmissionPolicyBinding"],
        &[("spec/validationActions/*", Exactly(&["Deny", "Warn", "Audit"]))],
    ),
    ("v1", NAMED_IN_V1, NAMED),
    ("apps/v1", &["Deployment", "DaemonSet", "ReplicaSet", "ControllerRevision"], NAMED),
    ("batch/v1", &["Job"], NAMED),
    ("autoscaling/v2", &["HorizontalPodAutoscaler"], NAMED),
    ("autoscaling/v1", &["HorizontalPodAutoscaler"], NAMED),
    ("networking.k8s.io/v1", &["Ingress", "IngressClass", "NetworkPolicy"], NAMED),
    ("storage.k8s.io/v1", &["StorageClass", "CSIDriver", "VolumeAttributesClass"], NAMED),
    ("scheduling.k8s.io/v1", &["PriorityClass"], NAMED),
    ("node.k8s.io/v1", &["RuntimeClass"], NAMED),
    ("coordination.k8s.io/v1", &["Lease"], NAMED),
    ("discovery.k8s.io/v1", &["EndpointSlice"], NAMED),
    ("flowcontrol.apiserver.k8s.io/v1", &["FlowSchema", "PriorityLevelConfiguration"], NAMED),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"], NAMED),
];

const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// Kinds whose objects have names with several parts.
const NAMED: &[Line] = &[("metadata/name", Is(forms::SUBDOMAIN))];

const NAMED_IN_V1: &[&str] = &[
    "ConfigMap",
    "Endpoints",
    "LimitRange",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
    "ServiceAccount",
];

/// Lines for a label selector.
pub(super) const SELECTOR: &[Line] = &[
    ("matchLabels", Labels),
    ("matchExpressions/*/key", Is(forms::LABEL_KEY)),
    ("matchExpressions/*/operator", Exactly(&["In", "NotIn", "Exists", "DoesNotExist"])),
    ("matchExpressions/*/values/*", Is(forms::LABEL_VALUE)),
    ("matchExpressions/*", Fits(relations::expression)),
];

/// Policies for preempting other pods.
pub(super) const PREEMPTION: &[&str] = &["PreemptLowerPriority", "Never"];

const CONFIG: &[Line] = &[
    ("data", Names(forms::CONFIG_KEY)),
    ("binaryData", Names(forms::CONFIG_KEY)),
    ("", Fits(relations::config_keys)),
    ("", Fits(sizes::config)),
];

const SECRET: &[Line] =
    &[("data", Names(forms::CONFIG_KEY)), ("stringData", Names(forms::CONFIG_KEY)), ("", Fits(sizes::secret))];

const PRIORITY_CLASS: &[Line] = &[("preemptionPolicy", Exactly(PREEMPTION)), ("", Fits(relations::priority))];

const ROLE: &[Line] = &[
    ("metadata/name", Is(forms::PATH_SEGMENT)),
    ("rules/*/verbs", Filled),
    ("rules/*/nonResourceURLs", super::Rule::AtMost(0)),
    ("rules/*", Fits(relations::role_rule)),
];

const CLUSTER_ROLE: &[Line] = &[
    ("metadata/name", Is(forms::PATH_SEGMENT)),
    ("rules/*/verbs", Filled),
    ("rules/*", Fits(relations::role_rule)),
    ("aggregationRule/clusterRoleSelectors", Filled),
    ("aggregationRule/clusterRoleSelectors/*", Fields(SELECTOR)),
];

const ROLE_BINDING: &[Line] = &[
    ("metadata/name", Is(forms::PATH_SEGMENT)),
    ("roleRef/kind", Exactly(&["Role", "ClusterRole"])),
    ("", Fields(BINDING)),
];

const CLUSTER_ROLE_BINDING: &[Line] = &[
    ("metadata/name", Is(forms::PATH_SEGMENT)),
    ("roleRef/kind", Exactly(&["ClusterRole"])),
    ("", Fields(BINDING)),
    ("subjects/*", Fits(relations::subject_of_cluster)),
];

const BINDING: &[Line] = &[
    ("roleRef/apiGroup", OneOf(&["rbac.authorization.k8s.io"])),
    ("roleRef/name", Filled),
    ("roleRef/name", Is(forms::PATH_SEGMENT)),
    ("subjects/*/kind", Exactly(&["ServiceAccount", "User", "Group"])),
    ("subjects/*/name", Filled),
    ("subjects/*", Fits(relations::subject)),
];

const DEFINITION: &[Line] = &[
    ("spec/scope", Exactly(&["Namespaced", "Cluster"])),
    ("spec/conversion/strategy", OneOf(&["None", "Webhook"])),
    ("spec/versions", Filled),
    ("", Fits(relations::definition)),
    ("", Fits(sizes::check_stored_size)),
];

const FAILURE_POLICIES: &[&str] = &["Ignore", "Fail"];

const WEBHOOKS: &[Line] = &[
    ("metadata/name", Is(forms::SUBDOMAIN)),
    ("webhooks", Differing(&[("name", "")])),
    ("webhooks/*", Fields(WEBHOOK)),
];

const WEBHOOK: &[Line] = &[
    ("name", Is(forms::QUALIFIED_DOMAIN)),
    ("failurePolicy", Exactly(FAILURE_POLICIES)),
    ("matchPolicy", Exactly(&["Exact", "Equivalent"])),
    ("sideEffects", super::Rule::Must(&Exactly(&["None", "NoneOnDryRun"]))),
    ("reinvocationPolicy", Exactly(&["Never", "IfNeeded"])),
    ("timeoutSeconds", Within(1, 30)),
    ("admissionReviewVersions", Fits(relations::review_versions)),
    ("clientConfig", OneField(&["url", "service"])),
    ("clientConfig/service/port", Within(1, 65535)),
    ("rules/*/operations", Filled),
    ("rules/*/operations/*", Exactly(&["*", "CREATE", "UPDATE", "DELETE", "CONNECT"])),
    ("rules/*/scope", Exactly(&["*", "Cluster", "Namespaced"])),
    ("rules/*/apiGroups", Filled),
    ("rules/*/apiVersions", Filled),
    ("rules/*/resources", Filled),
    ("namespaceSelector", Fields(SELECTOR)),
    ("objectSelector", Fields(SELECTOR)),
];

/// Lines for an object of which only the pod template is checked.
pub(super) const TEMPLATE_ALONE: &[Line] = &[("template", Fields(pods::TEMPLATE))];
