//! Strict JSON: one encoding, no duplicate names, limited depth and numbers.
//!
//! Threats: two readers that disagree about the same bytes (duplicate names, numbers beyond 2^53, escapes, floats), and
//! documents that exhaust a reader (depth, and many tiny values: 8 MiB of `{"":0}` would cost 100 times as much memory;
//! the readers limit the size). Documents that Landfall writes have one encoding, *canonical JSON*: names sorted by
//! their bytes, no whitespace, integers only, strings escaped only where JSON requires it. A canonical document is read
//! by encoding it again and comparing. Documents that carry foreign values, such as objects of Kubernetes, are encoded
//! in the same way, but may contain every number of Kubernetes: integers of 64 bits, and fractions.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};
use crate::limits;

/// Returns the canonical bytes of a document. Fails for floats, and for integers that not every reader represents
/// exactly.
pub fn to_canonical(name: &str, document: &impl Serialize) -> Result<Vec<u8>> {
    encode(name, document, Numbers::Integers)
}

/// Returns the canonical bytes of a document with foreign values, such as objects of Kubernetes or values of a release.
/// Integers have up to 64 bits. A fraction is written with the fewest digits that are read as the same number. Without
/// either, the result equals that of [`to_canonical`]. [`read_typed`], [`read_any`] and any reader of JSON can read
/// such a document.
pub fn to_canonical_with_fractions(name: &str, document: &impl Serialize) -> Result<Vec<u8>> {
    encode(name, document, Numbers::Any)
}

fn encode(name: &str, document: &impl Serialize, numbers: Numbers) -> Result<Vec<u8>> {
    let invalid = |error: serde_json::Error| Error::InvalidContents { what: format!("{name}: {error}") };
    let value = serde_json::to_value(document).map_err(invalid)?;
    let mut bytes = Vec::new();
    write_canonical(&value, numbers, &mut bytes).map_err(invalid)?;
    Ok(bytes)
}

/// Reads a canonical document of the given `type`.
pub fn read_canonical<T: DeserializeOwned>(name: &str, document_type: &'static str, bytes: &[u8]) -> Result<T> {
    let value = parse(name, bytes, Numbers::Integers)?;
    check_type(name, document_type, &value)?;
    check_canonical(name, &value, bytes)?;
    from_value(name, value)
}

/// Reads a document of the given `type` in any encoding. Floats are allowed; duplicate names are not.
pub fn read_typed<T: DeserializeOwned>(name: &str, document_type: &'static str, bytes: &[u8]) -> Result<T> {
    let value = parse(name, bytes, Numbers::Any)?;
    check_type(name, document_type, &value)?;
    from_value(name, value)
}

/// The numbers that a document may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Integers between -(2^53 - 1) and 2^53 - 1.
    Integers,
    /// Every number that JSON allows.
    Any,
}

/// Parses a document without checking the encoding. Returns an error for duplicate names and for nesting beyond the
/// limit.
pub(crate) fn parse(name: &str, bytes: &[u8], numbers: Numbers) -> Result<Value> {
    parse_within(name, bytes, numbers, &Budget::new(1))
}

/// Reads a document of any type and encoding for inspection, within limits that several documents share.
pub fn read_any(name: &str, bytes: &[u8], budget: &Budget) -> Result<Value> {
    parse_within(name, bytes, Numbers::Any, budget)
}

fn parse_within(name: &str, bytes: &[u8], numbers: Numbers, budget: &Budget) -> Result<Value> {
    let duplicate = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = StrictSeed { numbers, depth: limits::DEPTH, duplicate: &duplicate, budget };
    let parsed = strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|source| match (duplicate.take(), budget.exceeded_limit()) {
        (Some(field), _) => Error::DuplicateName { name: name.to_owned(), field },
        (None, Some((what, limit))) => {
            Error::TooLarge { what: format!("the number of {what} in {name}"), limit: limit as u64 }
        }
        (None, None) => Error::InvalidDocument { name: name.to_owned(), source: source.into() },
    })
}

