//! Rules of a definition (`x-kubernetes-validations`), evaluated by the crate `kube-cel` as the API server evaluates
//! those of a new object (ADR 114). Rules that behave differently in an API server, or are not covered by the corpus,
//! are left to the API server. So are rules that compare with the object's previous state.
//!
//! Threats: rules come with charts. A long or deeply nested rule is not parsed, and one that makes long lists out of
//! nothing calls a function that is not evaluated. The others are evaluated in a thread with its own stack and a
//! deadline. If the interpreter fails, the thread ends, and then no rule is evaluated.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use kube_cel::{ErrorKind, ValidationError, ValidationErrors, Validator, apply_defaults};
use serde_json::{Map, Value};

use super::expressions;
use crate::{Fault, escape};

/// Field of a schema with its rules.
const RULES: &str = "x-kubernetes-validations";

/// Time limit for the rules of one object.
const DEADLINE: Duration = Duration::from_secs(10);

/// Stack of the thread in bytes. The parser recurses once for each level of brackets.
const STACK_BYTES: usize = 64 << 20;

/// Maximum nesting of defaults within defaults.
const DEFAULTS_DEPTH: usize = 64;

/// Maximum number of characters of a rule, and of its message, in a fault.
const SHOWN_CHARACTERS: usize = 300;

/// The rules of one version of a kind.
#[derive(Debug)]
pub struct CustomRules {
    /// The schema, without the rules that are not evaluated.
    schema: Arc<Value>,
}

impl CustomRules {
    /// Returns the rules of a schema; `None` if it has no rule to evaluate.
    pub fn of(schema: &Value) -> Option<Self> {
        let (mut schema, mut names) = (schema.clone(), Vec::new());
        names_with_underscores(&schema, &mut names);
        let judged = keep_judged(&mut schema, &names);
        (judged > 0).then(|| Self { schema: Arc::new(schema) })
    }

    /// Returns an error if a rule is false for the object, which must otherwise fit the schema.
    pub fn check(&self, object: &Value) -> Result<(), Fault> {
        match self.failed_rule(object, DEADLINE) {
            None => Ok(()),
            Some(error) => Err(fault(object, &error)),
        }
    }

    /// Returns the first rule that is false. Also returns `None` if the thread does not answer: the API server will.
    pub(super) fn failed_rule(&self, object: &Value, deadline: Duration) -> Option<ValidationError> {
        let (schema, object) = (Arc::clone(&self.schema), object.clone());
        let (sender, receiver) = mpsc::channel();
        let judge = move || {
            let object = as_kept(&schema, object);
            let judged = Validator::new().validate(&schema, &object, None);
            let errors = judged.err().map(ValidationErrors::into_vec).unwrap_or_default();
            let failed = errors.into_iter().find(|error| is_false(&object, error));
            // After the deadline, the receiver is gone.
            drop(sender.send(failed));
        };
        std::thread::Builder::new().name("rules of kinds".to_owned()).stack_size(STACK_BYTES).spawn(judge).ok()?;
        receiver.recv_timeout(deadline).ok()?
    }
}

/// Returns the object as the API server keeps it: with the schema's defaults, including those within defaults, and with
/// numbers of the schema's types.
fn as_kept(schema: &Value, mut object: Value) -> Value {
    for _ in 0..DEFAULTS_DEPTH {
        let defaulted = apply_defaults(schema, &object);
        if defaulted == object {
            break;
        }
        object = defaulted;
    }
    numbers_by_schema(schema, &mut object);
    object
}

/// Converts whole numbers to fractions where the schema requires it.
fn numbers_by_schema(schema: &Value, value: &mut Value) {
    match value {
        Value::Number(number) if schema["type"] == "number" => {
            if let Some(fraction) = number.as_f64().and_then(serde_json::Number::from_f64) {
                *number = fraction;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| numbers_by_schema(&schema["items"], item)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                numbers_by_schema(below, field);
            }
        }
        _ => {}
    }
}

