//! Presets: backup rules for well-known software, which `build` expands, so that a site sees each rule as if the vendor
//! had written every program.
//!
//! A preset is a YAML file of scripts. `@{name}` in a script stands for a parameter: it is replaced with the formatted
//! value, or with nothing if the parameter is not given. In the latter case, a line that contains nothing else is
//! removed. Values are restricted so that YAML, shells and SQL take them literally.

#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::definition::{CommandExpectationDefinition, ContainerNeeds, HoldUntilDefinition};
use value::ValueKind;

/// Replacements in a text, as pairs (from, to).
type Renames = &'static [(&'static str, &'static str)];

/// All presets: name, text, and replacements in the text.
const PRESETS: [(&str, &str, Renames); 4] = [
    ("files", include_str!("files.yaml"), &[]),
    ("postgresql", include_str!("postgresql.yaml"), &[]),
    // Valkey began as a fork of Redis; its programs have different names.
    ("redis", include_str!("valkey.yaml"), &[("valkey-", "redis-"), ("Valkey", "Redis")]),
    ("valkey", include_str!("valkey.yaml"), &[]),
];

/// Software without a preset, with the reason, for a vendor who looks for one.
const NONE: [(&str, &str); 1] = [(
    "qdrant",
    "its snapshots are asked for over HTTP, and its image has neither curl nor wget: add a container with one that \
     mounts the volume, and write the whole rule.",
)];

/// The content of a preset, with its parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Preset {
    parameters: BTreeMap<String, Parameter>,
    /// Programs that its scripts run, in addition to the usual ones of a shell.
    pub(super) programs: Vec<String>,
    pub(super) save: String,
    pub(super) load: String,
    #[serde(default)]
    pub(super) log: Option<PresetLog>,
    #[serde(default)]
    pub(super) hold: Option<PresetHold>,
    /// Script that prints the counts of the data.
    #[serde(default)]
    pub(super) counts: Option<String>,
    pub(super) marker: PresetMarker,
    /// Checks that run before those of the release.
    #[serde(default)]
    pub(super) checks: Vec<PresetCheck>,
    /// Checks that run after those of the release.
    #[serde(default)]
    pub(super) last_checks: Vec<PresetCheck>,
}

/// Scripts for log backups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetLog {
    pub(super) keep: String,
    pub(super) save: String,
    pub(super) saved: String,
    pub(super) load: String,
    pub(super) recover: String,
}

/// Scripts for a hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetHold {
    pub(super) begin: String,
    pub(super) end: String,
    pub(super) until: HoldUntilDefinition,
}

/// Scripts for a marker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetMarker {
    pub(super) write: String,
    pub(super) read: String,
}

/// A check with a script as its program.
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

/// A parameter that a vendor may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameter {
    /// Kind of its value.
    is: ValueKind,
    /// Text that replaces the parameter in scripts; `@` in it stands for the value.
    #[serde(default = "itself")]
    form: String,
    /// Default value.
    #[serde(default)]
    default: Option<String>,
    /// True if a value must be given.
    #[serde(default)]
    required: bool,
    /// Environment variable of the container that is read if no value is given.
    #[serde(default)]
    variable: Option<String>,
    /// True for a path on the rule's volume.
    #[serde(default)]
    on_volume: bool,
}

fn itself() -> String {
    "@".to_owned()
}

/// A preset with the values of its parameters.
#[derive(Debug, Clone)]
pub(super) struct FilledPreset {
    pub(super) preset: Preset,
    /// Requirements for the container.
    pub(super) needs: ContainerNeeds,
}

/// Reason why a preset cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No preset has this name; with the known names and, for some software, the reason.
    Unknown { known: Vec<&'static str>, why: Option<&'static str> },
    /// The preset has no such parameter.
    Parameter { name: String, known: Vec<String> },
    /// The value of a parameter is of another kind.
    Value { name: String, expected: &'static str },
    /// A parameter without a default is missing.
    Missing { name: String },
    /// A preset file of Landfall is invalid.
    Bug(String),
}

/// Fills the preset `name` with these values.
pub(super) fn fill(name: &str, values: &BTreeMap<String, Value>) -> Result<FilledPreset, Misfit> {
    let Some((_, text, renamed)) = PRESETS.iter().find(|(known, ..)| *known == name) else {
        let why = NONE.iter().find(|(known, _)| *known == name).map(|(_, why)| *why);
        return Err(Misfit::Unknown { known: names().into_iter().collect(), why });
    };
    let text = &renamed.iter().fold((*text).to_owned(), |text, (from, to)| text.replace(from, to));
    let parameters = parse_preset(text)?.parameters;
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
    let preset = parse_preset(&fill_text(text, &forms))?;
    needs.programs.clone_from(&preset.programs);
    Ok(FilledPreset { preset, needs })
}

fn parse_preset(text: &str) -> Result<Preset, Misfit> {
    serde_saphyr::from_str(text).map_err(|error| Misfit::Bug(error.to_string()))
}

/// Replaces the parameters in a text. Removes lines that contain only parameters, if none of these is given.
fn fill_text(text: &str, forms: &BTreeMap<&str, String>) -> String {
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
