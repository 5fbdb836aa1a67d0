//! Check for values that make an object invalid for the API server. It runs when the plan is made, before there is an
//! API server.

use landfall_error_codes::codes;
use landfall_kinds::custom::CustomKinds;
use serde_json::Value;

use super::{ConfigurationError, Patch, Problem};

/// Fails for values that make an object invalid. It judges objects of Kubernetes' own kinds and of the release's kinds.
/// Both lists have the same objects in the same order. An object that is invalid without the values is skipped, because
/// its kind may be newer than this program.
pub fn refuse_unfit(
    component: &str,
    kinds: &CustomKinds<'_>,
    (rendered, with_values): (&[Value], &[Value]),
    patches: &[Patch],
) -> Result<(), ConfigurationError> {
    let mut problems = Vec::new();
    for (before, after) in rendered.iter().zip(with_values).filter(|(before, after)| before != after) {
        let (Err(fault), Ok(())) = (kinds.check(after), kinds.check(before)) else { continue };
        let named = patches
            .iter()
            .filter(|patch| patch.is_of(after) && after.pointer(&patch.path) != before.pointer(&patch.path));
        let mut values: Vec<&str> = named.map(|patch| patch.value.as_str()).collect();
        values.dedup();
        let object = format!("{} {}", text_at(after, "/kind"), text_at(after, "/metadata/name"));
        let message = format!("{object} of {component} would not be taken by the API server: {fault}");
        problems.push(Problem { path: format!("values.{}", values.join(", values.")), message });
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(ConfigurationError::new(codes::SITE_VALUE, "the site configuration", problems))
}

fn text_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;
    use crate::configuration::apply_patches;

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web", "resources": {"limits": {"memory": "1Gi"}}}]},
            }},
        })
    }

    fn crd() -> Value {
        let spec = json!({"type": "object", "properties": {"instances": {"type": "integer", "minimum": 1}}});
        let schema = json!({"type": "object", "properties": {"spec": spec}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "clusters.example.com"},
            "spec": {"group": "example.com", "names": {"kind": "Cluster", "plural": "clusters"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
        })
    }

    fn patch(value: &str, path: &str, content: Value) -> Patch {
        patch_of("Deployment", value, path, content)
    }

    fn patch_of(kind: &str, value: &str, path: &str, content: Value) -> Patch {
        let (kind, name) = (kind.to_owned(), "web".to_owned());
        Patch { value: value.to_owned(), kind, name, path: path.to_owned(), content }
    }

    #[test]
    fn values_unfit_for_release_kind_are_named() {
        let cluster = || {
            json!({"apiVersion": "example.com/v1", "kind": "Cluster", "metadata": {"name": "web"},
            "spec": {"instances": 1}})
        };
        let set = |instances| [patch_of("Cluster", "database.instances", "/spec/instances", instances)];
        check_fit(cluster(), &set(json!(3))).unwrap();
        for unfit in [json!("three"), json!(0)] {
            let said = check_fit(cluster(), &set(unfit)).unwrap_err().to_string();
            assert!(said.contains("values.database.instances: Cluster web of web would not be taken"), "{said}");
            assert!(said.contains("/spec/instances"), "{said}");
        }
    }

    fn check_fit(rendered: Value, patches: &[Patch]) -> Result<(), ConfigurationError> {
        let rendered = vec![rendered];
        let after = apply_patches("web", rendered.clone(), patches).unwrap();
        refuse_unfit("web", &CustomKinds::among(&[crd()]), (&rendered, &after), patches)
    }

    #[test]
    fn values_unfit_for_kubernetes_are_named() {
        let memory = "/spec/template/spec/containers/0/resources/limits/memory";
        check_fit(
            deployment(),
            &[patch("web.replicas", "/spec/replicas", json!(3)), patch("web.memory", memory, json!("768Mi"))],
        )
        .unwrap();
        let error = check_fit(deployment(), &[patch("web.memory", memory, json!("plenty"))]).unwrap_err();
        assert_eq!(error.code(), codes::SITE_VALUE);
        let said = error.to_string();
        assert!(said.contains("values.web.memory: Deployment web of web would not be taken"), "{said}");
        assert!(said.contains(memory) && said.contains("`plenty` is not an amount"), "{said}");
        let patches =
            [patch("web.replicas", "/spec/replicas", json!("two")), patch("web.memory", memory, json!("1Gi"))];
        let said = check_fit(deployment(), &patches).unwrap_err().to_string();
        assert!(said.contains("values.web.replicas: ") && !said.contains("web.memory"), "{said}");
    }

    /// The vendor's rendered objects were checked by the build, with the kinds of that time.
    #[test]
    fn unknown_objects_are_not_judged() {
        let mut later = deployment();
        later["spec"]["aFieldOfLaterDays"] = json!(true);
        check_fit(later, &[patch("web.replicas", "/spec/replicas", json!("two"))]).unwrap();
    }
}
