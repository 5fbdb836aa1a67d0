//! Resolves scalars like `go.yaml.in/yaml/v2`, with the output of `encoding/json`.

use base64::Engine as _;
use serde_json::{Number, Value};

const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];
const NO_NUMBER: [&str; 12] =
    [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"];

/// Value of a plain scalar, or of one with a YAML tag such as `int`. Returns an error for values that JSON lacks, and
/// for text that does not match its tag.
pub fn resolve(tag: Option<&str>, text: &str) -> Result<Value, String> {
    let value = match tag {
        Some("binary") => return binary(text),
        None | Some("int" | "float" | "bool" | "null") => plain(text)?,
        Some(_) => return Ok(text.into()),
    };
    let is_of_tag = match tag {
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        Some("bool") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    if is_of_tag { Ok(value) } else { Err(format!("`{text}` is not of the type !!{}", tag.unwrap_or_default())) }
}

fn plain(text: &str) -> Result<Value, String> {
    if NULL.contains(&text) {
        return Ok(Value::Null);
    }
    if TRUE.contains(&text) || FALSE.contains(&text) {
        return Ok(Value::Bool(TRUE.contains(&text)));
    }
    if NO_NUMBER.contains(&text) {
        return Err(format!("`{text}` is a number that JSON does not have: write it in quotes if it is text"));
    }
    let digits = if text.starts_with("._") { text.to_owned() } else { text.replace('_', "") };
    let may_be_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let number = if may_be_number { integer(&digits).or_else(|| float(&digits)) } else { None };
    Ok(number.map_or_else(|| text.into(), Value::Number))
}

/// Parses an integer of up to 64 bits. A leading zero means octal.
fn integer(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match text.as_bytes().first() {
        Some(b'-') => 0_i64.checked_sub_unsigned(magnitude).map(Number::from),
        Some(b'+') => i64::try_from(magnitude).ok().map(Number::from),
        _ => Some(magnitude.into()),
    }
}

/// Parses a number with a fraction or an exponent; `None` for a number out of range, which stays text.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (figure, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(at, e)| (at, Some(e)));
    let (whole, fraction) = figure.split_once('.').map_or((figure, None), |(whole, fraction)| (whole, Some(fraction)));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_figure = are_digits(whole) && fraction.is_none_or(are_digits);
    let is_filled = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    let is_exponent = exponent.is_none_or(|text| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && are_digits(digits)
    });
    if !is_figure || !is_filled || !is_exponent {
        return None;
    }
    number(text.parse().ok()?)
}

/// A number as Go writes it in JSON: whole numbers below 10^21 have neither point nor exponent, and parse as integers
/// if they fit into 64 bits.
fn number(float: f64) -> Option<Number> {
    let whole = (float.abs() < 1e21).then(|| format!("{float}").parse::<i64>().ok()).flatten();
    whole.map(Number::from).or_else(|| Number::from_f64(float))
}

fn binary(text: &str) -> Result<Value, String> {
    let digits: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(digits);
    let bytes = bytes.map_err(|_| "a scalar of the type !!binary is not base64".to_owned())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

/// Converts a scalar to the key of an object.
pub fn key(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null => Err("a key is null: write it in quotes".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("a key is a list or a map".to_owned()),
    }
}
