//! Form of settings, derived from the release's JSON Schemas. The host judges the input; the form only helps to enter
//! it.

use std::collections::BTreeMap;

use landfall_documents::settings::{Setting, SiteSettings};
use serde_json::{Number, Value};

use super::pattern::in_words;
use super::secrets::SecretRow;
use crate::refusal::Refusal;

/// Prefix of the name of a setting's field.
const PREFIX: &str = "set:";
/// Text for a default that neither a person nor the release sets.
const AS_BUILT: &str = "as the release was built";

/// Kind of input for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// One of a few values.
    Choice(Vec<Choice>),
    /// A number, within the bounds of the schema.
    Number { least: Option<Number>, most: Option<Number>, is_whole: bool },
    /// A line of text, with the length limits of the schema.
    Line { least: Option<Number>, most: Option<Number>, pattern: Option<String> },
    /// Text with several lines.
    Lines,
    /// Texts, one per line.
    List,
    /// Any other value, as JSON.
    Json,
}

/// A selectable value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    /// Submitted value.
    pub(super) json: String,
    pub(super) words: String,
    pub(super) is_chosen: bool,
}

/// A field of the form.
pub(super) struct Field {
    /// ID in the page.
    pub(super) id: String,
    /// Name in the submitted form.
    pub(super) name: String,
    /// Name of the setting.
    pub(super) setting: String,
    /// Title given by the vendor.
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) entry: Entry,
    /// Current value; empty if not set.
    pub(super) text: String,
    /// Current value for readers; `None` if not set.
    pub(super) set: Option<String>,
    /// Effective value if not set.
    pub(super) unset: String,
}

impl Field {
    fn from_setting(index: usize, setting: &Setting) -> Self {
        let entry = Entry::from_setting(setting);
        let words = |keyword: &str| setting.schema.get(keyword).and_then(Value::as_str).map(str::to_owned);
        let default = setting.default.as_ref();
        Self {
            id: format!("setting-{index}"),
            name: format!("{PREFIX}{}", setting.name),
            setting: setting.name.clone(),
            title: words("title"),
            description: words("description"),
            text: setting.value.as_ref().map(|value| entry.text(value)).unwrap_or_default(),
            set: setting.value.as_ref().map(plain),
            unset: default.map_or_else(|| AS_BUILT.to_owned(), plain),
            entry,
        }
    }

    /// Returns true if its value is an empty text, which a field shows as if it were not set.
    pub(super) fn is_set_to_nothing(&self) -> bool {
        self.set.is_some() && self.text.is_empty()
    }

    /// Describes the possible values, for those who cannot see a field's bounds.
    pub(super) fn bounds(&self) -> Option<String> {
        match &self.entry {
            Entry::Number { least, most, is_whole } => {
                let number = if *is_whole { "a whole number" } else { "a number" };
                Some(range(least.as_ref(), most.as_ref()).unwrap_or_else(|| format!("Enter {number}")))
            }
            Entry::Line { least, most, pattern } => {
                let least = least.as_ref().filter(|least| least.as_u64() != Some(0));
                let named_last = most.as_ref().or(least).and_then(Number::as_u64);
                let characters = if named_last == Some(1) { "character" } else { "characters" };
                let length = range(least, most.as_ref()).map(|range| format!("{range} {characters}"));
                let form = pattern.as_ref().map(|pattern| {
                    in_words(pattern, &[&self.text, self.unset.strip_prefix(AS_BUILT).unwrap_or(&self.unset)])
                });
                let both: Vec<_> = [length, form].into_iter().flatten().collect();
                (!both.is_empty()).then(|| both.join(". "))
            }
            Entry::List => Some("One in each line; [] for none".to_owned()),
            Entry::Choice(_) | Entry::Lines | Entry::Json => None,
        }
    }
}

/// Describes bounds; `None` without bounds.
fn range(least: Option<&Number>, most: Option<&Number>) -> Option<String> {
    Some(match (least, most) {
        (Some(least), Some(most)) => format!("From {least} to {most}"),
        (Some(least), None) => format!("At least {least}"),
        (None, Some(most)) => format!("At most {most}"),
        (None, None) => return None,
    })
}

/// Settings of one or several components.
pub(super) struct Group {
    pub(super) title: String,
    pub(super) fields: Vec<Field>,
}

/// The form.
pub(super) struct Form {
    /// Name and version of the installed release.
    pub(super) installed: String,
    pub(super) groups: Vec<Group>,
    pub(super) secrets: Vec<SecretRow>,
}

impl Form {
    pub(super) fn from_settings(settings: &SiteSettings) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (index, setting) in settings.values.iter().enumerate() {
            let title = setting.components.join(", ");
            let field = Field::from_setting(index, setting);
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.fields.push(field),
                None => groups.push(Group { title, fields: vec![field] }),
            }
        }
        let secrets =
            settings.secrets.iter().enumerate().map(|(index, secret)| SecretRow::from_setting(index, secret)).collect();
        Self { installed: format!("{} {}", settings.release, settings.version), groups, secrets }
    }
}

