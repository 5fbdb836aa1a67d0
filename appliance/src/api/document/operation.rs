//! Operations of the document, as the reference page shows them.

use serde_json::{Map, Value};

use super::{TAGS, document, text};

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Group of the operation.
    pub tag: String,
    /// Method, such as `GET` or `POST`.
    pub method: String,
    /// Path, with its parameters in braces.
    pub path: String,
    /// ID within the document.
    pub id: String,
    /// Short summary.
    pub summary: String,
    /// Further sentences, with the required rights last.
    pub description: Vec<String>,
    /// Parameters of the path and headers, then fields of the body.
    pub fields: Vec<Field>,
    /// Status and content of a successful answer.
    pub answer: String,
    /// Name of the answer's schema.
    pub schema: Option<String>,
}

/// A parameter of a path, a header, or a field of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name of the field.
    pub name: String,
    /// Location: `path`, `header` or `body`.
    pub place: String,
    /// True if it is required.
    pub needed: bool,
    /// Description.
    pub meaning: String,
}

/// Returns all operations, group by group.
pub fn operations() -> Vec<Operation> {
    let paths = document()["paths"].as_object();
    let each = paths.into_iter().flatten().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter_map(move |(method, operation)| Some(read(path, method, operation.as_object()?)))
    });
    let mut all: Vec<Operation> = each.collect();
    all.sort_by_key(|operation| TAGS.iter().position(|(tag, _)| *tag == operation.tag));
    all
}

fn read(path: &str, method: &str, operation: &Map<String, Value>) -> Operation {
    let responses = operation.get("responses").and_then(Value::as_object);
    let success = responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
    let (status, response) = success.map_or(("", &Value::Null), |(status, response)| (status.as_str(), response));
    let tag = operation.get("tags").and_then(|tags| tags[0].as_str()).unwrap_or_default();
    Operation {
        tag: tag.to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        id: text(operation, "operationId").to_owned(),
        summary: text(operation, "summary").to_owned(),
        description: text(operation, "description").split("\n\n").map(str::to_owned).collect(),
        fields: parameters(operation).chain(body(operation)).collect(),
        answer: format!("{status}: {}", response["description"].as_str().unwrap_or_default()),
        schema: name_of(&response["content"]["application/json"]["schema"]),
    }
}

fn parameters(operation: &Map<String, Value>) -> impl Iterator<Item = Field> {
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    parameters.map(|parameter| Field {
        name: parameter["name"].as_str().unwrap_or_default().to_owned(),
        place: parameter["in"].as_str().unwrap_or_default().to_owned(),
        needed: parameter["required"] == true,
        meaning: parameter["description"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Returns the fields of a body. A body with several forms has the fields of each, which are not required in every
/// form.
fn body(operation: &Map<String, Value>) -> impl Iterator<Item = Field> {
    let schema = operation.get("requestBody").and_then(|body| name_of(&body["content"]["application/json"]["schema"]));
    let schema = schema.map_or(&Value::Null, |name| &document()["components"]["schemas"][name]);
    let forms = schema["oneOf"].as_array().into_iter().flatten();
    let mut fields: Vec<Field> = fields(schema, true).collect();
    for field in forms.flat_map(|form| self::fields(form, false)) {
        if fields.iter().all(|known| known.name != field.name) {
            fields.push(field);
        }
    }
    fields.into_iter()
}

fn fields(schema: &Value, may_be_needed: bool) -> impl Iterator<Item = Field> {
    let needed = schema["required"].as_array();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(move |(name, property)| Field {
        name: name.clone(),
        place: "body".to_owned(),
        needed: may_be_needed && needed.is_some_and(|needed| needed.iter().any(|one| one == name.as_str())),
        meaning: meaning(property),
    })
}

/// Returns the description of a property; for a constant, its value.
fn meaning(property: &Value) -> String {
    let constant = property["const"].as_str().map(|value| format!("`{value}`"));
    constant.unwrap_or_else(|| property["description"].as_str().unwrap_or_default().to_owned())
}

fn name_of(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}
