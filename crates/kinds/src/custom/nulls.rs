//! Null fields. Before it validates a custom resource, the API server removes each null field that is not nullable, or
//! replaces it by the schema's default.

use serde_json::Value;

/// Returns the object as the API server validates it: without nulls in fields that the schema does not declare
/// nullable.
pub(super) fn drop_nulls(object: &Value, schema: &Value) -> Value {
    match object {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(key, field)| {
                let below = below(schema, key);
                let is_dropped = field.is_null() && below.is_some_and(|schema| schema["nullable"] != true);
                let field = below.map_or_else(|| field.clone(), |schema| drop_nulls(field, schema));
                (!is_dropped).then(|| (key.clone(), field))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| drop_nulls(item, &schema["items"])).collect()),
        other => other.clone(),
    }
}

/// Returns the schema of a field; `None` if the schema does not mention it.
fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let property = schema["properties"].get(key);
    property.or_else(|| schema.get("additionalProperties").filter(|schema| schema.is_object()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::drop_nulls;

    #[test]
    fn disallowed_nulls_are_dropped() {
        let text = json!({"type": "string"});
        let schema = json!({"properties": {"spec": {"properties": {
            "credential": {"type": "object"}, "kept": {"type": "string", "nullable": true},
            "list": {"items": {"properties": {"a": text}}}, "map": {"additionalProperties": text},
            "open": {"x-kubernetes-preserve-unknown-fields": true},
        }}}});
        let spec = |spec: Value| json!({ "spec": spec });
        let given =
            spec(json!({"credential": null, "kept": null, "list": [{"a": null}, null], "map": {"a": null, "b": "c"},
                "open": {"a": null}}));
        let left = spec(json!({"kept": null, "list": [{}, null], "map": {"b": "c"}, "open": {"a": null}}));
        assert_eq!(drop_nulls(&given, &schema), left);
    }
}
