//! Checks that a component uses each site secret that it requests, so that a site provides none without need. The check
//! that objects contain no values is made for all objects.

use landfall_error_codes::codes;
use serde_json::Value;

use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, title};

/// Returns an error for a site secret that nothing in its component names, and for one that an object of the release
/// would replace.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for (index, component) in definition.release.components.iter().enumerate() {
        // Hooks of a chart become separate components in the same namespace.
        let is_here = |rendered: &&RenderedComponent| {
            definition.release.components[rendered.index].namespace.value == component.namespace.value
        };
        let here: Vec<&RenderedComponent> = components.iter().filter(is_here).collect();
        for (number, secret) in component.site_secrets.iter().enumerate() {
            let name = &secret.value.name;
            let wanted = format!("Secret/{name}");
            for rendered in &here {
                if let Some(object) = rendered.objects.iter().find(|object| title(object) == wanted) {
                    let what = "the component asks the site for this Secret: remove the object";
                    return Err(BuildError::at(codes::MANIFEST_INVALID, rendered.place(object, ""), what));
                }
            }
            if !here.iter().flat_map(|rendered| &rendered.objects).any(|object| names(object, name)) {
                let place = definition.place(secret, format!("components[{index}].siteSecrets[{number}]"));
                let what = format!("no object of the component `{}` names the Secret `{name}`", component.name.value);
                return Err(BuildError::at(codes::SITE_SECRET_UNUSED, place, what));
            }
        }
    }
    Ok(())
}

/// Returns true if a field about Secrets has this name: `secretName: NAME`, `secretKeyRef: {name: NAME}`, or a similar
/// field of a custom resource.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Object(fields) => fields.iter().any(|(key, field)| {
            let is_about_secrets = key.to_ascii_lowercase().contains("secret");
            let is_named = field == name || field["name"] == name;
            let is_listed =
                || field.as_array().is_some_and(|items| items.iter().any(|item| item == name || item["name"] == name));
            (is_about_secrets && (is_named || is_listed())) || names(field, name)
        }),
        _ => false,
    }
}
