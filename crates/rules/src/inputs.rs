//! The inputs of an expression.

use std::collections::BTreeMap;

use landfall_release_document::{ReleaseDocument, Requirements};
use serde_json::{Map, Value, json};

/// The variables of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Variable `facts`: the output of `landfall facts`.
    pub facts: Value,
    /// Variable `release`: name, version, counter, platform, components and requirements.
    pub release: Value,
    /// Variable `site`: the site configuration, with the release's defaults for unset values.
    pub site: Value,
}

/// Sample facts of hosts for testing rules at build time: one host without GPUs, and one with two.
const SAMPLES: [&str; 2] = [include_str!("../samples/small.json"), include_str!("../samples/two-gpus.json")];

impl Inputs {
    /// Names of the variables.
    pub const NAMES: [&str; 3] = ["facts", "release", "site"];

    /// Creates the inputs for rules of this release at a site.
    pub fn new(facts: Value, release: &ReleaseView<'_>, mut site: Value) -> Self {
        add_defaults(&mut site, &release.defaults);
        Self { facts, release: release.to_variable(), site }
    }

    /// Creates sample inputs for rules of this release at build time: sample hosts, and a site that sets nothing.
    pub fn samples(release: &ReleaseView<'_>) -> Vec<Self> {
        let facts = SAMPLES.iter().filter_map(|text| serde_json::from_str(text).ok());
        facts.map(|facts| Self::new(facts, release, json!({ "node": {}, "network": {}, "values": {} }))).collect()
    }

    /// Returns the variable with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match name {
            "facts" => Some(&self.facts),
            "release" => Some(&self.release),
            "site" => Some(&self.site),
            _ => None,
        }
    }
}

/// The part of a release that rules may refer to.
#[derive(Debug, Clone)]
pub struct ReleaseView<'a> {
    /// Name of the release.
    pub name: &'a str,
    /// Version of the release.
    pub version: &'a str,
    /// Counter of the release.
    pub counter: u64,
    /// Platform, such as `linux/amd64`.
    pub platform: &'a str,
    /// Names of the components.
    pub components: Vec<&'a str>,
    /// Fixed requirements.
    pub requirements: &'a Requirements,
    /// Defaults of the values, by name.
    pub defaults: BTreeMap<String, Value>,
}

impl<'a> From<&'a ReleaseDocument> for ReleaseView<'a> {
    fn from(release: &'a ReleaseDocument) -> Self {
        let defaults = release.values.iter().filter_map(|value| Some((value.name.clone(), value.default.clone()?)));
        Self {
            name: &release.name,
            version: &release.version,
            counter: release.counter,
            platform: &release.platform,
            components: release.components.iter().map(|component| component.name.as_str()).collect(),
            requirements: &release.requirements,
            defaults: defaults.collect(),
        }
    }
}

impl ReleaseView<'_> {
    /// Returns the variable `release`, with names as in a release definition.
    fn to_variable(&self) -> Value {
        let requirements = self.requirements;
        json!({
            "name": self.name,
            "version": self.version,
            "counter": self.counter,
            "platform": self.platform,
            "components": self.components,
            "requirements": {
                "cores": requirements.cores,
                "memoryBytes": requirements.memory_bytes,
                "dataBytes": requirements.data_bytes,
                "gpus": requirements.gpus.as_ref().map_or(0, |gpus| gpus.count),
            },
        })
    }
}

/// Adds the release's defaults to a site configuration, for the values that it does not set.
fn add_defaults(site: &mut Value, defaults: &BTreeMap<String, Value>) {
    if !site.is_object() {
        *site = Value::Object(Map::new());
    }
    let Value::Object(fields) = site else { return };
    let values = fields.entry("values").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(values) = values else { return };
    for (name, default) in defaults {
        values.entry(name.clone()).or_insert_with(|| default.clone());
    }
}
