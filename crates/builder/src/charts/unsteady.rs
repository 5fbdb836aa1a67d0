//! Values that a chart generates: they differ between two renderings of the same input.
//!
//! Helm's templates generate random values, keys and certificates, and read the clock. A release must render to the
//! same bytes each time, and must not carry secrets. Therefore a chart is rendered twice. A Secret that differs becomes
//! one that the site generates; any other difference is refused.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use landfall_error_codes::codes;
use serde_json::Value;

use super::output::SourcedObject;
use super::refusals::{self, Refusals};
use crate::error::{BuildError, Place, Result};
use crate::rendered::title;
use crate::secret_entry::is_plain_key;

/// Minimum and maximum length of a value that a site generates, in characters.
const CHARACTERS: std::ops::RangeInclusive<usize> = 16..=256;

/// Labels that only state which chart an object belongs to: a generated Secret can omit them.
const PLAIN_LABELS: [&str; 9] =
    ["app", "chart", "heritage", "release", "helm.sh/chart", "k8s-app", "component", "tier", "version"];

/// Types of Secrets that only prescribe keys: a generated Secret with these keys can replace them.
const PLAIN_TYPES: [&str; 2] = ["Opaque", "kubernetes.io/basic-auth"];

/// Hint for a chart that makes a certificate authority for its webhook.
pub(super) const OF_CERTIFICATES: &str = "The chart makes a certificate at each rendering. Set the values with which \
    cert-manager makes it, such as `certManager.enabled`, or those that name a certificate of your own: the chart's \
    values.yaml has them. A certificate that a site gives belongs under `siteSecrets` of the component. Or disable \
    what contains it.";

/// A Secret of a chart whose values the site generates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSecret {
    /// Name of the Secret.
    pub name: String,
    /// Keys with a random value, each with its number of letters and digits.
    pub random: BTreeMap<String, u32>,
    /// Keys with a fixed value.
    pub fixed: BTreeMap<String, String>,
}

/// The common content of two renderings, and the Secrets in which they differ.
#[derive(Debug, Default)]
pub struct SteadyContent {
    /// The objects without the generated Secrets.
    pub objects: Vec<SourcedObject>,
    /// The Secrets that the site generates.
    pub secrets: Vec<ChartSecret>,
}

/// Separates the steady objects from the generated Secrets.
///
/// Objects with titles in `known` may differ: the release replaces or omits them. A site generates only Secrets in the
/// component's own namespace, once per name.
pub fn steady(
    first: Vec<SourcedObject>,
    second: &[SourcedObject],
    known: &BTreeSet<String>,
    namespace: &str,
) -> Result<SteadyContent> {
    let mut steady = SteadyContent::default();
    if let Some((one, _)) = first.iter().zip(second).find(|(one, other)| name(one) != name(other)) {
        let what = "the chart renders to objects of other names each time";
        return Err(BuildError::at(codes::CHART_UNSTEADY, place(one, ""), what));
    }
    if first.len() != second.len() {
        let what = "the chart renders to more objects at one time than at another";
        let longer = if first.len() > second.len() { &first } else { second };
        return Err(BuildError::at(codes::CHART_UNSTEADY, place(&longer[first.len().min(second.len())], ""), what));
    }
    let mut drawn = GeneratedValues::default();
    let mut refusals = Refusals::default();
    for (mut one, other) in first.into_iter().zip(second) {
        let mut differing = Vec::new();
        differences(&one.object, &other.object, "", &mut differing);
        let draws_checksum =
            |pointer: &String| pointer.rsplit('/').next().is_some_and(|key| key.starts_with("checksum~1"));
        // Such an annotation restarts pods when a Secret changes, but a generated Secret never changes.
        for pointer in differing.extract_if(.., |pointer| draws_checksum(pointer) && pointer.contains("/annotations/"))
        {
            remove(&mut one.object, &pointer);
        }
        let Some(pointer) = differing.first().filter(|_| !known.contains(&title(&one.object))) else {
            steady.objects.push(one);
            continue;
        };
        match secret(&one, other, pointer, namespace, &mut drawn) {
            Ok(secret) if steady.secrets.iter().any(|other| other.name == secret.name) => {
                refusals.add(unsteady_error(&one, "/metadata/name", "is that of another Secret of the chart"), one);
            }
            Ok(secret) => steady.secrets.push(secret),
            Err(error) => refusals.add(error, one),
        }
    }
    match refusals.into_error(&steady.objects, known, namespace) {
        Some(error) => Err(error),
        None => Ok(steady),
    }
}

