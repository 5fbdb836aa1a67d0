//! Settings of the installed release, as the host reports them.

use serde::Deserialize;
use serde_json::Value;

/// Output of `landfall settings`.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub release: String,
    pub version: String,
    #[serde(default)]
    pub values: Vec<Setting>,
    #[serde(default)]
    pub secrets: Vec<SecretSetting>,
}

/// A site secret of the release, without its value.
#[derive(Debug, Clone, Deserialize)]
pub struct SecretSetting {
    pub name: String,
    pub component: String,
    #[serde(default)]
    pub meaning: String,
    pub kind: String,
    pub state: SecretState,
    pub number: Option<u64>,
    pub reason: Option<String>,
}

/// Presence of a site secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// A value was given.
    Given,
    /// A value was given, but its file is unusable.
    Unusable,
    /// No value was given.
    Missing,
    /// State of a newer version.
    #[serde(other)]
    Unknown,
}

/// A setting.
#[derive(Debug, Clone, Deserialize)]
pub struct Setting {
    pub name: String,
    #[serde(default)]
    pub components: Vec<String>,
    pub value: Option<Value>,
    pub default: Option<Value>,
    #[serde(default)]
    pub schema: Value,
}
