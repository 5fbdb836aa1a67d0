//! Schemas of bodies and answers.
//!
//! The host's schemas are not written twice: they are the JSON Schemas that `landfall` generates for its own documents.
//! Their definitions move to the place where an OpenAPI document keeps them.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value};

use super::super::people::{List, SessionItem, UserItem};
use super::super::{approvals, change_requests, keys, people, secrets, site, support};
use crate::host::{
    ComponentResources, KeptSecret, MediaPage, OperationPage, PlanPage, Request, SupportPage, UploadsPage,
};
use crate::refusal::Problem;
use crate::trend::Point;

/// Location of schemas in an OpenAPI document.
const DEFINITIONS: &str = "/components/schemas";

/// Documents of the host, by their names in this document.
const HOST_DOCUMENTS: [(&str, &str); 8] = [
    ("Status", include_str!("../../../../docs/schemas/status.json")),
    ("Releases", include_str!("../../../../docs/schemas/releases.json")),
    ("History", include_str!("../../../../docs/schemas/history.json")),
    ("Backups", include_str!("../../../../docs/schemas/backups.json")),
    ("Settings", include_str!("../../../../docs/schemas/settings.json")),
    ("LicenseStatus", include_str!("../../../../docs/schemas/licenseStatus.json")),
    ("LicenseUsage", include_str!("../../../../docs/schemas/licenseUsage.json")),
    ("UsageReport", include_str!("../../../../docs/schemas/usageReport.json")),
];

/// Returns all schemas by name.
pub fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    all.extend(bodies());
    all.extend(answers());
    for (name, text) in HOST_DOCUMENTS {
        all.extend(host_document(name, text));
    }
    all
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings.with(|settings| settings.definitions_path = DEFINITIONS.into()).into_generator()
}

fn bodies() -> Map<String, Value> {
    let mut generator = generator(SchemaSettings::draft2020_12());
    generator.subschema_for::<people::Create>();
    generator.subschema_for::<people::Change>();
    generator.subschema_for::<people::Proof>();
    generator.subschema_for::<keys::Create>();
    generator.subschema_for::<site::NewLicense>();
    generator.subschema_for::<secrets::NewSecretValue>();
    generator.subschema_for::<change_requests::SentLook>();
    generator.subschema_for::<change_requests::SentPlan>();
    generator.subschema_for::<change_requests::SentUpgrade>();
    generator.subschema_for::<change_requests::SentRollback>();
    generator.subschema_for::<change_requests::SentRestore>();
    generator.subschema_for::<change_requests::SentConfiguration>();
    generator.subschema_for::<change_requests::SentAbort>();
    generator.subschema_for::<approvals::SentFirst>();
    generator.subschema_for::<approvals::SentSecond>();
    generator.subschema_for::<support::SentSupport>();
    generator.take_definitions(true)
}

fn answers() -> Map<String, Value> {
    let mut generator = generator(SchemaSettings::draft2020_12().for_serialize());
    generator.subschema_for::<Problem>();
    generator.subschema_for::<List<UserItem>>();
    generator.subschema_for::<List<SessionItem>>();
    generator.subschema_for::<List<keys::KeyItem>>();
    generator.subschema_for::<List<Point>>();
    generator.subschema_for::<approvals::Approvals>();
    generator.subschema_for::<ComponentResources>();
    generator.subschema_for::<KeptSecret>();
    generator.subschema_for::<Request>();
    generator.subschema_for::<MediaPage>();
    generator.subschema_for::<OperationPage>();
    generator.subschema_for::<PlanPage>();
    generator.subschema_for::<UploadsPage>();
    generator.subschema_for::<SupportPage>();
    generator.take_definitions(true)
}

/// Returns a document of the host and its definitions, prefixed with its name: two documents may use one name
/// differently.
fn host_document(name: &str, text: &str) -> Map<String, Value> {
    let mut whole: Value = serde_json::from_str(text).unwrap_or_default();
    move_references(&mut whole, name);
    let Some(object) = whole.as_object_mut() else { return Map::new() };
    object.remove("$schema");
    let definitions = object.remove("$defs").and_then(|definitions| definitions.as_object().cloned());
    let named = definitions.unwrap_or_default().into_iter().map(|(own, schema)| (format!("{name}.{own}"), schema));
    named.chain([(name.to_owned(), whole)]).collect()
}

fn move_references(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(own) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#{DEFINITIONS}/{name}.{own}");
            }
            object.values_mut().for_each(|value| move_references(value, name));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| move_references(value, name)),
        _ => {}
    }
}
