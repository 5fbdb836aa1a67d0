//! Fields that are null. Before it validates a custom resource, the API server drops each one that may not be null, or
//! puts the default of its schema there.

use serde_json::Value;

/// The object as the API server validates it: without nulls of fields that the schema does not call nullable.
pub(super) fn dropped(object: &Value, schema: &Value) -> Value {
    match object {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(key, field)| {
                let below = below(schema, key);
                let is_dropped = field.is_null() && below.is_some_and(|schema| schema["nullable"] != true);
                let field = below.map_or_else(|| field.clone(), |schema| dropped(field, schema));
                (!is_dropped).then(|| (key.clone(), field))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| dropped(item, &schema["items"])).collect()),
        other => other.clone(),
    }
}

/// The schema of a field; none of a field that the schema says nothing about.
fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let property = schema["properties"].get(key);
    property.or_else(|| schema.get("additionalProperties").filter(|schema| schema.is_object()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::dropped;

    #[test]
    fn nulls_stay_only_where_they_are_allowed() {
        let text = json!({"type": "string"});
        let schema = json!({"properties": {"spec": {"properties": {
            "credential": {"type": "object"}, "kept": {"type": "string", "nullable": true},
            "list": {"items": {"properties": {"a": text}}}, "map": {"additionalProperties": text},
            "open": {"x-kubernetes-preserve-unknown-fields": true},
        }}}});
        let spec = |spec: Value| json!({ "spec": spec });
        let given = spec(
            json!({"credential": null, "kept": null, "list": [{"a": null}, null], "map": {"a": null, "b": "c"}, "open": {"a": null}}),
        );
        let left = spec(json!({"kept": null, "list": [{}, null], "map": {"b": "c"}, "open": {"a": null}}));
        assert_eq!(dropped(&given, &schema), left);
    }
}
