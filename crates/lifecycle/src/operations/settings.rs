//! Settings of the installed release: the values that a person may change, with their current state.

use landfall_documents::settings::{SecretSetting, SecretState, Setting, SiteSettings};
use landfall_engine::causes::with_causes;
use landfall_release_document::{COMPUTED_PREFIX, ReleaseDocument, SiteValue};

use super::Operations;
use super::error::Result;
use crate::steps::site_secret::numbers;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::site_secrets::{SecretKey, SecretNumbers, SecretStore};

/// Returns the secrets of a release, by the numbers and files of the given values.
fn secret_settings(release: &ReleaseDocument, numbers: &SecretNumbers, store: &SecretStore) -> Vec<SecretSetting> {
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
            found.push(SecretSetting {
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

fn setting(value: &SiteValue, settings: &SiteConfiguration) -> Setting {
    let mut components: Vec<String> = Vec::new();
    for target in &value.targets {
        if !components.contains(&target.component) {
            components.push(target.component.clone());
        }
    }
    Setting {
        name: value.name.clone(),
        components,
        value: settings.values.get(&value.name).cloned(),
        default: value.default.clone(),
        schema: value.schema.clone(),
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
            values: settable.map(|value| setting(value, &pins.settings)).collect(),
            secrets: secret_settings(
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
    use landfall_site::site_secrets::StoredValue;

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
        let found = secret_settings(&document, &numbers, &store);
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
        let found = secret_settings(&document, &numbers, &store);
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
        let (unset, set) = (setting(&value, &SiteConfiguration::default()), setting(&value, &set));
        assert_eq!((unset.value, unset.default), (None, Some(json!(1))));
        assert_eq!((set.value, set.components), (Some(json!(3)), vec!["web".to_owned(), "worker".to_owned()]));
    }
}
