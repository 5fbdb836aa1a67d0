//! Secrets that a site provides: the release's declaration, and the requirements for each value. No bundle contains a
//! value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ReleaseDocument;
use crate::fields::{CheckResult, check_sentence, escape_shortened, is_secret_key, is_subdomain, require};

/// Maximum size of a password's pattern in bytes.
const PATTERN_BYTES: usize = 1000;

/// Maximum number of values with names that a certificate must cover.
const NAMES: usize = 16;

/// A Secret of a component whose value a person at the site provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSecret {
    /// Name of the Secret in the component's namespace, unique within a release. A site provides the value under this
    /// name.
    pub name: String,
    /// Description for the user who provides the value.
    pub meaning: String,
    /// Requirements for the value, and the keys that it fills.
    pub value: SiteSecretValue,
    /// Keys with a fixed value, such as a user name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, String>,
}

/// The requirements for a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteSecretValue {
    /// One line of text, which may be typed.
    Password(PasswordValue),
    /// The bytes of a file, such as the license of other software.
    File(FileValue),
    /// A certificate with its chain, and its key: [`TlsValue::CERTIFICATE`] and [`TlsValue::KEY`].
    Tls(TlsValue),
    /// Certificates of authorities that software trusts.
    Authorities(AuthoritiesValue),
}

/// Requirements for one line of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordValue {
    /// Key of the Secret that the text fills.
    #[serde(default = "password_key")]
    pub key: String,
    /// Minimum number of characters.
    #[serde(default = "one")]
    pub minimum: u64,
    /// Maximum number of characters.
    #[serde(default = "password_characters")]
    pub maximum: u64,
    /// Regular expression that the text must match, in the syntax of JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// Requirements for the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileValue {
    /// Key of the Secret that the bytes fill.
    pub key: String,
    /// Minimum number of bytes.
    #[serde(default = "one")]
    pub minimum: u64,
    /// Maximum number of bytes.
    #[serde(default = "file_bytes")]
    pub maximum: u64,
}

/// Requirements for a certificate with its chain, and its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsValue {
    /// Names of the release's values that each hold a host name or an address. The certificate must cover all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// Requirements for certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritiesValue {
    /// Key of the Secret that the certificates fill.
    #[serde(default = "authorities_key")]
    pub key: String,
}

fn password_key() -> String {
    "password".to_owned()
}

fn authorities_key() -> String {
    "ca.crt".to_owned()
}

const fn one() -> u64 {
    1
}

const fn password_characters() -> u64 {
    256
}

const fn file_bytes() -> u64 {
    SiteSecret::LARGEST_BYTES
}

impl TlsValue {
    /// Key of the Secret with the certificate and its chain, in the order in which servers send them.
    pub const CERTIFICATE: &str = "tls.crt";
    /// Key of the Secret with the certificate's private key.
    pub const KEY: &str = "tls.key";
}

impl SiteSecretValue {
    /// Kind of a certificate with its key.
    pub const TLS: &str = "tls";
    /// Kind of certificates of authorities.
    pub const AUTHORITIES: &str = "authorities";

    /// Kind of the value, in one word. A value that was given as one kind is never used as another.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::File(_) => "file",
            Self::Tls(_) => Self::TLS,
            Self::Authorities(_) => Self::AUTHORITIES,
        }
    }

    /// Describes the requirements in a few words.
    pub fn describe_requirements(&self) -> String {
        match self {
            Self::Password(PasswordValue { minimum, maximum, pattern, .. }) => {
                let pattern = pattern.as_ref().map(|pattern| format!(" that matches {pattern}")).unwrap_or_default();
                format!("one line of {minimum} to {maximum} characters{pattern}")
            }
            Self::File(FileValue { minimum, maximum, .. }) => format!("a file of {minimum} to {maximum} bytes"),
            Self::Tls(TlsValue { names }) if names.is_empty() => "a certificate in PEM with its key".to_owned(),
            Self::Tls(TlsValue { names }) => {
                format!("a certificate in PEM with its key, for what {} names", names.join(", "))
            }
            Self::Authorities(_) => "certificates of authorities in PEM".to_owned(),
        }
    }

    /// Keys of the Secret that the value fills.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Password(PasswordValue { key, .. })
            | Self::File(FileValue { key, .. })
            | Self::Authorities(AuthoritiesValue { key }) => vec![key],
            Self::Tls(_) => vec![TlsValue::CERTIFICATE, TlsValue::KEY],
        }
    }
}

