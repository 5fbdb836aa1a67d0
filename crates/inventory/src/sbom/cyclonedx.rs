//! `CycloneDX` 1.6 as JSON.

use serde_json::{Map, Value, json};

use super::Tool;
use super::bill::{Bill, Class, Item};
use super::spdx::is_expression;

/// Returns the document of a bill.
pub(super) fn document(bill: &Bill, tool: Tool<'_>) -> Value {
    let serial = uuid::Builder::from_custom_bytes(std::array::from_fn(|index| bill.key.0[index])).into_uuid();
    let mut items = bill.items.iter();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{serial}"),
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": { "components": [{ "type": "application", "name": tool.name, "version": tool.version }] },
            "component": items.next().map(component),
        },
        "components": items.map(component).collect::<Vec<_>>(),
        "dependencies": bill.items.iter().map(|item| dependency(bill, item)).collect::<Vec<_>>(),
        "compositions": compositions(bill),
    })
}

fn component(item: &Item) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("type", kind(item.class).into());
    put("bom-ref", item.id.clone().into());
    put("name", item.name.clone().into());
    if let Some(version) = &item.version {
        put("version", version.clone().into());
    }
    if let Some(digest) = item.sha256 {
        put("hashes", json!([{ "alg": "SHA-256", "content": digest.to_hex() }]));
    }
    if let Some(license) = &item.license {
        let named = json!([{ "license": { "name": license } }]);
        put("licenses", if is_expression(license) { json!([{ "expression": license }]) } else { named });
    }
    if let Some(url) = &item.purl {
        put("purl", url.clone().into());
    }
    if !item.unread.is_empty() {
        let unread = item
            .unread
            .iter()
            .map(|file| json!({ "name": "landfall:unread", "value": format!("{}: {}", file.path, file.reason) }));
        put("properties", unread.collect());
    }
    fields.into()
}

fn kind(class: Class) -> &'static str {
    match class {
        Class::Release | Class::Programs | Class::Chart => "application",
        Class::Image => "container",
        Class::Package => "library",
        Class::Model => "machine-learning-model",
        Class::Data => "data",
        Class::File => "file",
    }
}

fn dependency(bill: &Bill, item: &Item) -> Value {
    let on: Vec<_> = item.contains.iter().map(|position| bill.items[*position].id.as_str()).collect();
    json!({ "ref": item.id, "dependsOn": on })
}

/// Returns how complete the bill is: package databases do not list programs that were copied into an image.
fn compositions(bill: &Bill) -> Value {
    let images = |is_unread: bool| {
        let images = bill.items.iter().filter(|item| item.class == Class::Image);
        images.filter(|item| item.unread.is_empty() != is_unread).map(|item| item.id.as_str()).collect::<Vec<_>>()
    };
    let all = [("incomplete", images(true)), ("unknown", images(false))];
    let some = all.into_iter().filter(|(_, images)| !images.is_empty());
    some.map(|(aggregate, images)| json!({ "aggregate": aggregate, "assemblies": images })).collect()
}
