//! JSON: each text is redacted by itself, so that the document stays one whatever is replaced.

use serde_json::{Map, Value};

use super::Redactor;

/// Parts of names whose values are secret.
const NAMES: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "accesskey", "credential"];

/// Ends of names whose values only say where a secret is, or how long it lives.
const HARMLESS_ENDS: [&str; 8] = ["name", "ref", "path", "file", "folder", "seconds", "type", "url"];

impl Redactor {
    /// All texts of a document, the names of its fields among them; values of fields and variables with the name of a secret as a
    /// whole.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Number(number) => {
                let text = number.to_string();
                if self.canonical.of_form(text.as_bytes()).is_some() {
                    *value = Value::String(self.token(text.as_bytes()));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => self.fields(fields),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) {
        let is_secret_variable = fields.get("name").and_then(Value::as_str).is_some_and(is_of_secret);
        for (name, field) in std::mem::take(fields) {
            let mut field = field;
            match &mut field {
                Value::String(text)
                    if !text.is_empty() && (is_of_secret(&name) || (is_secret_variable && name == "value")) =>
                {
                    *text = self.token(text.as_bytes());
                }
                field => self.value(field),
            }
            fields.insert(self.text(&name), field);
        }
    }
}

/// Whether a field or a variable of this name holds a secret.
fn is_of_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    NAMES.iter().any(|part| plain.contains(part)) && !HARMLESS_ENDS.iter().any(|end| plain.ends_with(end))
}