impl Entry {
    fn from_setting(setting: &Setting) -> Self {
        let schema = &setting.schema;
        let kind = schema.get("type").and_then(Value::as_str);
        let of_keyword = schema.get("enum").and_then(Value::as_array).cloned();
        let of_kind = || (kind == Some("boolean")).then(|| vec![Value::Bool(true), Value::Bool(false)]);
        if let Some(values) = of_keyword.or_else(of_kind) {
            let choice = |value: &Value| Choice {
                json: value.to_string(),
                words: plain(value),
                is_chosen: setting.value.as_ref() == Some(value),
            };
            return Self::Choice(values.iter().map(choice).collect());
        }
        let number = |keyword: &str| schema.get(keyword).and_then(Value::as_number).cloned();
        let has_lines =
            |value: &Option<Value>| value.as_ref().and_then(Value::as_str).is_some_and(|text| text.contains('\n'));
        match kind {
            Some("integer" | "number") => {
                Self::Number { least: number("minimum"), most: number("maximum"), is_whole: kind == Some("integer") }
            }
            Some("string") if has_lines(&setting.value) || has_lines(&setting.default) => Self::Lines,
            Some("string") => {
                let pattern = schema.get("pattern").and_then(Value::as_str).map(str::to_owned);
                Self::Line { least: number("minLength"), most: number("maxLength"), pattern }
            }
            Some("array") if is_list(setting) => Self::List,
            _ => Self::Json,
        }
    }

    /// Formats a value for a field.
    fn text(&self, value: &Value) -> String {
        match (self, value) {
            (Self::Line { .. } | Self::Lines, Value::String(text)) => text.clone(),
            // An empty list would be an empty field, which stands for the default.
            (Self::List, Value::Array(values)) if !values.is_empty() => {
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            (Self::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
            (_, value) => value.to_string(),
        }
    }

    /// Reads a field; `None` if it is empty, so that the release's default applies.
    fn read(&self, text: &str) -> Result<Option<Value>, &'static str> {
        let parsed = |text: &str| serde_json::from_str::<Value>(text);
        let value = match self {
            _ if text.trim().is_empty() => return Ok(None),
            // A browser sends a line end as two characters.
            Self::Lines => Value::String(text.replace("\r\n", "\n")),
            Self::Line { .. } => Value::String(text.to_owned()),
            Self::List => list_in_json(text)
                .unwrap_or_else(|| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()),
            Self::Number { .. } => text.trim().parse::<Number>().map(Value::Number).map_err(|_| "enter a number")?,
            Self::Choice(_) => parsed(text).map_err(|_| "choose one of its values")?,
            Self::Json => parsed(text).map_err(|_| "enter JSON, such as [\"a\", \"b\"]")?,
        };
        Ok(Some(value))
    }
}

/// Parses a list of texts written as JSON, as on a vendor's page.
fn list_in_json(text: &str) -> Option<Value> {
    serde_json::from_str::<Vec<String>>(text).ok().map(Value::from)
}

/// Returns true if a setting is a list of texts, each of which is one line, and which cannot be mistaken for anything
/// else.
fn is_list(setting: &Setting) -> bool {
    let items = setting.schema.get("items").and_then(|items| items.get("type")).and_then(Value::as_str);
    let is_line = |text: &&str| !text.is_empty() && text.trim() == *text && !text.contains(['\n', '\r']);
    let has_lines = |value: &Value| {
        let texts: Option<Vec<_>> = value.as_array().and_then(|values| values.iter().map(Value::as_str).collect());
        texts.is_some_and(|texts| texts.iter().all(is_line) && list_in_json(&texts.join("\n")).is_none())
    };
    items == Some("string") && [&setting.value, &setting.default].into_iter().flatten().all(has_lines)
}

/// Formats a value: text without quotation marks, and a list of words with commas. Other lists stay JSON, so that no
/// two lists look alike in a plan.
pub(super) fn plain(value: &Value) -> String {
    let is_word =
        |value: &Value| value.as_str().is_some_and(|text| !["", "none"].contains(&text) && !text.contains(','));
    match value {
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) if values.iter().all(is_word) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        value => value.to_string(),
    }
}

/// Returns the values that a form changes; null restores the default. Unchanged fields, and settings without a field,
/// are left out.
pub(super) fn changed_values(
    settings: &SiteSettings,
    sent: &[(String, String)],
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut changed = BTreeMap::new();
    for setting in &settings.values {
        let name = format!("{PREFIX}{}", setting.name);
        let Some((_, text)) = sent.iter().find(|(field, _)| *field == name) else { continue };
        let entry = Entry::from_setting(setting);
        // An untouched field is not parsed again: it may show less than the value contains.
        if *text.replace("\r\n", "\n") == setting.value.as_ref().map(|value| entry.text(value)).unwrap_or_default() {
            continue;
        }
        let value = entry.read(text).map_err(|what| Refusal::Invalid(format!("{}: {what}", setting.name)))?;
        if value != setting.value {
            changed.insert(setting.name.clone(), value.unwrap_or(Value::Null));
        }
    }
    if changed.is_empty() {
        return Err(Refusal::Invalid("change at least one setting".to_owned()));
    }
    Ok(changed)
}
