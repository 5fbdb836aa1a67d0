//! Validation of field values as in the API server, beyond their types: enumerated words, ranges of numbers, forms of
//! names, and relations between fields of one object.
//!
//! The tables repeat the validation of Kubernetes 1.36, the version of the node pack, after its defaults:
//! `pkg/apis/*/validation/validation.go` and `pkg/apis/*/v1/defaults.go` of `k8s.io/kubernetes`,
//! `pkg/util/validation/validation.go` of `k8s.io/apimachinery`, and the keys of lists for server-side apply
//! (`x-kubernetes-list-map-keys`). Features that are off by default count as absent. A test applies a corpus of objects
//! to a real API server and compares its answers. A value without a line passes.

mod forms;
mod kinds;
mod network;
mod pods;
mod relations;
mod schedule;
mod sizes;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

use std::collections::HashSet;

use serde_json::Value;

use crate::{Fault, amount, escape};
use forms::Form;

/// A place below a field, and the rule for it. The place is a path of names; `*` stands for every item, or every field.
type Line = (&'static str, Rule);

/// The rule for a field. A missing field fits every rule unless stated otherwise.
enum Rule {
    /// One of these words. An empty one counts as missing: the API server replaces it by its default.
    OneOf(&'static [&'static str]),
    /// One of these words. An empty one is an error: the API server has a default only for a missing field.
    Exactly(&'static [&'static str]),
    /// A whole number in this inclusive range.
    Within(i64, i64),
    /// A text of this form.
    Is(Form),
    /// A text of this form, or an empty one.
    IsOrEmpty(Form),
    /// The number or the name of a port.
    Port,
    /// The number or the name of a port; zero and an empty name count as missing.
    PortOrEmpty,
    /// A number, or a percentage of at most this value.
    Share(i64),
    /// Present, and not empty.
    Filled,
    /// Present, and fits this rule.
    Must(&'static Rule),
    /// Absent, for this reason.
    Absent(&'static str),
    /// At most this many items.
    AtMost(usize),
    /// Items that differ in these fields; each field has a default for a missing value.
    Differing(&'static [(&'static str, &'static str)]),
    /// Exactly one of these fields.
    OneField(&'static [&'static str]),
    /// Fields whose names, chosen by people, have this form.
    Names(Form),
    /// Labels: keys and values are checked.
    Labels,
    /// Amounts, none of which is negative.
    Amounts,
    /// Fields that fit these lines.
    Fields(&'static [Line]),
    /// Fields that fit each other, as this function checks.
    Fits(fn(&Value) -> RuleResult),
}

/// Success, or the fault and its place.
type RuleResult = Result<(), RuleFault>;

/// A fault, with a JSON Pointer relative to the field that was checked.
struct RuleFault {
    pointer: String,
    what: String,
}

fn wrong(pointer: impl Into<String>, what: impl Into<String>) -> RuleFault {
    RuleFault { pointer: pointer.into(), what: what.into() }
}

impl RuleFault {
    /// Returns the fault relative to the field above.
    fn below(mut self, segment: &str) -> Self {
        self.pointer.insert_str(0, &format!("/{}", escape(segment)));
        self
    }
}

/// Returns an error for an object of a Kubernetes kind with a value that the API server does not accept. Its fields
/// have the right types.
pub(super) fn check(version: &str, kind: &str, object: &Value) -> Result<(), Fault> {
    let tables = kinds::KINDS.iter().filter(|(in_version, kinds, _)| *in_version == version && kinds.contains(&kind));
    let mut lines = kinds::EVERY.iter().chain(tables.flat_map(|(.., lines)| lines.iter()));
    lines.try_for_each(|line| line_fits(object, line)).map_err(|wrong| Fault::field(wrong.pointer, wrong.what))
}

/// Returns an error for a custom resource whose metadata or size the API server does not accept.
pub(super) fn check_custom(object: &Value) -> Result<(), Fault> {
    let mut lines = kinds::EVERY.iter().chain(kinds::CUSTOM);
    lines.try_for_each(|line| line_fits(object, line)).map_err(|wrong| Fault::field(wrong.pointer, wrong.what))
}

fn all_fit(value: &Value, lines: &[Line]) -> RuleResult {
    lines.iter().try_for_each(|line| line_fits(value, line))
}

fn line_fits(value: &Value, (path, rule): &Line) -> RuleResult {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    places_fit(value, &segments, rule)
}

/// Checks every place to which a path leads. If a field on the way is missing, nothing is checked.
fn places_fit(value: &Value, path: &[&str], rule: &Rule) -> RuleResult {
    let Some((segment, rest)) = path.split_first() else { return rule.fits(value) };
    match (*segment, value) {
        ("*", Value::Array(items)) => items.iter().enumerate().try_for_each(|(index, item)| {
            places_fit(item, rest, rule).map_err(|wrong| wrong.below(&index.to_string()))
        }),
        ("*", Value::Object(fields)) => {
            fields.iter().try_for_each(|(name, field)| places_fit(field, rest, rule).map_err(|wrong| wrong.below(name)))
        }
        (name, Value::Object(fields)) => {
            let field = fields.get(name).unwrap_or(&Value::Null);
            places_fit(field, rest, rule).map_err(|wrong| wrong.below(name))
        }
        _ => Ok(()),
    }
}

impl Rule {
    fn fits(&self, value: &Value) -> RuleResult {
        match self {
            Self::Filled if is_empty(value) => Err(wrong("", "it is required and must not be empty")),
            Self::Must(_) if value.is_null() => Err(wrong("", "it is required")),
            Self::Must(rule) => rule.fits(value),
            Self::Absent(why) if !value.is_null() => Err(wrong("", *why)),
            _ if value.is_null() => Ok(()),
            Self::Fields(lines) => all_fit(value, lines),
            Self::Fits(function) => function(value),
            Self::Differing(keys) => differ(value, keys),
            Self::Names(form) => names_fit(value, form),
            Self::Labels => labels_fit(value),
            Self::Amounts => amounts_fit(value),
            _ => self.wrong_in(value).map_or(Ok(()), |what| Err(wrong("", what))),
        }
    }

    /// Returns the fault of a value by a rule about the value as a whole.
    fn wrong_in(&self, value: &Value) -> Option<String> {
        match self {
            Self::OneOf(words) => word_is_wrong(value, words, true),
            Self::Exactly(words) => word_is_wrong(value, words, false),
            Self::Within(least, most) => number_is_wrong(value, *least, *most),
            Self::Is(form) => form.wrong_in(value.as_str()?),
            Self::IsOrEmpty(form) => form.wrong_in(value.as_str().filter(|text| !text.is_empty())?),
            Self::PortOrEmpty if value == 0 || value == "" => None,
            Self::Port | Self::PortOrEmpty => port_is_wrong(value),
            Self::Share(most) => share_is_wrong(value, *most),
            Self::AtMost(most) => {
                let count = value.as_array()?.len();
                (count > *most).then(|| format!("it has {count} items; at most {most} are allowed"))
            }
            Self::OneField(names) => fields_are_wrong(value, names),
            _ => None,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn word_is_wrong(value: &Value, words: &[&str], or_empty: bool) -> Option<String> {
    let word = value.as_str()?;
    let fits = words.contains(&word) || (or_empty && word.is_empty());
    (!fits).then(|| match words {
        [only] => format!("`{word}` is not `{only}`, which is the only value allowed here"),
        _ => format!("`{word}` is not one of {}", words.join(", ")),
    })
}

fn number_is_wrong(value: &Value, least: i64, most: i64) -> Option<String> {
    let number = value.as_i64()?;
    (!(least..=most).contains(&number)).then(|| match most {
        i64::MAX => format!("{number} is less than {least}"),
        _ => format!("{number} is not between {least} and {most}"),
    })
}

fn port_is_wrong(value: &Value) -> Option<String> {
    match value.as_str() {
        Some(name) => forms::PORT_NAME.wrong_in(name),
        None => number_is_wrong(value, 1, 65535),
    }
}

fn share_is_wrong(value: &Value, most: i64) -> Option<String> {
    let Some(share) = value.as_str() else { return number_is_wrong(value, 0, i64::MAX) };
    let digits = share.strip_suffix('%').filter(|digits| !digits.is_empty());
    let Some(digits) = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) else {
        return Some(format!("`{share}` is neither a number nor a share such as 25%"));
    };
    let is_more = digits.parse().map_or(true, |percent: i64| percent > most);
    is_more.then(|| format!("{share} is more than {most}%"))
}

fn fields_are_wrong(value: &Value, names: &[&str]) -> Option<String> {
    let found: Vec<&str> = names.iter().copied().filter(|name| !value[name].is_null()).collect();
    match found.len() {
        1 => None,
        0 => Some(format!("it must have one of {}", names.join(", "))),
        _ => Some(format!("it has {}, and may have only one of them", found.join(" and "))),
    }
}

/// Returns an error for the second of two items that are equal in the given fields.
fn differ(value: &Value, keys: &[(&str, &str)]) -> RuleResult {
    let mut seen = HashSet::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let key = |(name, default): &(&str, &str)| match &item[name] {
            Value::Null => (*default).to_owned(),
            Value::String(text) if text.is_empty() => (*default).to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let found: Vec<String> = keys.iter().map(key).collect();
        let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        let what = format!("another item before it has the same {}: {}", names.join(" and "), found.join(", "));
        if !seen.insert(found) {
            return Err(wrong(format!("/{index}"), what));
        }
    }
    Ok(())
}

fn names_fit(value: &Value, form: &Form) -> RuleResult {
    let mut names = value.as_object().into_iter().flat_map(serde_json::Map::keys);
    names.try_for_each(|name| form.wrong_in(name).map_or(Ok(()), |what| Err(wrong("", what).below(name))))
}

fn labels_fit(value: &Value) -> RuleResult {
    names_fit(value, &forms::LABEL_KEY)?;
    let mut labels = value.as_object().into_iter().flatten();
    labels.try_for_each(|(key, label)| Rule::Is(forms::LABEL_VALUE).fits(label).map_err(|wrong| wrong.below(key)))
}

fn amounts_fit(value: &Value) -> RuleResult {
    let mut amounts = value.as_object().into_iter().flatten();
    amounts.try_for_each(|(key, amount)| match amount.as_str() {
        Some(text) if amount::is_negative(text) => Err(wrong("", format!("{text} is less than 0")).below(key)),
        _ => Ok(()),
    })
}
