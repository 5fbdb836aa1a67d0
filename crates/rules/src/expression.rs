//! A parsed expression, and its evaluation to a value.

use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::parser::Expression as Parsed;
use cel::{Context, Env, Value};
use landfall_release_document::Rule;

use crate::Inputs;
use crate::bound::{self, Sizes};

/// Maximum nesting of parentheses and operators for the parser.
const PARSER_DEPTH: u16 = 48;

/// Maximum number of characters of a text from an expression, and of the reason for an error.
const TEXT_CHARACTERS: usize = 1000;
const REASON_CHARACTERS: usize = 300;

/// Maximum number of elements of a printed list.
const SHOWN_ELEMENTS: usize = 20;

/// A parsed expression.
pub(crate) struct Expression {
    parsed: Parsed,
}

impl Expression {
    /// Parses an expression.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > Rule::EXPRESSION_BYTES {
            return Err(format!("it has {} bytes, and up to {} are allowed", text.len(), Rule::EXPRESSION_BYTES));
        }
        let parser = Env::stdlib().parser().max_recursion_depth(PARSER_DEPTH);
        let parsed = parser.parse(text).map_err(|errors| shorten(&errors.to_string(), REASON_CHARACTERS))?;
        Ok(Self { parsed })
    }

    /// The syntax tree.
    pub(crate) fn tree(&self) -> &Parsed {
        &self.parsed
    }

    /// Returns an upper bound on the steps of its evaluation, or an error if it is not allowed.
    pub(crate) fn steps(&self, sizes: Sizes) -> Result<u64, String> {
        bound::steps(&self.parsed, sizes)
    }

    fn value(&self, context: &Context<'_, '_>) -> Result<Value, String> {
        context.resolve(&self.parsed).map_err(|error| shorten(&error.to_string(), REASON_CHARACTERS))
    }

    /// Evaluates the expression to true or false.
    pub(crate) fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        match self.value(context)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(format!("it is {}, and must be true or false", kind(&other))),
        }
    }

    /// Evaluates the expression to a text.
    pub(crate) fn text(&self, context: &Context<'_, '_>) -> Result<String, String> {
        let text = text_of(&self.value(context)?)?;
        Ok(shorten(&text, TEXT_CHARACTERS))
    }
}

/// Creates the evaluation context with the variables.
pub(crate) fn context(inputs: &Inputs) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::new(Env::stdlib()));
    for name in Inputs::NAMES {
        if let Some(value) = inputs.get(name) {
            context.add_variable_from_value(name, cel_value(value));
        }
    }
    context
}

/// Converts JSON to a CEL value. Whole numbers become `int`, so that they compare and add with the numbers that people
/// write.
fn cel_value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(cel_value).collect())),
        serde_json::Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), cel_value(value)));
            Value::Map(Map { map: Arc::new(entries.collect()) })
        }
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
    }
}

fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.as_ref().clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::UInt(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::List(items) => {
            let shown = items.iter().take(SHOWN_ELEMENTS).map(text_of_element).collect::<Result<Vec<_>, _>>()?;
            let more = items.len().saturating_sub(SHOWN_ELEMENTS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Ok(shown.join(", ") + &more)
        }
        other => Err(format!("it is {}, and must be a text, a number or a list of them", kind(other))),
    }
}

fn text_of_element(value: &Value) -> Result<String, String> {
    match value {
        Value::List(_) => Err("it is a list of lists".to_owned()),
        other => text_of(other),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
        _ => "something else",
    }
}

/// Returns the first characters of a text, which may quote anything.
pub(crate) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
