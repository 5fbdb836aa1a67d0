//! The site configuration: a person's settings for a site, in `site.yaml`.
//!
//! A fixed part sets the node's name and address, the cluster's networks, backups, accepted warnings, and the files of
//! secrets. `values` sets the release's site values by name, each checked against the JSON Schema in the bundle. All
//! problems are reported at once.

mod backups;
mod bucket;
mod error;
mod fit;
mod read;
mod secrets;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use landfall_host::range::IpRange;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use backups::{BackupSettings, KeepSettings, TimeOfDay};
pub use bucket::BucketSettings;
pub use error::{ConfigurationError, Problem};
pub use fit::refuse_unfit;
pub use secrets::SecretSource;
pub use values::{ChangedValues, Patch, ResolvedValues, apply_patches, resolve_values};

/// Parsed and valid `site.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SiteConfiguration {
    /// Name and address of this host in its cluster.
    #[serde(default)]
    pub node: NodeSettings,
    /// Networks of the cluster.
    #[serde(default)]
    pub network: NetworkSettings,
    /// Backups of the site's data.
    #[serde(default, skip_serializing_if = "BackupSettings::is_default")]
    pub backups: BackupSettings,
    /// Names of warnings that are accepted whenever they are found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<String>,
    /// Files of the secrets that the release requests, by name. Their values are not settings, because journals contain
    /// settings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The release's site values, by name.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
}

/// Name and address of this host in its cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSettings {
    /// Name of the node, a DNS subdomain; by default the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of the node; by default the host's only address, or that of its default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// Networks of the cluster. Lists, so that a second address family can be added later; empty means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSettings {
    /// Addresses of pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_ranges: Vec<IpRange>,
    /// Addresses of services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_ranges: Vec<IpRange>,
}