/// The Secret that a site generates for an object that differs at `pointer`.
fn secret(
    one: &SourcedObject,
    other: &SourcedObject,
    pointer: &str,
    namespace: &str,
    drawn: &mut GeneratedValues,
) -> Result<ChartSecret> {
    if one.object["kind"] != "Secret" {
        let what = "differs each time the chart is rendered";
        let error = BuildError::at(codes::CHART_UNSTEADY, place(one, &format!(": {pointer}")), what);
        return Err(if pointer.ends_with("/caBundle") { error.hint(OF_CERTIFICATES) } else { error });
    }
    if !refusals::is_here(one, namespace) {
        let what = format!("is in another namespace than the component's, `{namespace}`, where a site generates it");
        return Err(unsteady_error(one, "/metadata/namespace", &what));
    }
    chart_secret(one, other, drawn)
}

/// Returns true if two renderings contain the same objects, regardless of their content.
pub(super) fn have_same_names(first: &[SourcedObject], second: &[SourcedObject]) -> bool {
    first.iter().map(name).eq(second.iter().map(name))
}

/// Identity of an object in one rendering: title, API version and namespace.
pub(super) fn name(sourced: &SourcedObject) -> (String, Option<&str>, Option<&str>) {
    let text = |pointer| sourced.object.pointer(pointer).and_then(Value::as_str);
    (title(&sourced.object), text("/apiVersion"), text("/metadata/namespace"))
}

fn place(sourced: &SourcedObject, field: &str) -> Place {
    let field = format!("{}{field}", title(&sourced.object));
    Place { file: Some(sourced.file.clone()), line: None, field: Some(field) }
}

/// Collects the pointers of the smallest parts in which two values differ.
fn differences(one: &Value, other: &Value, pointer: &str, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().eq(others.keys()) => {
            for (key, field) in fields {
                let key_pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                differences(field, &others[key], &key_pointer, found);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differences(item, other, &format!("{pointer}/{index}"), found);
            }
        }
        (one, other) if one != other => found.push(pointer.to_owned()),
        _ => {}
    }
}

/// Removes the field at a pointer.
fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

/// Generated values with their places: a value that is used twice would be generated twice.
#[derive(Default)]
struct GeneratedValues(BTreeMap<String, String>);

impl GeneratedValues {
    /// Records a value. Returns an error if another Secret or key has the same value.
    fn note(&mut self, secret: &SourcedObject, pointer: &str, value: &str) -> Result<()> {
        let here = format!("{}: {pointer}", title(&secret.object));
        match self.0.insert(value.to_owned(), here) {
            None => Ok(()),
            Some(elsewhere) => {
                let what = format!("has the value that {elsewhere} has: a site would generate two");
                Err(unsteady_error(secret, pointer, &what))
            }
        }
    }
}

fn unsteady_error(secret: &SourcedObject, pointer: &str, what: &str) -> BuildError {
    let hint = refusals::declaration(&[&secret.object]);
    let field = if pointer.is_empty() { String::new() } else { format!(": {pointer}") };
    BuildError::at(codes::CHART_UNSTEADY, place(secret, &field), what).hint(hint)
}

/// The declaration of a Secret that a chart generates.
fn chart_secret(one: &SourcedObject, other: &SourcedObject, drawn: &mut GeneratedValues) -> Result<ChartSecret> {
    let object = &one.object;
    let type_of = object["type"].as_str().unwrap_or("Opaque");
    if !PLAIN_TYPES.contains(&type_of) {
        let error =
            unsteady_error(one, "/type", &format!("is `{type_of}`, where a site generates only Opaque Secrets"));
        return Err(if type_of == "kubernetes.io/tls" { error.hint(OF_CERTIFICATES) } else { error });
    }
    check_carried_fields(one)?;
    let (values, others) = (values(one)?, values(other)?);
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found = ChartSecret { name, random: BTreeMap::new(), fixed: BTreeMap::new() };
    for (key, value) in values {
        let pointer = format!("/data/{key}");
        match others.get(&key) {
            Some(again) if *again == value => {
                // An empty value reveals nothing.
                if !is_plain_key(&key) && !value.trim().is_empty() {
                    return Err(unsteady_error(one, &pointer, "is the same each time: it would travel in the clear"));
                }
                found.fixed.insert(key, value);
            }
            Some(again) => {
                let length = letters_and_digits(&value, again).map_err(|what| unsteady_error(one, &pointer, what))?;
                drawn.note(one, &pointer, &value)?;
                found.random.insert(key, length);
            }
            None => return Err(unsteady_error(one, &pointer, "is missing from some renderings")),
        }
    }
    if found.random.is_empty() {
        return Err(unsteady_error(one, "", "differs in something other than its values"));
    }
    Ok(found)
}

