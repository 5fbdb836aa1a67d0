//! The settings of the installed release: what a person may change about it, and what each is now.

use landfall_release_document::{COMPUTED_PREFIX, SiteValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::error::Result;
use crate::configuration::SiteConfiguration;

/// The settings of the installed release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SiteSettings {
    /// Name of the release.
    pub release: String,
    /// Its version.
    pub version: String,
    /// The settings, in the release's order.
    pub values: Vec<Setting>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its name under `values` in `site.yaml`, such as `postgres.storage`.
    pub name: String,
    /// Names of the components that it is about, in the release's order.
    pub components: Vec<String>,
    /// What the site has set; none where the release's default counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The release's default; none where an unset value leaves the objects as the vendor rendered them.
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
    /// The settings of the installed release. Those that the planner computes are not among them: nobody can set them.
    pub fn settings(&self) -> Result<SiteSettings> {
        let history = self.history()?;
        let pins = self.changeable(&history)?;
        let release = self.release_of(pins)?;
        let settable = release.release.values.iter().filter(|value| !value.name.starts_with(COMPUTED_PREFIX));
        Ok(SiteSettings {
            release: pins.release.clone(),
            version: pins.version.clone(),
            values: settable.map(|value| Setting::of(value, &pins.settings)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use landfall_release_document::ValueTarget;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_has_what_is_set_beside_the_default() {
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
