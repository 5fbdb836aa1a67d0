//! Secrets with values in charts or manifests, converted to entries under `secrets` of a component: text to paste, as
//! `init` writes it.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;

use crate::yaml::quote_scalar;

/// Length of a generated value, in characters.
pub const RANDOM_LENGTH: u32 = 32;

/// Suffixes of keys whose values are public and therefore go into the bundle with the release.
const PLAIN_KEYS: [&str; 9] = ["user", "username", "name", "host", "hostname", "port", "database", "dbname", "email"];

/// Returns true if a key has a public value of one line.
pub fn is_plain(key: &str, value: &str) -> bool {
    is_plain_key(key) && !value.is_empty() && !value.contains(char::is_control)
}

/// Returns true if the value of a key is public.
pub fn is_plain_key(key: &str) -> bool {
    let end = key.rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    PLAIN_KEYS.contains(&end.to_ascii_lowercase().as_str())
}

/// A Secret in the form of a component's declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretEntry {
    name: String,
    random: BTreeMap<String, u32>,
    fixed: BTreeMap<String, String>,
}

impl SecretEntry {
    /// Creates a Secret without keys.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Creates a Secret with random and fixed keys.
    pub fn with(name: &str, random: &BTreeMap<String, u32>, fixed: &BTreeMap<String, String>) -> Self {
        Self { name: name.to_owned(), random: random.clone(), fixed: fixed.clone() }
    }

    /// Converts a Secret object with values.
    pub fn of_object(secret: &Value) -> Self {
        let mut entry = Self::new(secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default());
        entry.extend(secret);
        entry
    }

    /// Adds missing keys of an object: public values as fixed, others as random.
    pub fn extend(&mut self, secret: &Value) {
        for (key, value) in values(secret) {
            match value.filter(|value| is_plain(&key, value)) {
                _ if self.has(&key) => {}
                Some(value) => drop(self.fixed.insert(key, value)),
                None => self.add(key),
            }
        }
    }

    /// Adds a key with a random value, unless it exists.
    pub fn add(&mut self, key: String) {
        if !self.has(&key) {
            self.random.insert(key, RANDOM_LENGTH);
        }
    }

    fn has(&self, key: &str) -> bool {
        self.random.contains_key(key) || self.fixed.contains_key(key)
    }

    /// The entry as one line of YAML.
    pub fn line(&self) -> String {
        let random = self.random.iter().map(|(key, length)| format!("{}: {length}", quote_scalar(key)));
        let fixed = self.fixed.iter().map(|(key, value)| format!("{}: {}", quote_scalar(key), quote_scalar(value)));
        let parts = [("random", random.collect::<Vec<_>>()), ("fixed", fixed.collect())];
        let parts = parts.into_iter().filter(|(_, keys)| !keys.is_empty());
        let parts: Vec<_> = parts.map(|(field, keys)| format!(", {field}: {{{}}}", keys.join(", "))).collect();
        format!("- {{name: {}{}}}", quote_scalar(&self.name), parts.concat())
    }
}

/// Hint with lines to paste, for Secrets that a component must declare.
pub fn hint(component: &str, entries: impl IntoIterator<Item = SecretEntry>) -> String {
    let lines: Vec<_> = entries.into_iter().map(|entry| format!("\n  {}", entry.line())).collect();
    let lines = lines.concat();
    format!(
        "In the component.yaml of `{component}`, write under `secrets`, in place of an entry of the same \
         name:{lines}\n\
         The site generates what is `random`, once. A certificate, a file, or a password that a person must know \
         belongs under `siteSecrets`."
    )
}

/// Returns true if a Secret has values. Null or empty fields contain no secret, as in a Secret that a controller fills.
pub fn has_values(secret: &Value) -> bool {
    let is_empty = |values: &Value| values.is_null() || values.as_object().is_some_and(serde_json::Map::is_empty);
    ["data", "stringData"].iter().any(|field| !is_empty(&secret[*field]))
}

/// Keys of a Secret, each with its value if that is UTF-8.
pub fn values(secret: &Value) -> Vec<(String, Option<String>)> {
    let fields = |field: &str| secret[field].as_object().into_iter().flatten().collect::<Vec<_>>();
    let decoded = |text: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
        String::from_utf8(bytes).ok()
    };
    let data = fields("data").into_iter().map(|(key, value)| (key.clone(), value.as_str().and_then(decoded)));
    let texts = fields("stringData").into_iter().map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned)));
    data.chain(texts).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::SecretDefinition;

    #[test]
    fn empty_secret_has_no_values() {
        for fields in ["{}", "{data: null}", "{stringData: }", "{data: {}, stringData: null}"] {
            assert!(!has_values(&serde_saphyr::from_str(fields).expect("fields")), "{fields}");
        }
        for fields in ["{data: {a: }}", "{stringData: {a: b}, data: {}}", "{data: text}"] {
            assert!(has_values(&serde_saphyr::from_str(fields).expect("fields")), "{fields}");
        }
    }

    #[test]
    fn secret_entry_round_trips() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "db"},
            "data": {"admin-user": "YWRtaW4=", "0": "eA=="},
            "stringData": {"password": "hunter2", "it's": "a", "username": "on"}});
        let mut entry = SecretEntry::of_object(&secret);
        entry.add("password".into());
        let expected =
            "- {name: db, random: {'0': 32, 'it''s': 32, password: 32}, fixed: {admin-user: admin, username: 'on'}}";
        assert_eq!(entry.line(), expected);
        let read: Vec<SecretDefinition> = serde_saphyr::from_str(&entry.line()).expect("an entry");
        let read = SecretEntry::with(&read[0].name.value, &read[0].random, &read[0].fixed);
        assert_eq!(read, entry);
    }
}
