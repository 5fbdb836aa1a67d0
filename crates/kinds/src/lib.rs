//! Validation of Kubernetes' own kinds: an object is read as the type of the published API, and written again. A field
//! that disappears does not exist in the kind. A field that appears is one that the object lacks.
//!
//! `landfall build` checks the objects that a vendor renders, and a plan checks them with the values of a site.

pub mod amount;
mod amounts;
#[cfg(any(test, feature = "corpus"))]
pub mod corpus;
pub mod custom;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v1 as former_autoscaling,
    autoscaling::v2 as autoscaling, batch::v1 as batch, certificates::v1 as certificates,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    flowcontrol::v1 as flowcontrol, networking::v1 as networking, node::v1 as node, policy::v1 as policy,
    rbac::v1 as rbac, resource::v1 as resource, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as aggregation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Minor version of Kubernetes of these kinds, as in the feature of `k8s-openapi`.
pub const MINOR: &str = "v1.36";

/// Maps of amounts, which the API server also accepts as numbers.
const AMOUNTS: [&str; 10] = [
    "limits",
    "requests",
    "hard",
    "capacity",
    "max",
    "min",
    "default",
    "defaultRequest",
    "maxLimitRequestRatio",
    "podFixed",
];

/// Fields that contain one amount.
const AMOUNT: [&str; 2] = ["sizeLimit", "divisor"];

macro_rules! kinds {
    ($($version:literal { $($kind:ident = $type:ty),* $(,)? })*) => {
        /// The kinds of each version of a group: all that exist and that a release may contain.
        const VERSIONS: &[(&str, &[&str])] = &[$(($version, &[$(stringify!($kind)),*])),*];

        fn written_again(version: &str, kind: &str, object: Value) -> Option<Result<Value, Fault>> {
            match (version, kind) {
                $($(($version, stringify!($kind)) => Some(again::<$type>(object)),)*)*
                _ => None,
            }
        }
    };
}

kinds! {
    "v1" {
        ConfigMap = core::ConfigMap, Endpoints = core::Endpoints, LimitRange = core::LimitRange,
        PersistentVolume = core::PersistentVolume, PersistentVolumeClaim = core::PersistentVolumeClaim,
        Pod = core::Pod, PodTemplate = core::PodTemplate, ReplicationController = core::ReplicationController,
        ResourceQuota = core::ResourceQuota, Secret = core::Secret, Service = core::Service,
        ServiceAccount = core::ServiceAccount, Node = core::Node, Namespace = core::Namespace, Event = core::Event,
    }
    "apps/v1" {
        ControllerRevision = apps::ControllerRevision, DaemonSet = apps::DaemonSet, Deployment = apps::Deployment,
        ReplicaSet = apps::ReplicaSet, StatefulSet = apps::StatefulSet,
    }
    "batch/v1" { CronJob = batch::CronJob, Job = batch::Job }
    "autoscaling/v2" { HorizontalPodAutoscaler = autoscaling::HorizontalPodAutoscaler }
    "autoscaling/v1" { HorizontalPodAutoscaler = former_autoscaling::HorizontalPodAutoscaler }
    "policy/v1" { PodDisruptionBudget = policy::PodDisruptionBudget }
    "networking.k8s.io/v1" {
        Ingress = networking::Ingress, IngressClass = networking::IngressClass, IPAddress = networking::IPAddress,
        NetworkPolicy = networking::NetworkPolicy, ServiceCIDR = networking::ServiceCIDR,
    }
    "rbac.authorization.k8s.io/v1" {
        ClusterRole = rbac::ClusterRole, ClusterRoleBinding = rbac::ClusterRoleBinding, Role = rbac::Role,
        RoleBinding = rbac::RoleBinding,
    }
    "storage.k8s.io/v1" {
        CSIDriver = storage::CSIDriver, CSINode = storage::CSINode, CSIStorageCapacity = storage::CSIStorageCapacity,
        StorageClass = storage::StorageClass, VolumeAttachment = storage::VolumeAttachment,
        VolumeAttributesClass = storage::VolumeAttributesClass,
    }
    "scheduling.k8s.io/v1" { PriorityClass = scheduling::PriorityClass }
    "node.k8s.io/v1" { RuntimeClass = node::RuntimeClass }
    "coordination.k8s.io/v1" { Lease = coordination::Lease }
    "discovery.k8s.io/v1" { EndpointSlice = discovery::EndpointSlice }
    "flowcontrol.apiserver.k8s.io/v1" {
        FlowSchema = flowcontrol::FlowSchema, PriorityLevelConfiguration = flowcontrol::PriorityLevelConfiguration,
    }
    "admissionregistration.k8s.io/v1" {
        MutatingAdmissionPolicy = admission::MutatingAdmissionPolicy,
        MutatingAdmissionPolicyBinding = admission::MutatingAdmissionPolicyBinding,
        MutatingWebhookConfiguration = admission::MutatingWebhookConfiguration,
        ValidatingAdmissionPolicy = admission::ValidatingAdmissionPolicy,
        ValidatingAdmissionPolicyBinding = admission::ValidatingAdmissionPolicyBinding,
        ValidatingWebhookConfiguration = admission::ValidatingWebhookConfiguration,
    }
    "certificates.k8s.io/v1" { CertificateSigningRequest = certificates::CertificateSigningRequest }
    "events.k8s.io/v1" { Event = events::Event }
    "resource.k8s.io/v1" {
        DeviceClass = resource::DeviceClass, ResourceClaim = resource::ResourceClaim,
        ResourceClaimTemplate = resource::ResourceClaimTemplate, ResourceSlice = resource::ResourceSlice,
    }
    "apiextensions.k8s.io/v1" { CustomResourceDefinition = extensions::CustomResourceDefinition }
    "apiregistration.k8s.io/v1" { APIService = aggregation::APIService }
}

