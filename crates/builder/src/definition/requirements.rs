//! The requirements for a node, as a vendor writes them, and the release's own rules.

use landfall_error_codes::codes;
use landfall_release_document::{GpuPlugin, GpuRequirements, MigRequirement, Requirements as Figures, Rule};
use landfall_rules::{Inputs, ReleaseView};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{Quantity, Release, Sources};
use crate::error::{BuildError, Result};

/// Requirements for a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Processor cores.
    pub cores: u32,
    /// Memory.
    pub memory: Quantity,
    /// Space for the data that running software writes: volumes, logs, the cluster's own data. Do not include the
    /// content of the bundle: Landfall adds that itself, packed and unpacked.
    pub data: Quantity,
    /// NVIDIA GPUs; `None` if the release needs none.
    #[serde(default)]
    pub gpus: Option<Spanned<GpuDefinition>>,
}

/// Requirements for the GPUs of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuDefinition {
    /// Number of GPUs, or of MIG devices if `mig` is `divided`.
    pub count: u32,
    /// Memory of each GPU, as marketed: Landfall allows for the memory that a GPU reserves.
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// Minimum compute capability of each, such as `"8.0"`.
    #[serde(default)]
    pub compute_capability: Option<String>,
    /// Minimum version of the driver, such as `"570.86.15"`.
    #[serde(default)]
    pub driver: Option<String>,
    /// Either whole GPUs or divided ones (MIG); if absent, both are accepted.
    #[serde(default)]
    pub mig: Option<MigRequirement>,
    /// How the release's device plugin offers them to pods.
    #[serde(default)]
    pub plugin: Option<GpuPluginDefinition>,
}

/// Values of a site that determine how a component's device plugin offers GPUs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuPluginDefinition {
    /// Name of the value with the strategy for MIG.
    #[serde(default)]
    pub mig_strategy: Option<String>,
    /// Name of the value with the number of containers that share a GPU by time slicing.
    #[serde(default)]
    pub replicas: Option<String>,
}

impl Requirements {
    /// The requirements in the form of the release document.
    pub fn figures(&self) -> Figures {
        Figures {
            cores: self.cores,
            memory_bytes: self.memory.0,
            data_bytes: self.data.0,
            gpus: self.gpus.as_ref().map(|gpus| gpus.value.requirements()),
        }
    }
}

impl GpuDefinition {
    /// The GPU requirements in the form of the release document.
    pub fn requirements(&self) -> GpuRequirements {
        GpuRequirements {
            count: self.count,
            memory_bytes: self.memory.map(|memory| memory.0),
            compute_capability: self.compute_capability.clone(),
            driver: self.driver.clone(),
            mig: self.mig,
            plugin: self.plugin.as_ref().map(GpuPluginDefinition::plugin),
        }
    }
}

impl GpuPluginDefinition {
    /// The device plugin in the form of the release document.
    fn plugin(&self) -> GpuPlugin {
        GpuPlugin { mig_strategy: self.mig_strategy.clone(), replicas: self.replicas.clone() }
    }
}

/// Checks requirements and rules; evaluates each expression on sample hosts.
pub(super) fn check(sources: &Sources, release: &Release) -> Result<()> {
    if let Some(gpus) = &release.requirements.gpus {
        let place = || sources.place(gpus.referenced, "requirements.gpus");
        let checked = gpus.value.requirements().check();
        checked.map_err(|fault| BuildError::at(codes::RELEASE_INVALID, place(), format!("it has {fault}")))?;
        let plugin = gpus.value.plugin.as_ref().map(|plugin| check_plugin(release, plugin));
        plugin.transpose().map_err(|fault| BuildError::at(codes::RELEASE_INVALID, place(), fault))?;
    }
    if let Some(excess) = release.rules.get(Rule::PER_RELEASE) {
        let what = format!("a release has up to {} rules, and this has {}", Rule::PER_RELEASE, release.rules.len());
        return Err(rule_error(sources, excess, Rule::PER_RELEASE, what));
    }
    for (index, rule) in release.rules.iter().enumerate() {
        rule.value.check().map_err(|fault| rule_error(sources, rule, index, format!("it has {fault}")))?;
        if release.rules[..index].iter().any(|other| other.value.name == rule.value.name) {
            return Err(rule_error(sources, rule, index, format!("the name `{}` occurs twice", rule.value.name)));
        }
    }
    try_rules(sources, release)
}

/// Checks that the values of the device plugin exist, have a default, and allow only what the plugin understands.
fn check_plugin(release: &Release, plugin: &GpuPluginDefinition) -> std::result::Result<(), String> {
    let is_strategy = |value: &Value| GpuPlugin::strategy_of(value).is_some();
    let is_number = |value: &Value| GpuPlugin::replicas_of(value).is_some();
    check_plugin_value(release, "migStrategy", plugin.mig_strategy.as_deref(), is_strategy)?;
    check_plugin_value(release, "replicas", plugin.replicas.as_deref(), is_number)
}

fn check_plugin_value(
    release: &Release,
    field: &str,
    name: Option<&str>,
    is_right: impl Fn(&Value) -> bool,
) -> std::result::Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    let value = release.values.iter().find(|value| value.name.value == name);
    let value = value.ok_or_else(|| format!("`plugin.{field}` names the value `{name}`, which `values` lacks"))?;
    let allowed = value.schema.value["enum"].as_array();
    let allowed =
        allowed.ok_or_else(|| format!("the schema of `{name}`, which `plugin.{field}` names, has no `enum`"))?;
    if value.default.is_none() {
        return Err(format!("`{name}`, which `plugin.{field}` names, has no default"));
    }
    let other = allowed.iter().find(|value| !is_right(value));
    other.map_or(Ok(()), |other| Err(format!("`{name}` allows {other}, which is nothing that `plugin.{field}` can be")))
}

/// Evaluates each expression on sample hosts.
fn try_rules(sources: &Sources, release: &Release) -> Result<()> {
    let figures = release.requirements.figures();
    let default =
        |value: &'_ super::ValueDefinition| Some((value.name.value.clone(), value.default.as_ref()?.value.clone()));
    let view = ReleaseView {
        name: &release.name.value,
        version: &release.version.value,
        counter: release.counter.value,
        platform: &release.platform.value,
        components: release.components.iter().map(|component| component.name.value.as_str()).collect(),
        requirements: &figures,
        defaults: release.values.iter().filter_map(default).collect(),
    };
    let rules: Vec<Rule> = release.rules.iter().map(|rule| rule.value.clone()).collect();
    landfall_rules::check(&rules, &Inputs::samples(&view)).map_err(|fault| {
        let rule = &release.rules[fault.index];
        rule_error(sources, rule, fault.index, fault.to_string())
    })
}

fn rule_error(sources: &Sources, rule: &Spanned<Rule>, index: usize, what: String) -> BuildError {
    BuildError::at(codes::RELEASE_RULE, sources.place(rule.referenced, format!("rules[{index}]")), what)
}
