//! Settings of the installed release: the values that a person may change, with their current state.

use landfall_engine::causes::with_causes;
use landfall_release_document::{COMPUTED_PREFIX, ReleaseDocument, SiteValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::error::Result;
use crate::configuration::SiteConfiguration;
use crate::site_secrets::{SecretKey, SecretNumbers, SecretStore};
use crate::steps::site_secret::numbers;

/// Settings of the installed release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SiteSettings {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Settings, in the release's order.
    pub values: Vec<Setting>,
    /// Secrets that the release requests from the site, in its order, without their values; empty if it requests none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSetting>,
}

/// Secret that the release requests from the site. The value itself is never here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSetting {
    /// Name under `secrets` in `site.yaml`, and after `--secret`.
    pub name: String,
    /// Name of the component that owns the Secret.
    pub component: String,
    /// Purpose of the secret, as the vendor describes it.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// The site gave a value.
    Given,
    /// The site gave a value, whose file cannot be used (LF4213). Running software has it in the cluster.
    Unusable,
    /// The site gave no value.
    Missing,
}

impl SecretSetting {
    /// Returns the secrets of a release, by the numbers and files of the given values.
    fn all(release: &ReleaseDocument, numbers: &SecretNumbers, store: &SecretStore) -> Vec<Self> {
        let mut found = Vec::new();
        for component in &release.components {
            for secret in &component.site_secrets {
                let name = (component.namespace.clone(), secret.name.clone());
                let number = numbers.get(&name).copied();
                let unusable = number.and_then(|number| store.expect(&SecretKey { secret: name, number }).err());
                let state = match (number, &unusable) {
                    (None, _) => SecretState::Missing,
                    (Some(_), Some(_)) => SecretState::Unusable,
                    (Some(_), None) => SecretState::Given,
                };
                found.push(Self {
                    name: secret.name.clone(),
                    component: component.name.clone(),
                    meaning: secret.meaning.clone(),
                    kind: secret.value.kind().to_owned(),
                    state,
                    number,
                    reason: unusable.as_ref().map(|error| with_causes(error)),
                });
            }
        }
        found
    }
}

/// Setting of a release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Name under `values` in `site.yaml`, such as `postgres.storage`.
    pub name: String,
    /// Names of the components that it affects, in the release's order.
    pub components: Vec<String>,
    /// Value that the site has set; absent if the release's default applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Default of the release; absent if an unset value leaves the objects as the vendor rendered them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// JSON Schema of the value.
    pub schema: Value,
}

impl Setting {
    fn of(value: &SiteValue, settings: &SiteConfiguration) -> Self {
        let mut components: Vec<String> = Vec::new();
        for target in &value.targets {
            if !components.contains(&target.component) {
                components.push(target.component.clone());
            }
        }
        Self {
            name: value.name.clone(),
            components,
            value: settings.values.get(&value.name).cloned(),
            default: value.default.clone(),
            schema: value.schema.clone(),
        }
    }
}

impl Operations {
    /// Returns the settings of the installed release, and the site's secrets without their values. Values that the
    /// planner computes are left out, because a person cannot set them.
    pub fn settings(&self) -> Result<SiteSettings> {
        let history = self.history()?;
        let pins = self.changeable(&history)?;
        let release = self.release_of(pins)?;
        let settable = release.release.values.iter().filter(|value| !value.name.starts_with(COMPUTED_PREFIX));
        Ok(SiteSettings {
            release: pins.release.clone(),
            version: pins.version.clone(),
            values: settable.map(|value| Setting::of(value, &pins.settings)).collect(),
            secrets: SecretSetting::all(
                &release.release,
                &numbers(&history.last_actions()?),
                &SecretStore::of(&self.paths),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use landfall_host::paths::SitePaths;
    use landfall_media::durable;
    use landfall_release_document::ValueTarget;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::operations::install::tests::release;
    use crate::site_secrets::StoredValue;

    /// Value that the site gave.
    const PASSWORD: &str = "canary-password";

    #[test]
    fn secret_settings_never_show_values() {
        let mut document = release(3);
        document["components"] = json!([{
            "name": "web", "namespace": "web", "needs": [], "objects": "documents/objects/web.json",
            "pod_security": "restricted", "ready_seconds": 60, "site_secrets": [
                {"name": "directory", "meaning": "Reads the directory", "value": {"password": {"minimum": 8}}},
                {"name": "license", "meaning": "Of the index", "value": {"file": {"key": "license"}}},
                {"name": "mail", "meaning": "Sends mail", "value": {"password": {"minimum": 8}}},
            ],
        }]);
        let document: ReleaseDocument = serde_json::from_value(document).unwrap();
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        let store = SecretStore::of(&paths);
        let name = |name: &str| ("web".to_owned(), name.to_owned());
        let value = Zeroizing::new(PASSWORD.as_bytes().to_vec());
        let stored = StoredValue { kind: "password".to_owned(), value };
        store.write(&SecretKey { secret: name("directory"), number: 2 }, &stored).unwrap();
        let numbers = SecretNumbers::from([(name("directory"), 2), (name("license"), 1)]);
        let found = SecretSetting::all(&document, &numbers, &store);
        let states: Vec<_> = found
            .iter()
            .map(|secret| (secret.name.as_str(), secret.kind.as_str(), secret.state, secret.number))
            .collect();
        let expected = [
            ("directory", "password", SecretState::Given, Some(2)),
            ("license", "file", SecretState::Unusable, Some(1)),
            ("mail", "password", SecretState::Missing, None),
        ];
        assert_eq!(states, expected);
        assert!(found[1].reason.as_deref().is_some_and(|reason| reason.contains("is missing")), "{found:?}");
        assert!(!serde_json::to_string(&found).unwrap().contains("canary"));
        let damaged = store.file(&SecretKey { secret: name("directory"), number: 2 });
        durable::write_file(&damaged, format!("{{{PASSWORD}").as_bytes(), 0o600).unwrap();
        let found = SecretSetting::all(&document, &numbers, &store);
        assert!(found[0].state == SecretState::Unusable && !format!("{found:?}").contains("canary"), "{found:?}");
    }

    #[test]
    fn settings_show_value_and_default() {
        let target = |component: &str, path: &str| ValueTarget {
            component: component.to_owned(),
            kind: "Deployment".to_owned(),
            name: component.to_owned(),
            path: path.to_owned(),
        };
        let value = SiteValue {
            name: "replicas".to_owned(),
            schema: json!({ "type": "integer" }),
            default: Some(json!(1)),
            targets: vec![
                target("web", "/spec/replicas"),
                target("web", "/spec/other"),
                target("worker", "/spec/replicas"),
                target("web", "/spec/last"),
            ],
        };
        let set =
            SiteConfiguration { values: [("replicas".to_owned(), json!(3))].into(), ..SiteConfiguration::default() };
        let (unset, set) = (Setting::of(&value, &SiteConfiguration::default()), Setting::of(&value, &set));
        assert_eq!((unset.value, unset.default), (None, Some(json!(1))));
        assert_eq!((set.value, set.components), (Some(json!(3)), vec!["web".to_owned(), "worker".to_owned()]));
    }
}