/// Versions whose objects are requests to the API server, with their kinds. The server answers them and stores none, so
/// a release cannot contain one.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("authentication.k8s.io/v1", &["SelfSubjectReview", "TokenReview"]),
    (
        "authorization.k8s.io/v1",
        &["LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"],
    ),
];

/// Former groups of Kubernetes, and the versions that have their kinds now.
const FORMER: [(&str, &str); 1] = [("extensions", "apps/v1, networking.k8s.io/v1 and policy/v1")];

/// Returns true if a group is one of Kubernetes' own, for which no release defines kinds. The core group has no name.
pub fn is_of_kubernetes(group: &str) -> bool {
    group.is_empty() || FORMER.iter().any(|(former, _)| *former == group) || versions_of(group).next().is_some()
}

/// All versions that Kubernetes serves, with their kinds.
fn served_versions() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    VERSIONS.iter().chain(QUESTIONS).copied()
}

/// The served versions of a group.
fn versions_of(group: &str) -> impl Iterator<Item = &'static str> {
    served_versions().map(|(version, _)| version).filter(move |version| group_of(version) == group)
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// Returns an error for a version of a Kubernetes group that is not served.
fn check_version(version: &str) -> Result<(), Fault> {
    let group = group_of(version);
    if !is_of_kubernetes(group) {
        return Ok(());
    }
    let former = FORMER.iter().find(|(former, _)| *former == group).map(|(_, now)| (*now).to_owned());
    let served = former.unwrap_or_else(|| versions_of(group).collect::<Vec<_>>().join(" and "));
    Err(Fault::UnknownVersion { version: version.to_owned(), served })
}

/// Returns an error for a kind that its version does not have, or whose objects are not stored. `kind` is not one of
/// those written again here.
fn check_kind(version: &str, kind: &str) -> Result<(), Fault> {
    let Some((_, known)) = served_versions().find(|(served, _)| *served == version) else {
        return check_version(version);
    };
    if known.contains(&kind) {
        let what = format!("the API server answers a {kind} but stores none, so no release can contain one");
        return Err(Fault::field("", what));
    }
    Err(Fault::UnknownKind { version: version.to_owned(), kind: kind.to_owned(), known })
}

/// Returns the API versions of the node pack's Kubernetes in the form that charts query: versions, and versions with
/// their kinds.
pub fn chart_api_versions() -> Vec<String> {
    let kinds = |(version, kinds): (&'static str, &'static [&'static str])| {
        let kinds = kinds.iter().map(move |kind| format!("{version}/{kind}"));
        std::iter::once(version.to_owned()).chain(kinds)
    };
    served_versions().flat_map(kinds).collect()
}

fn again<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, Fault> {
    let read: T = serde_path_to_error::deserialize(object)
        .map_err(|error| Fault::field(pointer_of(error.path()), error.inner().to_string()))?;
    serde_json::to_value(read).map_err(|error| Fault::field("", error.to_string()))
}

/// Converts the path of a type mismatch to a JSON Pointer.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut pointer, segment| {
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{}", escape(key)),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
        pointer
    })
}

