//! Collects all objects of a chart that differ at each rendering and that a site cannot generate, in one refusal.
//!
//! Otherwise, a user who declares one Secret at a time would need a build for each. The refusal names all of them with
//! lines that declare them. It also names Secrets that are the same each time: a build would refuse these next, because
//! they would travel unencrypted.

use std::collections::BTreeSet;

use landfall_error_codes::CodedError;
use serde_json::Value;

use super::output::SourcedObject;
use super::unsteady::OF_CERTIFICATES;
use crate::error::BuildError;
use crate::rendered::title;
use crate::secret_entry::{SecretEntry, has_values};

/// Refused objects, each with its error.
#[derive(Debug, Default)]
pub struct Refusals(Vec<(BuildError, SourcedObject)>);

impl Refusals {
    /// Adds a refused object.
    pub fn add(&mut self, error: BuildError, of: SourcedObject) {
        self.0.push((error, of));
    }

    /// One error that names all refused objects; `None` without any. `steady` are the other objects of the chart, of
    /// which those with titles in `known` are declared.
    pub fn into_error(self, steady: &[SourcedObject], known: &BTreeSet<String>, namespace: &str) -> Option<BuildError> {
        let constant: Vec<_> = steady.iter().filter(|it| would_travel(it, known, namespace)).collect();
        let mut refused = self.0.into_iter();
        let (first, of_first) = refused.next()?;
        let (errors, others): (Vec<_>, Vec<_>) = refused.unzip();
        if others.is_empty() && constant.is_empty() {
            return Some(first);
        }
        let is_of_certificates = |error: &BuildError| CodedError::hint(error).is_some_and(|it| it == OF_CERTIFICATES);
        let has_certificates = is_of_certificates(&first) || errors.iter().any(is_of_certificates);
        let mut lines: Vec<_> = errors.iter().map(|error| format!("\n  also {error}")).collect();
        let travels = |it: &&SourcedObject| {
            let (file, title) = (it.file.display(), title(&it.object));
            format!("\n  also {file}: {title}: its values would travel in the clear")
        };
        lines.extend(constant.iter().map(travels));
        let all = std::iter::once(&of_first).chain(&others).filter(|it| is_here(it, namespace)).chain(constant);
        let is_drawn = |object: &&Value| object["kind"] == "Secret" && object["type"] != "kubernetes.io/tls";
        let secrets: Vec<_> = all.map(|it| &it.object).filter(is_drawn).collect();
        let mut hints = Vec::new();
        if has_certificates {
            hints.push(OF_CERTIFICATES.to_owned());
        }
        if !secrets.is_empty() {
            hints.push(declaration(&secrets));
        }
        Some(first.with_more(&lines.concat()).hint(hints.join("\n")))
    }
}

/// Hint for Secrets that a site cannot generate: lines that declare them.
pub fn declaration(secrets: &[&Value]) -> String {
    let (values, secret) = match secrets.len() {
        1 => ("the value", "an existing Secret there, or declare the Secret with all its keys"),
        _ => ("the values", "existing Secrets there, or declare the Secrets with all their keys"),
    };
    let lines: Vec<_> = secrets.iter().map(|it| format!("\n  {}", SecretEntry::of_object(it).line())).collect();
    let lines = lines.concat();
    format!(
        "Set {values} in the chart's values, name {secret} under `secrets` in its component.yaml:{lines}\n\
         A certificate, a file, or a password that a person must know belongs under `siteSecrets`."
    )
}

/// Returns true if an object is a Secret with values that is neither generated nor declared.
fn would_travel(sourced: &SourcedObject, known: &BTreeSet<String>, namespace: &str) -> bool {
    let object = &sourced.object;
    object["kind"] == "Secret" && has_values(object) && is_here(sourced, namespace) && !known.contains(&title(object))
}

/// Returns true if an object is in the component's namespace.
pub(super) fn is_here(sourced: &SourcedObject, namespace: &str) -> bool {
    sourced.object.pointer("/metadata/namespace").and_then(Value::as_str).is_none_or(|own| own == namespace)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::codes;
    use serde_json::json;

    use super::super::unsteady::steady;
    use super::*;

    fn sourced_objects(objects: &[Value]) -> Vec<SourcedObject> {
        objects
            .iter()
            .map(|object| SourcedObject { file: "shop/templates/a.yaml".into(), object: object.clone() })
            .collect()
    }

    #[test]
    fn single_refusal_names_all_secrets() {
        let secret = |name: &str, kind: &str, value: &str| {
            json!({ "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": { "name": name }, "data": { "key": value } })
        };
        let hook = |value: &str| {
            json!({ "kind": "ValidatingWebhookConfiguration", "metadata": { "name": "a" },
            "webhooks": [{ "clientConfig": { "caBundle": value } }] })
        };
        let objects = |value: &str| {
            sourced_objects(&[
                secret("core", "Opaque", value),
                secret("tls", "kubernetes.io/tls", value),
                secret("own", "Opaque", value),
                secret("fixed", "Opaque", "YQ=="),
                json!({ "kind": "Secret", "metadata": { "name": "filled" } }),
                hook(value),
            ])
        };
        let known = ["Secret/own".to_owned()].into();
        let error = steady(objects("cG9zdGdyZXM6Ly9h"), &objects("cG9zdGdyZXM6Ly9i"), &known, "web");
        let error = error.map(|_| ()).expect_err("refused");
        assert_eq!(error.code(), codes::CHART_UNSTEADY);
        insta::assert_snapshot!(format!("{error}\n{}", CodedError::hint(&error).unwrap_or_default()));
    }
}
