//! Lines for pods and pod templates, wherever they occur.

use super::Line;
use super::Rule::{
    Amounts, AtMost, Differing, Exactly, Fields, Filled, Fits, Is, IsOrEmpty, Labels, Names, OneField, OneOf, Port,
    Within,
};
use super::{forms, kinds, relations, storage};

pub(super) const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// A number from 0 to the largest one that a field holds.
const NOT_NEGATIVE: super::Rule = Within(0, i64::MAX);

/// IDs of users and groups.
const IDENTITY: super::Rule = Within(0, i32::MAX as i64);

/// Modes of files: at most 0777.
const FILE_MODE: super::Rule = Within(0, 0o777);

/// Lines for the template of pods that run until they are replaced.
pub(super) const LASTING_TEMPLATE: &[Line] = &[
    ("", Fields(TEMPLATE)),
    ("spec/restartPolicy", OneOf(&["Always"])),
    ("spec/activeDeadlineSeconds", super::Rule::Absent("only pods and Jobs have this field")),
];

/// Lines for the template of pods that end.
pub(super) const ENDING_TEMPLATE: &[Line] = &[
    ("", Fields(TEMPLATE)),
    ("spec/hostname", IsOrEmpty(forms::LABEL)),
    ("spec/subdomain", IsOrEmpty(forms::LABEL)),
    ("spec/restartPolicy", super::Rule::Must(&Exactly(&["OnFailure", "Never"]))),
];

/// Lines for any pod template.
pub(super) const TEMPLATE: &[Line] = &[
    ("metadata/labels", Labels),
    ("metadata/annotations", Names(forms::ANNOTATION_KEY)),
    ("spec", Fields(POD)),
    ("spec/ephemeralContainers", AtMost(0)),
];

