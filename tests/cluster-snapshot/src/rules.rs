//! Reduction of objects by the checked-in list of generated fields.

use serde::Deserialize;
use serde_json::Value;

use landfall_cluster::ObjectName;

/// Length of a UUID as text.
const UUID_LENGTH: usize = 36;

/// Everything that differs between sites at random, each with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    excluded: Vec<ExcludedKind>,
    names: Vec<GeneratedName>,
    pub(super) fields: Vec<GeneratedField>,
}

/// A kind whose objects are not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExcludedKind {
    /// `group/Kind`, or `Kind` for the core group.
    kind: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reason is for readers, a test demands it"))]
    reason: String,
}

/// A kind of objects with generated names that their metadata does not reveal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratedName {
    kind: String,
    /// Prefix of the names to which this applies.
    #[serde(default)]
    prefix: String,
    /// Reference that distinguishes such objects instead, with kind, namespace and name. If None, nothing distinguishes
    /// them.
    by: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reason is for readers, a test demands it"))]
    reason: String,
}

/// A field that differs at random.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeneratedField {
    /// `group/Kind`, `Kind` for the core group, or `*` for all.
    kind: String,
    /// Name of the only object to which this applies.
    name: Option<String>,
    /// JSON Pointer in which `*` stands for every element or key. At the end of a key, it stands for any suffix.
    path: String,
    treatment: Treatment,
    /// Prefix that [`Treatment::Prefix`] keeps.
    #[serde(default)]
    prefix: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reason is for readers, a test demands it"))]
    reason: String,
}

/// The treatment of a generated field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Treatment {
    /// It is removed.
    Remove,
    /// If a text begins with the prefix, only the prefix is kept.
    Prefix,
    /// Every UUID in a text becomes `*`.
    Uuid,
    /// A text is replaced by its length, so that only its presence and size are compared.
    Length,
}

impl Rules {
    /// Returns the checked-in list.
    pub(super) fn checked_in() -> Self {
        serde_json::from_str(include_str!("generated.json")).expect("a test reads the checked-in list")
    }

    pub(super) fn excludes(&self, group: &str, kind: &str) -> bool {
        self.excluded.iter().any(|excluded| is_kind(&excluded.kind, group, kind))
    }

    /// Returns an object's name in a snapshot, and the object without generated fields.
    pub(super) fn reduce(&self, name: &ObjectName, mut object: Value) -> (String, Value) {
        let key = self.key(name, &mut object);
        for field in self.fields.iter().filter(|field| field.applies_to(name)) {
            let path: Vec<String> =
                field.path.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
            treat(&mut object, &path, field);
        }
        remove_empty_maps(&mut object);
        (key, object)
    }

    fn key(&self, name: &ObjectName, object: &mut Value) -> String {
        let generated = object.pointer("/metadata/generateName").and_then(Value::as_str);
        if let Some(prefix) = generated.filter(|prefix| name.name.starts_with(prefix)) {
            let general = ObjectName { name: format!("{prefix}*"), ..name.clone() };
            let key = format!("{general}{}", owner(object));
            object["metadata"]["name"] = Value::from(general.name);
            return key;
        }
        let rule = self
            .names
            .iter()
            .find(|rule| is_kind(&rule.kind, name.group(), &name.kind) && name.name.starts_with(&rule.prefix));
        let Some(rule) = rule else { return name.to_string() };
        let Some(by) = &rule.by else {
            let general = ObjectName { name: format!("{}*", rule.prefix), ..name.clone() };
            object["metadata"]["name"] = Value::from(general.name.clone());
            return general.to_string();
        };
        let Some(reference) = object.pointer(by) else { return name.to_string() };
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let kind = reference["kind"].as_str().or_else(|| reference["resource"].as_str()).unwrap_or_default();
        let general =
            ObjectName { name: format!("* of {kind} {}/{}", text("namespace"), text("name")), ..name.clone() };
        object["metadata"]["name"] = Value::from("*");
        general.to_string()
    }
}

/// Removes empty maps of labels and annotations. Controllers leave an empty map when they remove its last entry. A map
/// with only generated entries must also equal a missing one.
fn remove_empty_maps(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["labels", "annotations"] {
        if metadata.get(field).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            metadata.remove(field);
        }
    }
}

/// Returns the owner of an object with a generated name, as ` of KIND NAME`.
fn owner(object: &Value) -> String {
    let Some(owner) = object.pointer("/metadata/ownerReferences/0") else { return String::new() };
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    format!(" of {}", ObjectName::new(text("apiVersion"), text("kind"), "", text("name")))
}

fn is_kind(rule: &str, group: &str, kind: &str) -> bool {
    rule == "*" || rule.rsplit_once('/').unwrap_or(("", rule)) == (group, kind)
}

impl GeneratedField {
    fn applies_to(&self, name: &ObjectName) -> bool {
        is_kind(&self.kind, name.group(), &name.kind) && self.name.as_ref().is_none_or(|wanted| *wanted == name.name)
    }

    fn treat_value(&self, value: &Value) -> Value {
        let Some(text) = value.as_str() else { return value.clone() };
        match self.treatment {
            Treatment::Remove => Value::Null,
            Treatment::Prefix if text.starts_with(&self.prefix) => Value::from(format!("{}*", self.prefix)),
            Treatment::Prefix => value.clone(),
            Treatment::Uuid => Value::from(without_uuids(text)),
            Treatment::Length => Value::from(format!("{} characters", text.len())),
        }
    }
}

/// Walks down a path and treats the value at its end. Does nothing if the path does not exist.
fn treat(value: &mut Value, path: &[String], field: &GeneratedField) {
    let Some((key, rest)) = path.split_first() else {
        *value = field.treat_value(value);
        return;
    };
    match value {
        Value::Array(items) if key == "*" => items.iter_mut().for_each(|item| treat(item, rest, field)),
        Value::Object(fields) => {
            let matches = |name: &str| key.strip_suffix('*').map_or(name == key, |prefix| name.starts_with(prefix));
            if rest.is_empty() && field.treatment == Treatment::Remove {
                fields.retain(|name, _| !matches(name));
            } else {
                fields.iter_mut().filter(|(name, _)| matches(name)).for_each(|(_, value)| treat(value, rest, field));
            }
        }
        _ => {}
    }
}

/// Replaces every UUID in a text by `*`.
fn without_uuids(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if rest.get(..UUID_LENGTH).is_some_and(is_uuid) {
            result.push('*');
            rest = &rest[UUID_LENGTH..];
        } else {
            result.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    result
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
impl Rules {
    pub(super) fn reasons(&self) -> impl Iterator<Item = &str> {
        let excluded = self.excluded.iter().map(|rule| rule.reason.as_str());
        excluded
            .chain(self.names.iter().map(|rule| rule.reason.as_str()))
            .chain(self.fields.iter().map(|rule| rule.reason.as_str()))
    }
}
