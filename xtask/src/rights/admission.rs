//! The admission policy that confines the storage provisioner. Its account could create pods; the policy allows only
//! pods that create or remove a volume's folder, which give no further rights.
//!
//! A policy is code, which this module does not interpret. It counts only if it is identical to that of
//! `manifests/storage`. A policy or binding of that name with any difference is an error. A test at a running site
//! shows which pods the policy refuses.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::Holder;

/// The policies of the release.
const MANIFEST: &str = include_str!("../../../manifests/storage/admission.yaml");
/// Name of the policy and of its binding.
const NAME: &str = "local-path-helper-pods";
const POLICY: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";
/// Image in the policy, which `landfall build` pins to a digest.
const IMAGE: &str = "docker.io/library/busybox";
/// JSON Pointer of that image.
const IMAGE_POINTER: &str = "/variables/0/expression";

/// Namespace of the account that the policy confines.
pub(super) const NAMESPACE: &str = "local-path-storage";
/// Name of that account.
const ACCOUNT: &str = "local-path-provisioner";

/// Returns the account that the policy confines; None without the policy or its binding.
pub(super) fn confined_account(items: &[Value]) -> Result<Option<Holder>> {
    let (Some(policy), Some(binding)) = (find_named(items, POLICY), find_named(items, BINDING)) else {
        return Ok(None);
    };
    let known: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).context("the policies of manifests/storage")?;
    for (object, kind) in [(policy, POLICY), (binding, BINDING)] {
        ensure!(object["metadata"]["deletionTimestamp"].is_null(), "{kind}/{NAME} is being deleted");
        let known = find_named(&known, kind).with_context(|| format!("manifests/storage has no {kind}/{NAME}"))?;
        let (found, expected) = (spec(object)?, normalize_spec(&known["spec"]));
        ensure!(found == expected, "{kind}/{NAME} is not that of manifests/storage: {found:#} instead of {expected:#}");
    }
    Ok(Some(Holder::account(NAMESPACE, ACCOUNT)))
}

fn find_named<'a>(items: &'a [Value], kind: &str) -> Option<&'a Value> {
    items.iter().find(|item| item["kind"] == kind && item["metadata"]["name"] == NAME)
}

/// Returns the specification of a running site's object in the form of the manifests: with the image without its
/// digest.
fn spec(object: &Value) -> Result<Value> {
    let mut spec = normalize_spec(&object["spec"]);
    if let Some(image) = spec.pointer_mut(IMAGE_POINTER) {
        let text = image.as_str().and_then(|text| text.strip_prefix('\'')?.strip_suffix('\''));
        ensure!(text.is_some_and(is_pinned), "the image of {NAME} is not {IMAGE} with a digest: {image}");
        *image = json!(format!("'{IMAGE}'"));
    }
    Ok(spec)
}

/// Returns true if it is the image with a tag and a digest.
fn is_pinned(reference: &str) -> bool {
    let Some((name, digest)) = reference.split_once("@sha256:") else { return false };
    let is_tag =
        |text: &str| text.chars().all(|character| character.is_ascii_alphanumeric() || ".-_".contains(character));
    let tag = name.strip_prefix(IMAGE).and_then(|rest| rest.strip_prefix(':'));
    tag.is_some_and(is_tag) && digest.len() == 64 && digest.chars().all(|character| character.is_ascii_hexdigit())
}

/// Returns a specification without the API server's defaults, and with each expression on one line. YAML readers fold
/// lines, and CEL treats all whitespace alike. No expression of the manifests has a comment or a string with spaces.
fn normalize_spec(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["matchConditions", "variables", "validations"] {
        for item in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let words = item["expression"].as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
            if let Some(words) = words {
                item["expression"] = words.into();
            }
        }
    }
    if let Some(constraints) = spec.get_mut("matchConstraints").and_then(Value::as_object_mut) {
        remove(constraints, "matchPolicy", &json!("Equivalent"));
        remove(constraints, "namespaceSelector", &json!({}));
        remove(constraints, "objectSelector", &json!({}));
        let rules = constraints.get_mut("resourceRules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
            remove(rule, "scope", &json!("*"));
        }
    }
    spec
}

fn remove(object: &mut Map<String, Value>, key: &str, default: &Value) {
    if object.get(key) == Some(default) {
        object.remove(key);
    }
}

/// Returns the policy and its binding as they exist at a site.
#[cfg(test)]
pub(super) fn at_a_site() -> Vec<Value> {
    let digest = "0123456789abcdef".repeat(4);
    let text = MANIFEST.replace(IMAGE, &format!("{IMAGE}:1.37.0-1@sha256:{digest}"));
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    for constraints in objects.iter_mut().filter_map(|object| object.pointer_mut("/spec/matchConstraints")) {
        constraints["matchPolicy"] = json!("Equivalent");
        constraints["namespaceSelector"] = json!({});
        constraints["objectSelector"] = json!({});
        constraints["resourceRules"][0]["scope"] = json!("*");
    }
    objects
}