/// The reason why the API server would not accept an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A version of Kubernetes' own does not have the kind.
    UnknownKind {
        /// The version, such as `apps/v1`.
        version: String,
        /// The kind.
        kind: String,
        /// Kinds that the version has.
        known: &'static [&'static str],
    },
    /// Kubernetes does not serve the version.
    UnknownVersion {
        /// The version, such as `policy/v1beta1`.
        version: String,
        /// Description of the served versions, for people.
        served: String,
    },
    /// The object, or a field of it, does not fit its kind.
    Field {
        /// JSON Pointer to the field; empty for the whole object.
        pointer: String,
        /// Description of the fault.
        what: String,
    },
}

impl Fault {
    fn field(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Field { pointer: pointer.into(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind { version, kind, .. } => write!(formatter, "{version} has no kind {kind}"),
            Self::UnknownVersion { version, served } => {
                write!(formatter, "Kubernetes does not serve {version}; it has {served}")
            }
            Self::Field { pointer, what } if pointer.is_empty() => formatter.write_str(what),
            Self::Field { pointer, what } => write!(formatter, "{pointer}: {what}"),
        }
    }
}

/// Returns an error for an object of a Kubernetes kind with unknown fields, wrong types or missing required fields. An
/// unknown version or kind of Kubernetes is also an error. An object of a group that is not Kubernetes' own passes.
pub fn check(object: &Value) -> Result<(), Fault> {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let mut written = object.clone();
    // The fields that a definition describes may have any names, such as `max`, and their schemas contain numbers.
    if kind != "CustomResourceDefinition" {
        amounts_as_texts(&mut written);
    }
    let Some(again) = written_again(version, kind, written.clone()) else { return check_kind(version, kind) };
    let again = again?;
    if let Some(path) = lacking(&written, &again, &[]) {
        let near = near_field(&written, &path);
        return Err(Fault::field(path, format!("a {kind} has no such field{near}")));
    }
    // Objects inside other objects, such as claims of a StatefulSet, need not repeat their version and kind.
    if let Some(path) = lacking(&again, &written, &["apiVersion", "kind"]) {
        return Err(Fault::field(path, format!("a {kind} must have this field")));
    }
    amounts::check(kind, &written)?;
    rules::check(version, kind, &written)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Escapes a key as a segment of a JSON Pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Returns the first field of one value that another lacks, as a JSON Pointer, except fields with the names in `apart`.
/// A null field counts as missing.
fn lacking(value: &Value, other: &Value, apart: &[&str]) -> Option<String> {
    match (value, other) {
        (Value::Object(fields), Value::Object(others)) => fields.iter().find_map(|(key, field)| {
            if field.is_null() || apart.contains(&key.as_str()) {
                return None;
            }
            let below = match others.get(key) {
                Some(other) => lacking(field, other, apart)?,
                None => String::new(),
            };
            Some(format!("/{}{below}", escape(key)))
        }),
        (Value::Array(items), Value::Array(others)) => {
            items.iter().zip(others).enumerate().find_map(|(index, (item, other))| {
                let below = lacking(item, other, apart)?;
                let mut path = String::new();
                let _ = write!(path, "/{index}{below}");
                Some(path)
            })
        }
        _ => None,
    }
}

/// Returns a hint for the most common mistake: names in a case other than Kubernetes'.
fn near_field(object: &Value, path: &str) -> String {
    let key = path.rsplit('/').next().unwrap_or_default();
    let wrong = object.pointer(path).is_some_and(|_| key.contains(['_', '-']) || key.starts_with(char::is_uppercase));
    if wrong { ": its fields are written likeThis".to_owned() } else { String::new() }
}

fn amounts_as_texts(value: &mut Value) {
    let text = |value: &mut Value| {
        if value.is_number() {
            *value = Value::String(value.to_string());
        }
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if AMOUNT.contains(&key.as_str()) {
                    text(field);
                } else if let (true, Value::Object(amounts)) = (AMOUNTS.contains(&key.as_str()), &mut *field) {
                    amounts.values_mut().for_each(text);
                }
                amounts_as_texts(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(amounts_as_texts),
        _ => {}
    }
}
