//! Presets: rules for well-known software, which `build` writes out. A site sees the same rule as if the vendor had written every program.
//!
//! A preset is a YAML file of scripts. `@{name}` in them stands for a parameter: for its value, in its form, or for nothing where it is not
//! given; a line of nothing else goes then. Values are so plain that they mean themselves to YAML, to a shell and to SQL.

#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::HoldUntilDefinition;
use crate::proofs::CommandExpectationDefinition;
use value::ValueKind;

/// What of a text has another name: from, to.
type Renames = &'static [(&'static str, &'static str)];

/// All presets: name, text, and what of the text has another name.
const PRESETS: [(&str, &str, Renames); 4] = [
    ("files", include_str!("files.yaml"), &[]),
    ("postgresql", include_str!("postgresql.yaml"), &[]),
    // Valkey began as Redis, and has its programs under names of its own.
    ("redis", include_str!("valkey.yaml"), &[("valkey-", "redis-"), ("Valkey", "Redis")]),
    ("valkey", include_str!("valkey.yaml"), &[]),
];

/// Software that a vendor may look for here, and why there is no preset for it.
const NONE: [(&str, &str); 1] = [(
    "qdrant",
    "its snapshots are asked for over HTTP, and its image has neither curl nor wget: add a container with one that mounts the volume, and write \
     the whole rule.",
)];

/// What a preset makes of its parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Preset {
    parameters: BTreeMap<String, Parameter>,
    /// Programs that its scripts run, beside those of every shell.
    pub(super) programs: Vec<String>,
    pub(super) save: String,
    pub(super) load: String,
    #[serde(default)]
    pub(super) log: Option<PresetLog>,
    #[serde(default)]
    pub(super) hold: Option<PresetHold>,
    /// What prints what the data counts.
    #[serde(default)]
    pub(super) counts: Option<String>,
    pub(super) marker: PresetMarker,
    /// Checks before those of the release.
    #[serde(default)]
    pub(super) checks: Vec<PresetCheck>,
    /// Checks after those of the release.
    #[serde(default)]
    pub(super) last_checks: Vec<PresetCheck>,
}

/// Scripts of a log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetLog {
    pub(super) keep: String,
    pub(super) save: String,
    pub(super) saved: String,
    pub(super) load: String,
    pub(super) recover: String,
}

/// Scripts of a hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetHold {
    pub(super) begin: String,
    pub(super) end: String,
    pub(super) until: HoldUntilDefinition,
}

/// Scripts of a marker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetMarker {
    pub(super) write: String,
    pub(super) read: String,
}

/// A check whose program is a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PresetCheck {
    pub(super) shows: String,
    #[serde(default)]
    pub(super) limit_seconds: Option<u64>,
    pub(super) run: String,
    #[serde(default)]
    pub(super) expect: Option<CommandExpectationDefinition>,
}

/// What a vendor may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameter {
    /// What its value is.
    is: ValueKind,
    /// What scripts have in its place, in which `@` stands for the value.
    #[serde(default = "itself")]
    form: String,
    /// The value where none is given.
    #[serde(default)]
    default: Option<String>,
    /// Whether a value must be given.
    #[serde(default)]
    required: bool,
    /// The variable of the container that is read where no value is given.
    #[serde(default)]
    variable: Option<String>,
    /// Whether it is a path on the rule's volume.
    #[serde(default)]
    on_volume: bool,
}

fn itself() -> String {
    "@".to_owned()
}

/// A preset with the values of its parameters.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) preset: Preset,
    /// What must be true of the container.
    pub(super) needs: ContainerNeeds,
}

/// What a rule of a preset needs of its container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ContainerNeeds {
    /// Programs.
    pub(super) programs: Vec<String>,
    /// Variables that must be set, each with the parameter that sets it otherwise.
    pub(super) variables: BTreeMap<String, String>,
    /// Paths that must be on the rule's volume, by parameter.
    pub(super) paths: BTreeMap<String, String>,
}

/// Why a preset cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// There is none of this name; known ones, and what a person should know.
    Unknown { known: Vec<&'static str>, why: Option<&'static str> },
    /// It has no such parameter.
    Parameter { name: String, known: Vec<String> },
    /// A parameter has another kind of value.
    Value { name: String, expected: &'static str },
    /// A parameter without a default is missing.
    Missing { name: String },
    /// A file of Landfall's own is wrong.
    Bug(String),
}

/// The preset of this name, with these values.
pub(super) fn fill(name: &str, values: &BTreeMap<String, Value>) -> Result<Filled, Misfit> {
    let Some((_, text, renamed)) = PRESETS.iter().find(|(known, ..)| *known == name) else {
        let why = NONE.iter().find(|(known, _)| *known == name).map(|(_, why)| *why);
        return Err(Misfit::Unknown { known: names().into_iter().collect(), why });
    };
    let text = &renamed.iter().fold((*text).to_owned(), |text, (from, to)| text.replace(from, to));
    let parameters = parsed(text)?.parameters;
    if let Some(unknown) = values.keys().find(|name| !parameters.contains_key(*name)) {
        return Err(Misfit::Parameter { name: unknown.clone(), known: parameters.into_keys().collect() });
    }
    let (mut forms, mut needs) = (BTreeMap::new(), ContainerNeeds::default());
    for (name, parameter) in &parameters {
        let given = values.get(name).map(|value| parameter.is.text(value));
        let given = given.map(|text| text.ok_or(Misfit::Value { name: name.clone(), expected: parameter.is.name() }));
        let value = given.transpose()?.or_else(|| parameter.default.clone());
        match (&value, &parameter.variable) {
            (None, _) if parameter.required => return Err(Misfit::Missing { name: name.clone() }),
            (None, Some(variable)) => drop(needs.variables.insert(variable.clone(), name.clone())),
            (Some(path), _) if parameter.on_volume => drop(needs.paths.insert(name.clone(), path.clone())),
            _ => {}
        }
        forms.insert(name.as_str(), value.map(|value| parameter.form.replace('@', &value)).unwrap_or_default());
    }
    let preset = parsed(&filled(text, &forms))?;
    needs.programs.clone_from(&preset.programs);
    Ok(Filled { preset, needs })
}

fn parsed(text: &str) -> Result<Preset, Misfit> {
    serde_saphyr::from_str(text).map_err(|error| Misfit::Bug(error.to_string()))
}

/// A text with the forms of its parameters; a line that has nothing but parameters, none of which is given, goes.
fn filled(text: &str, forms: &BTreeMap<&str, String>) -> String {
    let mut filled = String::new();
    for line in text.split_inclusive('\n') {
        let with = forms.iter().fold(line.to_owned(), |line, (name, form)| line.replace(&format!("@{{{name}}}"), form));
        if with.trim().is_empty() && !line.trim().is_empty() {
            continue;
        }
        filled.push_str(with.trim_end_matches(['\n', ' ']));
        filled.push_str(if with.ends_with('\n') { "\n" } else { "" });
    }
    filled
}

/// Names of all presets.
pub(super) fn names() -> BTreeSet<&'static str> {
    PRESETS.iter().map(|(name, ..)| *name).collect()
}
