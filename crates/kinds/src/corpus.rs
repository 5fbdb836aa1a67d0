//! A corpus of valid objects, and of objects with a single fault, for tests here and against a real API server.

use serde::Deserialize;
use serde_json::Value;

use crate::Fault;

const CORPUS: &str = include_str!("corpus.yaml");
const CORPUS_OF_RULES: &str = include_str!("corpus_of_rules.yaml");

/// An object, and the expected verdict.
#[derive(Debug)]
pub struct Case {
    /// Kind and change, for people.
    pub name: String,
    /// The object after the change.
    pub object: Value,
    /// Expected verdict.
    pub verdict: Verdict,
}

/// Which checks accept an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The API server and [`crate::check`] accept it.
    Taken,
    /// Neither accepts it.
    Refused {
        /// JSON Pointer to the field that [`crate::check`] names.
        field: String,
    },
    /// Only [`crate::check`] accepts it.
    RefusedByServerAlone {
        /// Reason why it does.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    definition: Value,
    object: Value,
    #[serde(default)]
    takes: Vec<Change>,
    #[serde(default)]
    refuses: Vec<Change>,
    #[serde(default)]
    server_alone: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    at: String,
    #[serde(default, rename = "is", deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    why: Option<String>,
}

/// Deserializes a value; null also counts as present.
fn present<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// All cases, each valid object before its changes.
///
/// # Panics
///
/// Panics if the corpus is malformed.
#[must_use]
pub fn cases() -> Vec<Case> {
    let entries: Vec<Entry> = serde_saphyr::from_str(CORPUS).expect("the corpus is well-formed");
    entries.iter().flat_map(cases_of).collect()
}

/// Returns a definition with rules, and cases of the kind that it defines.
///
/// # Panics
///
/// Panics if the corpus is malformed.
#[must_use]
pub fn cases_of_rules() -> (Value, Vec<Case>) {
    let entry: Entry = serde_saphyr::from_str(CORPUS_OF_RULES).expect("the corpus is well-formed");
    let cases = cases_of(&entry);
    (entry.definition, cases)
}

/// Checks that each case gets its expected verdict, with the expected field.
///
/// # Panics
///
/// Panics if any case does not; the message lists all such cases.
pub fn expect_verdicts(cases: &[Case], check: impl Fn(&Value) -> Result<(), Fault>) {
    let wrong = cases.iter().filter_map(|case| {
        let found = check(&case.object);
        let is_expected = match (&case.verdict, &found) {
            (Verdict::Taken | Verdict::RefusedByServerAlone { .. }, found) => found.is_ok(),
            (Verdict::Refused { field }, Err(Fault::Field { pointer, .. })) => pointer == field,
            (Verdict::Refused { .. }, _) => false,
        };
        (!is_expected).then(|| format!("{}: {:?}, but {found:?}", case.name, case.verdict))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn cases_of(entry: &Entry) -> Vec<Case> {
    let name = entry.object["kind"].as_str().unwrap_or_default();
    let case = |change: &Change, verdict| Case {
        name: format!(
            "{name} with {} {}",
            change.at,
            change.value.as_ref().map_or("removed".to_owned(), Value::to_string)
        ),
        object: change.apply(&entry.object),
        verdict,
    };
    let valid = Case { name: name.to_owned(), object: entry.object.clone(), verdict: Verdict::Taken };
    let taken = entry.takes.iter().map(|change| case(change, Verdict::Taken));
    let refused = entry.refuses.iter().map(|change| {
        let field = change.field.clone().unwrap_or_else(|| change.at.clone());
        case(change, Verdict::Refused { field })
    });
    let alone = entry.server_alone.iter().map(|change| {
        let why = change.why.clone().expect("each object that only the server refuses has a reason");
        case(change, Verdict::RefusedByServerAlone { why })
    });
    std::iter::once(valid).chain(taken).chain(refused).chain(alone).collect()
}

impl Change {
    /// Returns the object after this change.
    fn apply(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let (above, name) = self.at.rsplit_once('/').expect("a change has a JSON Pointer");
        let name = name.replace("~1", "/").replace("~0", "~");
        match (object.pointer_mut(above).unwrap_or_else(|| panic!("{above} exists")), &self.value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(name, value.clone())),
            (Value::Object(fields), None) => drop(fields.remove(&name).expect("the removed field exists")),
            (Value::Array(items), Some(value)) if name == "-" => items.push(value.clone()),
            (Value::Array(items), Some(value)) => items[name.parse::<usize>().expect("an index")] = value.clone(),
            (other, _) => panic!("{other} has no fields to change"),
        }
        object
    }
}