/// Returns true if the rule is also false at an API server. An API server skips null values, and counts the characters
/// of a text, whereas the crate counts its bytes.
fn is_false(object: &Value, error: &ValidationError) -> bool {
    let is_null = object.pointer(&pointer(object, &error.field_path)).is_some_and(Value::is_null);
    let counts_bytes = error.rule.contains("size(") && !object.to_string().is_ascii();
    error.kind == ErrorKind::ValidationFailure && !is_null && !counts_bytes
}

fn fault(object: &Value, error: &ValidationError) -> Fault {
    let rule = error.rule.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = if error.message == format!("failed rule: {}", error.rule) { "" } else { error.message.trim() };
    let said = if message.is_empty() { String::new() } else { format!(": {}", shorten(message)) };
    let what = format!("a rule of its definition is not met{said} ({})", shorten(&rule));
    Fault::field(pointer(object, &error.field_path), what)
}

/// Returns the first characters of a text, which may quote anything.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Collects the names of properties with an underscore, which the crate writes differently from Kubernetes.
fn names_with_underscores(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| names_with_underscores(item, names)),
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            names.extend(properties.into_iter().flat_map(Map::keys).filter(|name| name.contains('_')).cloned());
            fields.values().for_each(|field| names_with_underscores(field, names));
        }
        _ => {}
    }
}

/// Removes the rules that are not evaluated from a schema. Returns the number of remaining rules.
fn keep_judged(schema: &mut Value, names: &[String]) -> usize {
    match schema {
        Value::Array(items) => items.iter_mut().map(|item| keep_judged(item, names)).sum(),
        Value::Object(fields) => {
            let mut kept = 0;
            if let Some(Value::Array(rules)) = fields.get_mut(RULES) {
                rules.retain(|rule| is_judged(&rule["rule"], names));
                rules.iter_mut().filter_map(Value::as_object_mut).for_each(|rule| keep_message(rule, names));
                kept = rules.len();
            }
            let below = fields.iter_mut().filter(|(key, _)| *key != RULES);
            kept + below.map(|(_, value)| keep_judged(value, names)).sum::<usize>()
        }
        _ => 0,
    }
}

/// Removes a message that cannot be evaluated; its rule is still checked.
fn keep_message(rule: &mut Map<String, Value>, names: &[String]) {
    if rule.get("messageExpression").is_some_and(|expression| !is_judged(expression, names)) {
        rule.remove("messageExpression");
    }
}

fn is_judged(expression: &Value, names: &[String]) -> bool {
    let text = expression.as_str().unwrap_or_default();
    expressions::is_judged(text) && !names.iter().any(|name| text.contains(name.as_str()))
}

/// Converts a path such as `spec.hosts[0].name` to a JSON Pointer. Names may contain dots, so they are looked up; parts
/// that the object lacks are left out.
pub(super) fn pointer(object: &Value, path: &str) -> String {
    let (mut value, mut rest, mut pointer) = (object, path, String::new());
    loop {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let step = match value {
            Value::Object(fields) => longest_name(fields, rest),
            Value::Array(items) => element(items, rest),
            _ => None,
        };
        let Some((name, below, left)) = step else { return pointer };
        pointer.push('/');
        pointer.push_str(&name);
        (value, rest) = (below, left);
    }
}

/// A segment of a pointer, the value there, and the rest of the path.
type Step<'a> = (String, &'a Value, &'a str);

fn longest_name<'a>(fields: &'a Map<String, Value>, rest: &'a str) -> Option<Step<'a>> {
    let steps = fields.iter().filter_map(|(name, value)| {
        let left = rest.strip_prefix(name.as_str())?;
        (left.is_empty() || left.starts_with(['.', '['])).then(|| (escape(name), value, left))
    });
    steps.max_by_key(|(name, ..)| name.len())
}

fn element<'a>(items: &'a [Value], rest: &'a str) -> Option<Step<'a>> {
    let (index, left) = rest.strip_prefix('[')?.split_once(']')?;
    let value = items.get(index.parse::<usize>().ok()?)?;
    Some((index.to_owned(), value, left))
}