/// Returns whether a generated Secret can omit a key.
type IsPlain<'a> = &'a dyn Fn(&str) -> bool;

/// Returns an error for fields that a generated Secret would lack: labels and annotations that others may use, and
/// anything beyond name and values.
fn check_carried_fields(one: &SourcedObject) -> Result<()> {
    let object = &one.object;
    let keys = |pointer| object.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(|map| map.keys());
    let is_label = |key: &str| PLAIN_LABELS.contains(&key) || key.starts_with("app.kubernetes.io/");
    let is_annotation = |key: &str| key.starts_with("helm.sh/") || key.starts_with("meta.helm.sh/");
    let is_metadata = |key: &str| ["name", "namespace", "labels", "annotations"].contains(&key);
    let is_field = |key: &str| ["apiVersion", "kind", "type", "metadata", "data", "stringData"].contains(&key);
    let parts: [(&str, &str, IsPlain<'_>); 4] = [
        ("/metadata/labels", "label", &is_label),
        ("/metadata/annotations", "annotation", &is_annotation),
        ("/metadata", "field", &is_metadata),
        ("", "field", &is_field),
    ];
    for (pointer, noun, is_plain) in parts {
        let is_void = |key: &str| object.pointer(pointer).is_some_and(|map| map[key].is_null() || map[key] == false);
        if let Some(key) = keys(pointer).find(|key| !is_plain(key) && !is_void(key)) {
            let what = format!("has the {noun} `{key}`, which a generated Secret would not have");
            return Err(unsteady_error(one, pointer, &what));
        }
    }
    Ok(())
}

/// Decoded values of a Secret, as programs read them.
fn values(secret: &SourcedObject) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let fields = |field: &str| secret.object[field].as_object().into_iter().flatten().collect::<Vec<_>>();
    for (key, value) in fields("data") {
        let bytes = value.as_str().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text else {
            return Err(unsteady_error(secret, &format!("/data/{key}"), "is not text in base64"));
        };
        found.insert(key.clone(), text);
    }
    for (key, value) in fields("stringData") {
        let Some(text) = value.as_str() else {
            return Err(unsteady_error(secret, &format!("/stringData/{key}"), "is not text"));
        };
        found.insert(key.clone(), text.to_owned());
    }
    Ok(found)
}