impl SiteSecret {
    /// Maximum size of a value in bytes. The API server accepts twice as many for all keys of a Secret together.
    pub const LARGEST_BYTES: u64 = 512 << 10;

    /// All keys of the Secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.value.keys().into_iter().chain(self.fixed.keys().map(String::as_str))
    }

    /// Checks names, keys and limits. A fault is a noun phrase, for a message that begins with "it has".
    pub fn check(&self) -> Result<(), String> {
        let name = escape_shortened(&self.name);
        require(is_subdomain(&self.name), || format!("the secret `{name}`, which is not the name of an object"))?;
        check_sentence(&self.meaning).map_err(|fault| format!("{fault} in secret {name}"))?;
        let mut seen = BTreeSet::new();
        for key in self.keys() {
            require(is_secret_key(key), || format!("the key `{}` of secret {name}", escape_shortened(key)))?;
            require(seen.insert(key), || format!("the key `{}` twice in secret {name}", escape_shortened(key)))?;
        }
        self.check_bounds().map_err(|fault| format!("{fault} in secret {name}"))
    }

    fn check_bounds(&self) -> CheckResult {
        match &self.value {
            SiteSecretValue::Password(PasswordValue { minimum, maximum, pattern, .. }) => {
                check_range(*minimum, *maximum, 4096, "characters")?;
                let pattern = pattern.as_deref().unwrap_or("-");
                let right = (1..=PATTERN_BYTES).contains(&pattern.len()) && !pattern.chars().any(char::is_control);
                require(right, || format!("the pattern `{}`", escape_shortened(pattern)))
            }
            SiteSecretValue::File(FileValue { minimum, maximum, .. }) => {
                check_range(*minimum, *maximum, Self::LARGEST_BYTES, "bytes")
            }
            SiteSecretValue::Tls(TlsValue { names }) => {
                require(names.len() <= NAMES, || format!("{} names, where up to {NAMES} are allowed", names.len()))
            }
            SiteSecretValue::Authorities(_) => Ok(()),
        }
    }
}

fn check_range(minimum: u64, maximum: u64, most: u64, unit: &str) -> CheckResult {
    let right = minimum >= 1 && minimum <= maximum && maximum <= most;
    require(right, || format!("a range of {minimum} to {maximum} {unit}, where one from 1 to {most} is allowed"))
}

/// Returns an error if a name for the certificate is not one of the values that a site may set.
pub fn check_certificate_names(secret: &SiteSecret, is_value: impl Fn(&str) -> bool) -> Result<(), String> {
    let SiteSecretValue::Tls(TlsValue { names }) = &secret.value else { return Ok(()) };
    names.iter().try_for_each(|name| {
        require(is_value(name), || {
            format!(
                "`{}` in secret {}, which is not a value that a site may set",
                escape_shortened(name),
                escape_shortened(&secret.name)
            )
        })
    })
}

