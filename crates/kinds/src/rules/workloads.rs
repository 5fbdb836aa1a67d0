//! Lines for objects that have pods, and for objects about them.

use super::Line;
use super::Rule::{Exactly, Fields, Filled, Fits, Is, IsOrEmpty, Must, OneOf, Share, Within};
use super::{forms, kinds, pods, relations, sizes, storage};

/// A number from 0 to the largest one that a field holds.
const NOT_NEGATIVE: super::Rule = Within(0, i64::MAX);

pub(super) const POD: &[Line] = &[
    ("spec", Fields(pods::POD)),
    ("spec/hostname", IsOrEmpty(forms::LABEL)),
    ("spec/subdomain", IsOrEmpty(forms::LABEL)),
    ("spec", Fits(relations::mounts)),
];

pub(super) const POD_TEMPLATE: &[Line] =
    &[("", Fields(kinds::TEMPLATE_ALONE)), ("template/spec", Fits(relations::mounts))];

pub(super) const REPLICATION_CONTROLLER: &[Line] = &[
    ("spec/replicas", NOT_NEGATIVE),
    ("spec/minReadySeconds", NOT_NEGATIVE),
    ("spec/template", Fields(pods::LASTING_TEMPLATE)),
    ("spec/template/spec", Fits(relations::mounts)),
];

/// Lines that a `Deployment`, a `ReplicaSet` and a `DaemonSet` have in common.
const ALIKE: &[Line] = &[
    ("spec/minReadySeconds", NOT_NEGATIVE),
    ("spec/selector", Fields(kinds::SELECTOR)),
    ("spec/template", Fields(pods::LASTING_TEMPLATE)),
    ("spec/template/spec/hostname", IsOrEmpty(forms::LABEL)),
    ("spec/template/spec/subdomain", IsOrEmpty(forms::LABEL)),
    ("spec/template/spec", Fits(relations::mounts)),
    ("spec", Fits(relations::selector)),
];

/// Lines that a `Deployment` and a `ReplicaSet` have in common.
const REPLICATED: &[Line] = &[("spec/replicas", NOT_NEGATIVE), ("", Fields(ALIKE))];

pub(super) const REPLICA_SET: &[Line] = REPLICATED;

pub(super) const DEPLOYMENT: &[Line] = &[
    ("", Fields(REPLICATED)),
    ("spec/revisionHistoryLimit", NOT_NEGATIVE),
    ("spec/strategy/type", OneOf(&["RollingUpdate", "Recreate"])),
    ("spec/strategy/rollingUpdate/maxUnavailable", Share(100)),
    ("spec/strategy/rollingUpdate/maxSurge", Share(i64::MAX)),
    ("spec/strategy", Fits(relations::strategy)),
    ("spec", Fits(relations::deadline)),
];

pub(super) const STATEFUL_SET: &[Line] = &[
    ("metadata/name", Is(forms::LABEL)),
    ("", Fits(sizes::name_of_set)),
    ("spec/replicas", NOT_NEGATIVE),
    ("spec/minReadySeconds", NOT_NEGATIVE),
    ("spec/ordinals/start", NOT_NEGATIVE),
    ("spec/serviceName", IsOrEmpty(forms::LABEL)),
    ("spec/podManagementPolicy", OneOf(&["OrderedReady", "Parallel"])),
    ("spec/updateStrategy/type", OneOf(&["RollingUpdate", "OnDelete"])),
    ("spec/updateStrategy/rollingUpdate/partition", NOT_NEGATIVE),
    ("spec/updateStrategy", Fits(relations::strategy_of_set)),
    ("spec/persistentVolumeClaimRetentionPolicy/*", OneOf(&["Retain", "Delete"])),
    ("spec/selector", Fields(kinds::SELECTOR)),
    ("spec/template", Fields(pods::LASTING_TEMPLATE)),
    ("spec/volumeClaimTemplates/*/metadata/name", Is(forms::LABEL)),
    ("spec/volumeClaimTemplates/*/spec", Fields(storage::CLAIM)),
    ("spec", Fits(relations::mounts_of_set)),
    ("spec", Fits(relations::selector)),
];