/// Lines for the specification of a pod. Names that a `StatefulSet` assigns to its pods are not checked here.
pub(super) const POD: &[Line] = &[
    ("restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
    ("dnsPolicy", OneOf(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
    ("dnsConfig/nameservers", AtMost(3)),
    ("dnsConfig/nameservers/*", Is(forms::ADDRESS)),
    ("dnsConfig/searches", AtMost(32)),
    ("preemptionPolicy", Exactly(kinds::PREEMPTION)),
    ("activeDeadlineSeconds", Within(1, i32::MAX as i64)),
    ("serviceAccountName", IsOrEmpty(forms::SUBDOMAIN)),
    ("nodeName", IsOrEmpty(forms::SUBDOMAIN)),
    ("priorityClassName", IsOrEmpty(forms::SUBDOMAIN)),
    ("runtimeClassName", Is(forms::SUBDOMAIN)),
    ("nodeSelector", Labels),
    ("os/name", Exactly(&["linux", "windows"])),
    ("overhead", Amounts),
    ("imagePullSecrets", Differing(&[("name", "")])),
    ("hostAliases/*/ip", Is(forms::ADDRESS)),
    ("hostAliases/*/hostnames/*", Is(forms::SUBDOMAIN)),
    ("hostAliases", Differing(&[("ip", "")])),
    ("securityContext", Fields(POD_SECURITY)),
    ("tolerations/*", Fields(TOLERATION)),
    ("affinity", Fields(AFFINITY)),
    ("topologySpreadConstraints/*", Fields(SPREAD)),
    ("topologySpreadConstraints", Differing(&[("topologyKey", ""), ("whenUnsatisfiable", "")])),
    ("volumes/*", Fields(VOLUME)),
    ("volumes", Differing(&[("name", "")])),
    ("containers", Filled),
    ("containers/*", Fields(CONTAINER)),
    ("initContainers/*", Fields(CONTAINER)),
    ("initContainers/*", Fits(relations::init_container)),
    ("", Fits(relations::container_names)),
    ("", Fits(relations::host_ports)),
    ("", Fits(relations::dns)),
];

const POD_SECURITY: &[Line] = &[
    ("fsGroup", IDENTITY),
    ("runAsUser", IDENTITY),
    ("runAsGroup", IDENTITY),
    ("supplementalGroups/*", IDENTITY),
    ("fsGroupChangePolicy", Exactly(&["OnRootMismatch", "Always"])),
    ("supplementalGroupsPolicy", Exactly(&["Merge", "Strict"])),
    ("seLinuxChangePolicy", Exactly(&["MountOption", "Recursive"])),
    ("seccompProfile/type", Exactly(PROFILES)),
    ("appArmorProfile/type", Exactly(PROFILES)),
];

/// Types of seccomp and AppArmor profiles.
const PROFILES: &[&str] = &["RuntimeDefault", "Localhost", "Unconfined"];

const CONTAINER: &[Line] = &[
    ("name", Is(forms::LABEL)),
    ("image", Filled),
    ("imagePullPolicy", OneOf(&["Always", "IfNotPresent", "Never"])),
    ("terminationMessagePolicy", OneOf(&["File", "FallbackToLogsOnError"])),
    ("restartPolicy", Exactly(&["Always", "OnFailure", "Never"])),
    ("resizePolicy/*/resourceName", Exactly(&["cpu", "memory"])),
    ("resizePolicy/*/restartPolicy", Exactly(&["NotRequired", "RestartContainer"])),
    ("ports/*/containerPort", Within(1, 65535)),
    ("ports/*/hostPort", Within(0, 65535)),
    ("ports/*/protocol", OneOf(PROTOCOLS)),
    ("ports/*/name", IsOrEmpty(forms::PORT_NAME)),
    ("ports", Differing(&[("containerPort", ""), ("protocol", "TCP")])),
    ("ports", Fits(relations::port_names)),
    ("env/*", Fields(VARIABLE)),
    ("env", Differing(&[("name", "")])),
    ("envFrom/*/prefix", IsOrEmpty(forms::VARIABLE)),
    ("envFrom/*", OneField(&["configMapRef", "secretRef"])),
    ("resources/limits", Names(forms::RESOURCE)),
    ("resources/requests", Names(forms::RESOURCE)),
    ("resources/limits", Amounts),
    ("resources/requests", Amounts),
    ("resources", Fits(relations::requests)),
    ("volumeMounts/*", Fields(MOUNT)),
    ("volumeMounts", Differing(&[("mountPath", "")])),
    ("volumeDevices/*/devicePath", Filled),
    ("volumeDevices/*/devicePath", Is(forms::NOT_UPWARD)),
    ("volumeDevices", Differing(&[("devicePath", "")])),
    ("livenessProbe", Fields(PROBE)),
    ("livenessProbe/successThreshold", Within(0, 1)),
    ("readinessProbe", Fields(PROBE)),
    ("readinessProbe/terminationGracePeriodSeconds", super::Rule::Absent("a readiness probe does not have this field")),
    ("startupProbe", Fields(PROBE)),
    ("startupProbe/successThreshold", Within(0, 1)),
    ("lifecycle/postStart", Fields(HANDLER)),
    ("lifecycle/preStop", Fields(HANDLER)),
    ("securityContext", Fields(CONTAINER_SECURITY)),
    ("", Fits(relations::mounts_of_devices)),
];

const CONTAINER_SECURITY: &[Line] = &[
    ("runAsUser", IDENTITY),
    ("runAsGroup", IDENTITY),
    ("procMount", Exactly(&["Default", "Unmasked"])),
    ("seccompProfile/type", Exactly(PROFILES)),
    ("appArmorProfile/type", Exactly(PROFILES)),
    ("", Fits(relations::escalation)),
];

const VARIABLE: &[Line] = &[
    ("name", Is(forms::VARIABLE)),
    ("valueFrom", OneField(&["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"])),
    ("valueFrom/fieldRef/fieldPath", Is(forms::POD_FIELD)),
    ("valueFrom/resourceFieldRef/resource", Is(forms::RESOURCE_FIELD)),
    ("valueFrom/configMapKeyRef/name", Is(forms::SUBDOMAIN)),
    ("valueFrom/configMapKeyRef/key", Is(forms::CONFIG_KEY)),
    ("valueFrom/secretKeyRef/name", Is(forms::SUBDOMAIN)),
    ("valueFrom/secretKeyRef/key", Is(forms::CONFIG_KEY)),
    ("", Fits(relations::value)),
];

const MOUNT: &[Line] = &[
    ("mountPath", Filled),
    ("subPath", Is(forms::RELATIVE)),
    ("subPathExpr", Is(forms::RELATIVE)),
    ("mountPropagation", Exactly(&["None", "HostToContainer", "Bidirectional"])),
    ("recursiveReadOnly", Exactly(&["Disabled", "IfPossible", "Enabled"])),
];

/// Lines for a probe: a threshold or a number of seconds of 0 counts as missing.
const PROBE: &[Line] = &[
    ("", OneField(&["exec", "httpGet", "tcpSocket", "grpc"])),
    ("initialDelaySeconds", NOT_NEGATIVE),
    ("timeoutSeconds", NOT_NEGATIVE),
    ("periodSeconds", NOT_NEGATIVE),
    ("successThreshold", NOT_NEGATIVE),
    ("failureThreshold", NOT_NEGATIVE),
    ("terminationGracePeriodSeconds", Within(1, i64::MAX)),
    ("", Fields(CALL)),
];

const HANDLER: &[Line] = &[("", OneField(&["exec", "httpGet", "tcpSocket", "sleep"])), ("", Fields(CALL))];

const CALL: &[Line] = &[
    ("exec/command", Filled),
    ("httpGet/port", Port),
    ("httpGet/scheme", OneOf(&["HTTP", "HTTPS"])),
    ("httpGet/httpHeaders/*/name", Is(forms::HEADER)),
    ("tcpSocket/port", Port),
    ("grpc/port", Port),
];

const TOLERATION: &[Line] = &[
    ("key", IsOrEmpty(forms::LABEL_KEY)),
    ("operator", OneOf(&["Equal", "Exists"])),
    ("effect", OneOf(&["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    ("", Fits(relations::toleration)),
];

const AFFINITY: &[Line] = &[
    ("nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms", Filled),
    ("nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/*", Fields(NODE_TERM)),
    ("nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/*/weight", Within(1, 100)),
    ("nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/*/preference", Fields(NODE_TERM)),
    ("podAffinity", Fields(POD_AFFINITY)),
    ("podAntiAffinity", Fields(POD_AFFINITY)),
];

const NODE_TERM: &[Line] = &[
    ("matchExpressions/*/key", Is(forms::LABEL_KEY)),
    ("matchExpressions/*/operator", Exactly(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])),
    ("matchExpressions/*/values/*", Is(forms::LABEL_VALUE)),
    ("matchExpressions/*", Fits(relations::expression)),
    ("matchFields/*/key", Exactly(&["metadata.name"])),
    ("matchFields/*/operator", Exactly(&["In", "NotIn"])),
];

const POD_AFFINITY: &[Line] = &[
    ("requiredDuringSchedulingIgnoredDuringExecution/*", Fields(POD_TERM)),
    ("preferredDuringSchedulingIgnoredDuringExecution/*/weight", Within(1, 100)),
    ("preferredDuringSchedulingIgnoredDuringExecution/*/podAffinityTerm", Fields(POD_TERM)),
];

const POD_TERM: &[Line] = &[
    ("topologyKey", Is(forms::LABEL_KEY)),
    ("labelSelector", Fields(kinds::SELECTOR)),
    ("namespaceSelector", Fields(kinds::SELECTOR)),
];

const SPREAD: &[Line] = &[
    ("maxSkew", Within(1, i64::MAX)),
    ("minDomains", Within(1, i64::MAX)),
    ("topologyKey", Filled),
    ("whenUnsatisfiable", Exactly(&["DoNotSchedule", "ScheduleAnyway"])),
    ("nodeAffinityPolicy", Exactly(&["Honor", "Ignore"])),
    ("nodeTaintsPolicy", Exactly(&["Honor", "Ignore"])),
    ("labelSelector", Fields(kinds::SELECTOR)),
];

const VOLUME: &[Line] = &[
    ("name", Is(forms::LABEL)),
    ("", Fits(relations::one_source)),
    ("emptyDir", Amounts),
    ("hostPath/path", Filled),
    ("hostPath/path", Is(forms::NOT_UPWARD)),
    (
        "hostPath/type",
        OneOf(&["DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]),
    ),
    ("secret/secretName", Filled),
    ("secret/defaultMode", FILE_MODE),
    ("secret/items/*", Fields(KEY)),
    ("configMap/name", Filled),
    ("configMap/defaultMode", FILE_MODE),
    ("configMap/items/*", Fields(KEY)),
    ("downwardAPI/defaultMode", FILE_MODE),
    ("downwardAPI/items/*/path", Is(forms::RELATIVE_NOT_HIDDEN)),
    ("projected/defaultMode", FILE_MODE),
    ("projected/sources/*/secret/items/*", Fields(KEY)),
    ("projected/sources/*/configMap/items/*", Fields(KEY)),
    ("projected/sources/*/serviceAccountToken/expirationSeconds", Within(600, 1 << 32)),
    ("projected/sources/*/serviceAccountToken/path", Filled),
    ("persistentVolumeClaim/claimName", Filled),
    ("ephemeral/volumeClaimTemplate/spec", Fields(storage::CLAIM)),
    ("nfs/server", Filled),
    ("nfs/path", Is(forms::ABSOLUTE)),
    ("csi/driver", Filled),
    ("image/pullPolicy", OneOf(&["Always", "IfNotPresent", "Never"])),
];

/// Lines for a key of a `ConfigMap` or a Secret, and the file in which it is mounted.
const KEY: &[Line] =
    &[("key", Filled), ("path", Filled), ("path", Is(forms::RELATIVE_NOT_HIDDEN)), ("mode", FILE_MODE)];