/// Checks the secrets of a release that a site provides.
pub(crate) fn check_site_secrets(release: &ReleaseDocument) -> CheckResult {
    let is_value = |name: &str| release.values.iter().any(|value| value.name == *name);
    let mut names = BTreeSet::new();
    for component in &release.components {
        let generated = || {
            let sharing = release.components.iter().filter(|other| other.namespace == component.namespace);
            sharing.flat_map(|other| &other.secrets)
        };
        for secret in &component.site_secrets {
            let of = |fault: String| format!("it has {fault} of component {}", escape_shortened(&component.name));
            secret.check().map_err(of)?;
            check_certificate_names(secret, is_value).map_err(of)?;
            require(names.insert(&secret.name), || format!("the secret `{}` twice", escape_shortened(&secret.name)))
                .map_err(of)?;
            require(generated().all(|other| other.name != secret.name), || {
                format!("the secret `{}`, which is also generated,", escape_shortened(&secret.name))
            })
            .map_err(of)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(secrets: &Value) -> Result<ReleaseDocument, String> {
        let component = |name: &str, secrets: &Value| {
            json!({"name": name, "namespace": name, "needs": [], "objects": "documents/objects/web.json",
                "pod_security": "restricted", "ready_seconds": 60, "site_secrets": secrets,
                "secrets": [{"name": "generated", "random": {"password": 32}}]})
        };
        let document = json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "3.0.0", "counter": 9, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [],
            "values": [{"name": "web.host", "schema": {"type": "string"}, "targets": []}],
            "components": [component("web", secrets), component("other", &json!([
                {"name": "elsewhere", "meaning": "Of another component", "value": {"password": {}}}]))],
            "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
        });
        ReleaseDocument::read(document.to_string().as_bytes())
            .map_err(|error| std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
    }

    fn secret(name: &str, value: &Value) -> Value {
        json!({"name": name, "meaning": "What it is", "value": value})
    }

    #[test]
    fn site_secrets_have_keys_and_bounds() {
        let secrets = json!([
            {"name": "directory", "meaning": "The account that reads the directory", "fixed": {"username": "reader"},
                "value": {"password": {"minimum": 12}}},
            secret("license", &json!({"file": {"key": "license.json"}})),
            secret("front", &json!({"tls": {"names": ["web.host"]}})),
            secret("roots", &json!({"authorities": {}})),
        ]);
        let read = release(&secrets).unwrap();
        let found = &read.components[0].site_secrets;
        let keys: Vec<Vec<&str>> = found.iter().map(|secret| secret.keys().collect()).collect();
        assert_eq!(
            keys,
            [vec!["password", "username"], vec!["license.json"], vec!["tls.crt", "tls.key"], vec!["ca.crt"]]
        );
        assert_eq!(found[0].value.describe_requirements(), "one line of 12 to 256 characters");
        assert_eq!(found[1].value.describe_requirements(), "a file of 1 to 524288 bytes");
        let again = serde_json::to_value(found).unwrap();
        assert_eq!(serde_json::from_value::<Vec<SiteSecret>>(again).unwrap(), *found);
    }

    #[test]
    fn impossible_site_secrets_are_refused() {
        let password = |more: Value| secret("a", &json!({ "password": more }));
        for (secrets, what) in [
            (json!([secret("A b", &json!({"password": {}}))]), "not the name of an object"),
            (json!([password(json!({"minimum": 0}))]), "a range of 0 to 256 characters"),
            (json!([password(json!({"minimum": 9, "maximum": 8}))]), "a range of 9 to 8"),
            (json!([password(json!({"key": "a/b"}))]), "the key `a/b`"),
            (json!([password(json!({"pattern": ""}))]), "the pattern"),
            (json!([secret("a", &json!({"file": {"key": "k", "maximum": 524_289}}))]), "where one from 1 to 524288"),
            (json!([secret("a", &json!({"tls": {"names": ["web.hots"]}}))]), "`web.hots` in secret a"),
            (json!([secret("generated", &json!({"password": {}}))]), "which is also generated"),
            (json!([secret("elsewhere", &json!({"password": {}}))]), "`elsewhere` twice"),
            (json!([{"name": "a", "meaning": "", "value": {"password": {}}}]), "the sentence"),
            (json!([{"name": "a", "meaning": "b", "value": {"password": {}}, "fixed": {"password": "c"}}]), "twice"),
        ] {
            let refused = release(&secrets).unwrap_err();
            assert!(refused.contains(what), "{what}: {refused}");
        }
        let refused = release(&json!([secret("a", &json!({"password": {"value": "s3cret"}}))])).unwrap_err();
        assert!(refused.starts_with("unknown field `value`"), "{refused}");
    }
}