pub(super) const DAEMON_SET: &[Line] = &[
    ("", Fits(sizes::name_of_daemons)),
    ("spec/revisionHistoryLimit", NOT_NEGATIVE),
    ("spec/updateStrategy/type", OneOf(&["RollingUpdate", "OnDelete"])),
    ("spec/updateStrategy/rollingUpdate/maxUnavailable", Share(100)),
    ("spec/updateStrategy/rollingUpdate/maxSurge", Share(100)),
    ("spec/updateStrategy", Fits(relations::strategy_of_daemons)),
    ("", Fields(ALIKE)),
];

pub(super) const JOB: &[Line] = &[("", Fits(sizes::name_of_job)), ("spec", Fields(JOB_SPECIFICATION))];

const JOB_SPECIFICATION: &[Line] = &[
    ("parallelism", NOT_NEGATIVE),
    ("completions", NOT_NEGATIVE),
    ("activeDeadlineSeconds", NOT_NEGATIVE),
    ("backoffLimit", NOT_NEGATIVE),
    ("backoffLimitPerIndex", NOT_NEGATIVE),
    ("maxFailedIndexes", NOT_NEGATIVE),
    ("ttlSecondsAfterFinished", NOT_NEGATIVE),
    ("completionMode", Exactly(&["NonIndexed", "Indexed"])),
    ("podReplacementPolicy", Exactly(&["Failed", "TerminatingOrFailed"])),
    ("podFailurePolicy/rules/*/action", Exactly(&["FailJob", "FailIndex", "Ignore", "Count"])),
    ("podFailurePolicy/rules/*/onExitCodes/operator", Exactly(&["In", "NotIn"])),
    ("podFailurePolicy/rules/*/onExitCodes/values", Filled),
    ("", Fits(relations::indexes)),
    ("template", Fields(pods::ENDING_TEMPLATE)),
    ("template/spec", Fits(relations::mounts)),
];

pub(super) const CRON_JOB: &[Line] = &[
    ("metadata/name", Is(forms::CRON_JOB_NAME)),
    ("spec/schedule", Is(forms::SCHEDULE)),
    ("spec/concurrencyPolicy", OneOf(&["Allow", "Forbid", "Replace"])),
    ("spec/startingDeadlineSeconds", NOT_NEGATIVE),
    ("spec/successfulJobsHistoryLimit", NOT_NEGATIVE),
    ("spec/failedJobsHistoryLimit", NOT_NEGATIVE),
    ("spec/jobTemplate/metadata/labels", super::Rule::Labels),
    ("spec/jobTemplate/spec", Fields(JOB_SPECIFICATION)),
];

pub(super) const AUTOSCALER: &[Line] = &[
    ("spec/minReplicas", Within(1, i64::MAX)),
    ("spec/maxReplicas", Within(1, i64::MAX)),
    ("spec", Fits(relations::replicas)),
    ("spec/scaleTargetRef/kind", Filled),
    ("spec/scaleTargetRef/name", Filled),
    ("spec/scaleTargetRef/name", Is(forms::PATH_SEGMENT)),
    ("spec/metrics/*/type", Must(&Exactly(&["Resource", "ContainerResource", "Pods", "Object", "External"]))),
    ("spec/metrics/*", Fits(relations::metric)),
    ("spec/metrics/*/*/target/type", Must(&Exactly(&["Utilization", "Value", "AverageValue"]))),
    ("spec/metrics/*/*/target/averageUtilization", Within(1, i64::MAX)),
    ("spec/behavior/*/stabilizationWindowSeconds", Within(0, 3600)),
    ("spec/behavior/*/selectPolicy", Exactly(&["Max", "Min", "Disabled"])),
    ("spec/behavior/*/policies/*/type", Exactly(&["Pods", "Percent"])),
    ("spec/behavior/*/policies/*/value", Within(1, i64::MAX)),
    ("spec/behavior/*/policies/*/periodSeconds", Within(1, 1800)),
];

pub(super) const DISRUPTION_BUDGET: &[Line] = &[
    ("spec/minAvailable", Share(100)),
    ("spec/maxUnavailable", Share(100)),
    ("spec", Fits(relations::budget)),
    ("spec/unhealthyPodEvictionPolicy", Exactly(&["IfHealthyBudget", "AlwaysAllow"])),
    ("spec/selector", Fields(kinds::SELECTOR)),
];