/// Returns an error if the document's `type` is not the one that its place requires.
pub(crate) fn check_type(name: &str, expected: &'static str, value: &Value) -> Result<()> {
    require_type(name, expected, value.get("type").and_then(Value::as_str).unwrap_or_default())
}

/// Returns an error if the type is not the expected one.
pub(crate) fn require_type(name: &str, expected: &'static str, found: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::WrongType { name: name.to_owned(), found: found.chars().take(100).collect(), expected })
}

/// Returns an error unless the encoding is canonical.
pub(crate) fn check_canonical(name: &str, value: &Value, bytes: &[u8]) -> Result<()> {
    let mut again = Vec::with_capacity(bytes.len());
    match write_canonical(value, Numbers::Integers, &mut again) {
        Ok(()) if again == bytes => Ok(()),
        _ => Err(Error::NotCanonical { name: name.to_owned() }),
    }
}

/// Deserializes the value into a type.
pub(crate) fn from_value<T: DeserializeOwned>(name: &str, value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|source| Error::InvalidDocument { name: name.to_owned(), source: source.into() })
}

fn write_canonical(value: &Value, numbers: Numbers, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort_unstable();
            out.push(b'{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                write_canonical(&map[name], numbers, out)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, numbers, out)?;
            }
            out.push(b']');
        }
        Value::Number(number) if numbers == Numbers::Integers && !is_exact(number) => {
            return Err(serde_json::Error::custom(format!("{number} is not an integer of at most 53 bits")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => serde_json::to_writer(out, value)?,
    }
    Ok(())
}

fn is_exact(number: &Number) -> bool {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    magnitude.is_some_and(|magnitude| magnitude <= limits::INTEGER)
}

/// The remaining allowance for the values of several documents; `usize::MAX` after they exceeded it.
#[derive(Debug)]
pub struct Budget {
    documents: usize,
    values: Cell<usize>,
    containers: Cell<usize>,
}

impl Budget {
    /// Creates the allowance of this many documents of the largest kind.
    pub fn new(documents: usize) -> Self {
        let (values, containers) = (limits::VALUES * documents, limits::CONTAINERS * documents);
        Self { documents, values: Cell::new(values), containers: Cell::new(containers) }
    }

    fn spend<E: serde::de::Error>(left: &Cell<usize>) -> std::result::Result<(), E> {
        left.set(left.get().wrapping_sub(1));
        if left.get() == usize::MAX { Err(E::custom("too many values")) } else { Ok(()) }
    }

    fn exceeded_limit(&self) -> Option<(&'static str, usize)> {
        match (self.values.get(), self.containers.get()) {
            (usize::MAX, _) => Some(("values", limits::VALUES * self.documents)),
            (_, usize::MAX) => Some(("objects and arrays", limits::CONTAINERS * self.documents)),
            _ => None,
        }
    }
}

/// A seed that builds a [`Value`] and returns an error for anything that readers may interpret differently.
#[derive(Clone, Copy)]
struct StrictSeed<'a> {
    numbers: Numbers,
    depth: usize,
    duplicate: &'a RefCell<Option<String>>,
    budget: &'a Budget,
}

impl StrictSeed<'_> {
    fn deeper<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        Budget::spend(&self.budget.containers)?;
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth, ..self })
    }

    fn number<E: serde::de::Error>(self, number: Number) -> std::result::Result<Value, E> {
        if self.numbers == Numbers::Integers && !is_exact(&number) {
            return Err(E::custom(format!("{number} is not an integer of at most 53 bits")));
        }
        Ok(Value::Number(number))
    }
}

