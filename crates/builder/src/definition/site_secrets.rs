//! Checks of the site secrets of a release.

use std::collections::HashSet;

use landfall_error_codes::codes;
use landfall_release_document::{COMPUTED_PREFIX, SiteSecret, SiteSecretValue, check_certificate_names};
use serde_json::json;
use serde_saphyr::Spanned;

use super::{Release, Sources};
use crate::error::{BuildError, Result};

/// Returns an error for site secrets that no site could provide or that a site could not distinguish.
pub(super) fn check(sources: &Sources, release: &Release) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, component) in release.components.iter().enumerate() {
        for (number, secret) in component.site_secrets.iter().enumerate() {
            let field = format!("components[{index}].siteSecrets[{number}]");
            let invalid = |what: String| invalid(sources, secret, &field, what);
            let is_value = |name: &str| {
                let is_named = release.values.iter().any(|value| value.name.value == name);
                is_named && !name.starts_with(COMPUTED_PREFIX)
            };
            secret.value.check().map_err(|fault| invalid(format!("it has {fault}")))?;
            check_certificate_names(&secret.value, is_value).map_err(|fault| invalid(format!("it has {fault}")))?;
            check_pattern(&secret.value).map_err(invalid)?;
            let name = secret.value.name.as_str();
            if !seen.insert(name) {
                return Err(invalid(format!(
                    "the name `{name}` occurs twice in this release: a site gives values by name"
                )));
            }
            let sharing = release.components.iter().filter(|other| other.namespace.value == component.namespace.value);
            if sharing.flat_map(|other| &other.secrets).any(|other| other.name.value == name) {
                return Err(invalid(format!("the Secret `{name}` is also one of `secrets`, which a site generates")));
            }
        }
    }
    Ok(())
}

/// Returns an error for an invalid pattern.
fn check_pattern(secret: &SiteSecret) -> Result<(), String> {
    let SiteSecretValue::Password(password) = &secret.value else { return Ok(()) };
    let Some(pattern) = &password.pattern else { return Ok(()) };
    let schema = json!({ "type": "string", "pattern": pattern });
    jsonschema::validator_for(&schema)
        .map(drop)
        .map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))
}

fn invalid(sources: &Sources, secret: &Spanned<SiteSecret>, field: &str, what: String) -> BuildError {
    BuildError::at(codes::RELEASE_INVALID, sources.place(secret.referenced, field), what)
}
