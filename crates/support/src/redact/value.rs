//! Redaction of JSON: each text is redacted separately, so that the document stays valid.

use serde_json::{Map, Value};

use super::Redactor;
use super::names::is_secret_name;

impl Redactor {
    /// Redacts all texts of a document, including names of fields. Values of fields, variables and options with the
    /// name of a secret are redacted completely.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Number(number) => {
                let text = number.to_string();
                if self.canonical.of_form(text.as_bytes()).is_some() {
                    *value = Value::String(self.token(text.as_bytes()));
                }
            }
            Value::Array(items) => self.items(items),
            Value::Object(fields) => self.fields(fields),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Redacts items, including arguments of a program: `["--password", "x"]`.
    fn items(&self, items: &mut [Value]) {
        let mut follows_option = false;
        for item in items {
            let is_option = item.as_str().is_some_and(is_option_of_secret);
            match item {
                Value::String(text) if follows_option && !is_option => self.redact_whole(text),
                item => self.value(item),
            }
            follows_option = is_option;
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) {
        let is_secret_variable = fields.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
        for (name, field) in std::mem::take(fields) {
            let mut field = field;
            let is_secret = is_secret_name(&name) || (is_secret_variable && name == "value") || name == "auth";
            if is_secret {
                self.secret(&name, &mut field);
            } else {
                self.value(&mut field);
            }
            fields.insert(self.text(&name), field);
        }
    }

    /// Redacts the value of a field with the name of a secret.
    fn secret(&self, name: &str, field: &mut Value) {
        let is_password = name.to_ascii_lowercase().contains("pass");
        match field {
            Value::String(text) => self.redact_whole(text),
            Value::Number(number) if is_password => *field = Value::String(self.token(number.to_string().as_bytes())),
            Value::Array(items) if is_password => items.iter_mut().for_each(|item| self.secret(name, item)),
            field => self.value(field),
        }
    }

    fn redact_whole(&self, text: &mut String) {
        if !text.is_empty() {
            *text = self.token(text.as_bytes());
        }
    }
}

/// Returns true if the next argument is the secret value of this option.
fn is_option_of_secret(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|name| !name.contains(['=', ' ', ':']) && is_secret_name(name))
}
