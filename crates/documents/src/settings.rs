//! Settings of the installed release: output of `landfall settings`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of the installed release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SiteSettings {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Settings, in the release's order.
    #[serde(default)]
    #[schemars(!default)]
    pub values: Vec<Setting>,
    /// Secrets that the release requests from the site, in its order, without their values; empty if it requests none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSetting>,
}

/// Setting of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Name under `values` in `site.yaml`, such as `postgres.storage`.
    pub name: String,
    /// Names of the components that it affects, in the release's order.
    #[serde(default)]
    #[schemars(!default)]
    pub components: Vec<String>,
    /// Value that the site has set; absent if the release's default applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Default of the release; absent if an unset value leaves the objects as the vendor rendered them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// JSON Schema of the value.
    #[serde(default)]
    #[schemars(!default)]
    pub schema: Value,
}

/// Secret that the release requests from the site. The value itself is never here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSetting {
    /// Name under `secrets` in `site.yaml`, and after `--secret`.
    pub name: String,
    /// Name of the component that owns the Secret.
    pub component: String,
    /// Purpose of the secret, as the vendor describes it.
    #[serde(default)]
    #[schemars(!default)]
    pub meaning: String,
    /// Kind of the value: `password`, `file`, `tls` or `authorities`.
    pub kind: String,
    /// State of the secret at the site.
    pub state: SecretState,
    /// Number of the value that the site gave: 1 for the first one; absent without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Reason why the value cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// State of a secret at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// The site gave a value.
    Given,
    /// The site gave a value, whose file cannot be used (LF4213). Running software has it in the cluster.
    Unusable,
    /// The site gave no value.
    Missing,
    /// State of a newer version.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}