/// Number of letters and digits that a site generates in place of two values, or the reason why it cannot.
///
/// A password shorter than any that a site generates is replaced with a longer one.
fn letters_and_digits(one: &str, other: &str) -> std::result::Result<u32, &'static str> {
    if one.len() != other.len() {
        return Err("has another length each time: it is more than a random text");
    }
    let both = || one.bytes().chain(other.bytes());
    if !both().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("is more than random letters and digits, such as a key or an address: a site cannot generate it");
    }
    // Among sixteen or more random letters of both cases, one case is almost never missing.
    if !both().any(|byte| byte.is_ascii_uppercase()) || !both().any(|byte| byte.is_ascii_lowercase()) {
        return Err("has letters of one case at most, such as hexadecimal digits: a site generates both");
    }
    if one.len() > *CHARACTERS.end() {
        return Err("is longer than what a site generates");
    }
    u32::try_from(one.len().max(*CHARACTERS.start())).map_err(|_| "is longer than what a site generates")
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;

    const A: &str = "kLq3ZtX9vB1mWc7D";
    const B: &str = "Pz4RsY8nJh2GfT6u";

    fn secret(data: &Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" }, "stringData": data })
    }

    fn sourced_objects(objects: &[Value]) -> Vec<SourcedObject> {
        objects
            .iter()
            .map(|object| SourcedObject { file: "shop/templates/a.yaml".into(), object: object.clone() })
            .collect()
    }

    fn run(one: &[Value], other: &[Value]) -> Result<SteadyContent> {
        steady(sourced_objects(one), &sourced_objects(other), &["Secret/own".to_owned()].into(), "web")
    }

    #[test]
    fn differing_secret_is_generated_on_site() {
        let pod = |sum: &str| {
            json!({ "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "template": { "metadata": { "annotations": { "checksum/secret": sum, "b": "c" } } } } })
        };
        let own =
            |value: &str| json!({ "kind": "Secret", "metadata": { "name": "own" }, "stringData": { "a": value } });
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let mut one = secret(&json!({ "password": A, "user": "app", "ldap-toml": "" }));
        one["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        one["type"] = json!("kubernetes.io/basic-auth");
        one["metadata"]["labels"] = json!({ "version": "1.0" });
        let mut other = secret(&json!({ "password": B, "user": "app", "ldap-toml": "" }));
        other["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        (other["type"], other["metadata"]["labels"]) = (one["type"].clone(), one["metadata"]["labels"].clone());
        one["data"] = json!({ "short": base64("kLq3ZtX9vB") });
        other["data"] = json!({ "short": base64("Pz4RsY8nJh") });
        let found = run(&[one, pod("1"), own("1")], &[other, pod("2"), own("2")]).expect("generated");
        let random = [("password".to_owned(), 16), ("short".to_owned(), 16)].into();
        let fixed = [("ldap-toml".to_owned(), String::new()), ("user".to_owned(), "app".to_owned())].into();
        assert_eq!(found.secrets, [ChartSecret { name: "db".into(), random, fixed }]);
        assert_eq!(found.objects.len(), 2);
        let annotations = &found.objects[0].object["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations, &json!({ "b": "c" }), "nothing restarts for a Secret that never changes");
    }

    #[test]
    fn other_differences_are_refused() {
        let plain = |value: &str| secret(&json!({ "key": value }));
        let map = |value: &str| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a/b" },
            "data": { "a/b": value } })
        };
        let named = |name: &str| json!({ "kind": "ConfigMap", "metadata": { "name": name } });
        let typed = |value: &str| {
            json!({ "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": "tls" },
            "stringData": { "a": value } })
        };
        let labeled = |value: &str| {
            json!({ "kind": "Secret",
            "metadata": { "name": "db", "labels": { "app": "a", "watch": "me" } }, "stringData": { "a": value } })
        };
        let noted = |value: &str| {
            json!({ "kind": "Secret", "metadata": { "name": "db",
            "annotations": { "helm.sh/resource-policy": "keep", "replicate-to": "all" } },
                "stringData": { "a": value } })
        };
        let immutable = |value: &str| {
            json!({ "kind": "Secret", "immutable": true, "metadata": { "name": "db" },
            "stringData": { "a": value } })
        };
        let final_one = |value: &str| {
            json!({ "kind": "Secret", "metadata": { "name": "db", "finalizers": ["a"] },
            "stringData": { "a": value } })
        };
        let away = |value: &str| {
            json!({ "kind": "Secret", "metadata": { "name": "db", "namespace": "other" },
            "stringData": { "a": value } })
        };
        let beside = |value: &str| secret(&json!({ "password": value, "admin-token": "hunter2" }));
        let twice = |value: &str| secret(&json!({ "key": value, "again": value }));
        let refusals: Vec<_> = [
            run(&[map("1")], &[map("2")]),
            run(&[named("a-1")], &[named("a-2")]),
            run(&[named("a")], &[named("a"), named("b")]),
            run(&[plain("postgres://app:kLq3ZtX9vB1mWc7D@db")], &[plain("postgres://app:Pz4RsY8nJh2GfT6u@db")]),
            run(&[plain("0a1b2c3d4e5f6071")], &[plain("ffeeddccbbaa0099")]),
            run(&[plain("abcdefg")], &[plain("abcdefgh")]),
            run(&[typed(A)], &[typed(B)]),
            run(&[labeled(A)], &[labeled(B)]),
            run(&[noted(A)], &[noted(B)]),
            run(&[immutable(A)], &[immutable(B)]),
            run(&[final_one(A)], &[final_one(B)]),
            run(&[twice(A)], &[twice(B)]),
            run(&[away(A)], &[away(B)]),
            run(&[beside(A)], &[beside(B)]),
            run(&[plain(A), plain(B)], &[plain(B), plain(A)]),
        ]
        .into_iter()
        .map(|result| result.map(|_| ()).expect_err("refused"))
        .map(|error| format!("{} {error}", error.code().id))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