impl<'de> DeserializeSeed<'de> for StrictSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        Budget::spend(&self.budget.values)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictSeed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Value, E> {
        self.number(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<Value, E> {
        self.number(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        self.number(Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?)
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                let error = A::Error::custom(format!("`{name}` occurs twice"));
                self.duplicate.replace(Some(name));
                return Err(error);
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use landfall_error_codes::CodedError;

    fn code(text: &str) -> &'static str {
        match read_canonical::<Value>("x.json", "t", text.as_bytes()) {
            Ok(_) => "accepted",
            Err(error) => error.code().id,
        }
    }

    #[test]
    fn noncanonical_json_is_refused() {
        assert_eq!(code(r#"{"a":[1,"é\n"],"type":"t"}"#), "accepted");
        let refused = [
            (r#"{"type":"t","a":1}"#, "LF1011"),
            (r#"{"a": 1,"type":"t"}"#, "LF1011"),
            (r#"{"a":"\u00e9","type":"t"}"#, "LF1011"),
            (r#"{"a":-0,"type":"t"}"#, "LF1012"),
            (r#"{"a":1.5,"type":"t"}"#, "LF1012"),
            (r#"{"a":1e2,"type":"t"}"#, "LF1012"),
            (r#"{"a":9007199254740992,"type":"t"}"#, "LF1012"),
            (r#"{"a":1,"type":"u"}"#, "LF1013"),
            (r#"{"a":1}"#, "LF1013"),
            (r#"{"a":1,"a":1,"type":"t"}"#, "LF1010"),
            (r#"{"a":{"b":1,"b":2},"type":"t"}"#, "LF1010"),
            (r#"{"type":"t"}x"#, "LF1012"),
            ("{\"type\":\"t\"}\n", "LF1011"),
            ("", "LF1012"),
        ];
        for (text, expected) in refused {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(code(&format!("{}{}", "[".repeat(60), "]".repeat(60))), "LF1012");
        assert_eq!(code("\u{feff}{\"type\":\"t\"}"), "LF1012");
    }

    #[test]
    fn excessive_values_are_refused_early() {
        let objects = format!(r#"{{"a":[{}],"type":"t"}}"#, vec![r#"{"":0}"#; limits::CONTAINERS - 1].join(","));
        assert_eq!(code(&objects), "LF1014");
        let zeros = format!(r#"{{"a":[{}],"type":"t"}}"#, vec!["0"; limits::VALUES - 2].join(","));
        assert_eq!(code(&zeros), "LF1014");
        let fits = format!(r#"{{"a":[{}],"type":"t"}}"#, vec![r#"{"":0}"#; limits::CONTAINERS - 2].join(","));
        assert_eq!(code(&fits), "accepted");
    }

    #[test]
    fn floats_cannot_be_written() {
        for number in [json!(0.5), json!(u64::MAX)] {
            let refused = to_canonical("x.json", &json!({ "a": number })).unwrap_err();
            assert_eq!(refused.code().id, "LF1020");
        }
    }

    #[test]
    fn foreign_numbers_keep_their_value() {
        let text =
            r#"{"a":[0.5,-1.5e-9,9007199254740993,-9223372036854775808,18446744073709551615,3.0,1e300],"type":"t"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let bytes = to_canonical_with_fractions("x.json", &value).unwrap();
        assert_eq!(read_typed::<Value>("x.json", "t", &bytes).unwrap(), value);
        assert_eq!(
            to_canonical_with_fractions("x.json", &serde_json::from_slice::<Value>(&bytes).unwrap()).unwrap(),
            bytes
        );
        assert!(String::from_utf8(bytes).unwrap().contains("[0.5,-1.5e-9,9007199254740993,"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..=limits::INTEGER).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_json_round_trips(value in values()) {
            let document = json!({ "type": "t", "value": value });
            let bytes = to_canonical("x.json", &document).unwrap();
            prop_assert_eq!(&to_canonical_with_fractions("x.json", &document).unwrap(), &bytes);
            prop_assert_eq!(read_canonical::<Value>("x.json", "t", &bytes).unwrap(), document);
        }

        #[test]
        fn fractions_round_trip(fraction in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            let bytes = to_canonical_with_fractions("x.json", &fraction).unwrap();
            let read: f64 = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(read.to_bits(), fraction.to_bits());
        }

        #[test]
        fn accepted_bytes_are_canonical(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = read_canonical::<Value>("x.json", "t", &bytes) {
                prop_assert_eq!(to_canonical("x.json", &value).unwrap(), bytes);
            }
        }
    }
}
